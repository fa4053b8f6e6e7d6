"""Bars for proposals and results."""

from __future__ import annotations

from rich.text import Text

from server.demo.bot import Message

_FULL, _EMPTY = "━", "╌"
_RESULT_WIDTH = 12


def needed(proposal: Message, event: Message, counts: Message) -> int:
    """Return the votes that ``proposal`` needs, or needed when it was decided."""
    decision = proposal.get("decision")
    rule = decision or event["policy"][proposal["kind"]]
    if rule["rule"] == "count":
        return int(rule["threshold"])
    eligible = decision["eligible"] if decision else counts["members"]
    # Rounded up, in whole numbers.
    return -(-int(rule["threshold"]) * int(eligible) // 100)


def tally(proposal: Message, event: Message, counts: Message, *, width: int) -> Text:
    """Draw a bar that is full at the threshold, with figures: ``━━━━╌╌ 2 of 3``."""
    agree, goal = proposal["agree"], needed(proposal, event, counts)
    full = width * min(agree, goal) // goal
    carried = agree >= goal
    style = "green" if carried else "cyan" if proposal["status"] == "pending" else "yellow"
    figures = f" {agree} of {goal}"
    return Text.assemble(
        (_FULL * full, style), (_EMPTY * (width - full), "dim"), (figures, f"bold {style}")
    )


def result_bar(votes: int, ballots: int, *, first: bool) -> Text:
    """Draw an option's share of the ballots."""
    full = _RESULT_WIDTH * votes // max(ballots, 1)
    style = "green" if first else "cyan"
    return Text.assemble((_FULL * full, style), (f"{' ' * bool(full)}{votes}", f"bold {style}"))
