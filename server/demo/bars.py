"""Bars: how far a proposal is from its threshold, and how an option did."""

from __future__ import annotations

from rich.text import Text

from server.demo.bot import Message

_FULL, _EMPTY = "━", "╌"
_RESULT_WIDTH = 12


def needed(proposal: Message, event: Message, counts: Message) -> int:
    """Votes that carry ``proposal``; for a decided one, those that would have."""
    decision = proposal.get("decision")
    rule = decision or event["policy"][proposal["kind"]]
    if rule["rule"] == "count":
        return int(rule["threshold"])
    eligible = decision["eligible"] if decision else counts["members"]
    # Rounded up, in whole numbers.
    return -(-int(rule["threshold"]) * int(eligible) // 100)


def tally(proposal: Message, event: Message, counts: Message, *, width: int) -> Text:
    """A bar that is full at the threshold, and the figures: ``━━━━╌╌ 2 of 3``."""
    agree, goal = proposal["agree"], needed(proposal, event, counts)
    full = width * min(agree, goal) // goal
    carried = agree >= goal
    style = "green" if carried else "cyan" if proposal["status"] == "pending" else "yellow"
    figures = f" {agree} of {goal}"
    return Text.assemble(
        (_FULL * full, style), (_EMPTY * (width - full), "dim"), (figures, f"bold {style}")
    )


def result_bar(votes: int, ballots: int, *, first: bool) -> Text:
    """An option's share of the ballots."""
    full = _RESULT_WIDTH * votes // max(ballots, 1)
    style = "green" if first else "cyan"
    return Text.assemble((_FULL * full, style), (f"{' ' * bool(full)}{votes}", f"bold {style}"))
