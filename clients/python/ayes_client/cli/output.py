"""What the command line prints: JSON lines for programs, words for people."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import cast

import orjson

from ayes_client.command import Ack
from ayes_client.errors import AyesError
from ayes_client.state import Json, Proposal, State, You

#: Characters of a text shown in a line; the rest is in the JSON.
LONGEST = 72
#: Collection of the state → what one of its things is called.
COLLECTIONS = {
    "options": "option",
    "assumptions": "assumption",
    "criteria": "criterion",
    "proposals": "proposal",
    "comments": "comment",
    "members": "member",
    "requests": "request",
}


#: A role, or a standing without one → what one is then.
STANDINGS = {
    "admin": "an admin",
    "member": "a member",
    "pending": "waiting to be let in",
    "rejected": "turned away",
    "left": "out: you have left",
    "removed": "out: you were removed",
}


class UsageError(Exception):
    """The command cannot be tried as it was given."""


class Output:
    """stdout for what was asked, stderr for what went wrong."""

    def __init__(self, prog: str, *, json: bool) -> None:
        self.prog = prog
        self.json = json

    def tell(self, content: Mapping[str, object], *lines: str) -> None:
        """``content`` for programs, or ``lines`` for people."""
        if self.json:
            print(orjson.dumps(content).decode(), flush=True)
        else:
            for line in lines:
                print(line, flush=True)

    def ack(self, ack: Ack, words: str) -> None:
        """What a command did, and its place in the event."""
        if not ack.applied:
            words += "; there was nothing to change"
        again = ", as answered before" if ack.replayed else ""
        self.tell(ack.to_dict(), f"{words} (#{ack.seq}{again})")

    def error(self, error: AyesError) -> None:
        """What went wrong: for people on stderr, for programs on stdout."""
        if self.json:
            print(orjson.dumps(error.to_dict()).decode(), flush=True)
        else:
            self.complain(error_words(error))

    def tell_unknown(self, id: str) -> None:
        """For programs: sent, and not answered."""
        if self.json:
            unknown = {"type": "error", "code": "timeout", "effect": "unknown", "retry": "same"}
            message = "not answered in time; send the same id again"
            self.tell({**unknown, "id": id, "message": message, "details": {}})

    def complain(self, words: str) -> None:
        """One line on stderr."""
        print(f"{self.prog}: {words}", file=sys.stderr)


def plain(text: str, longest: int = LONGEST) -> str:
    """A text in one line that cannot move the cursor or colour the screen."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def some(count: int, what: str) -> str:
    """``1 vote``, ``2 votes``."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def error_words(error: AyesError) -> str:
    """An error in one line, with how it was decided before where that is told."""
    words = f"{error.code}: {plain(error.message, 200)}"
    told = [
        f"{name} {plain(str(error.details[name]))}"
        for name in ("path", "status", "resolution", "by", "current", "limit", "seq", "close")
        if name in error.details
    ]
    return f"{words} ({', '.join(told)})" if told else words


def tally(state: State, proposal: Proposal) -> str:
    """``3 of 5``: who agrees, of how many."""
    decision = proposal.get("decision")
    eligible = decision["eligible"] if decision else state["counts"].get("members", 0)
    return f"{proposal['agree']} of {eligible}"


def name_of(state: State, user: str | None) -> str:
    """A member's name, or the id of somebody whom the room does not show."""
    if not user:
        return "the server"
    member = state["members"].get(user)
    return plain(user if member is None else member["name"], 30)


def proposal_words(state: State, id: str, proposal: Proposal) -> str:
    """A proposal in one line."""
    what = f"{proposal['category']} {proposal['kind']}"
    words = f"{id}  {what}  {tally(state, proposal)}"
    if proposal["status"] != "pending":
        words += f"  {proposal['status']} ({proposal.get('resolution')})"
    elif proposal.get("stale"):
        words += "  stale"
    if proposal.get("target"):
        words += f"  on {proposal['target']}"
    content = proposal.get("content")
    said = f"  “{plain(content)}”" if content else ""
    return f"{words}{said}  by {name_of(state, proposal['author'])}"


def standing(state: State, you: You, seq: int) -> Iterator[str]:
    """Where an event stands, for people."""
    event = state["event"]
    counts = state["counts"]
    head = f"{plain(event['subject'])}  [{event['status']}]"
    if "members" in counts:
        head += f"  {some(counts['members'], 'member')}, {some(counts['ballots'], 'ballot')}"
    yield f"{head}  #{seq}"
    yield f"you are {STANDINGS[you['membership'].get('role', you['membership']['status'])]}"
    if code := event.get("entrance_code"):
        yield f"entrance code {code}"
    for collection in ("options", "assumptions", "criteria"):
        shown = cast(Json, state)[collection]
        items = sorted(shown.items(), key=lambda item: item[1]["position"])
        if items:
            yield f"{collection}:"
        for id, item in items:
            conclusion = item.get("conclusion")
            then = f"  → {plain(conclusion)}" if conclusion else ""
            yield f"  {id}  {plain(item['content'])}{then}"
    yield from _proposals(state, you)


def _proposals(state: State, you: You) -> Iterator[str]:
    shown = sorted(state["proposals"].items(), key=lambda item: item[1]["created_at"])
    if shown:
        yield "proposals:"
    for id, proposal in shown:
        mine = "  ✓ yours" if id in you["votes"] else ""
        yield f"  {proposal_words(state, id, proposal)}{mine}"


def moved(before: State, state: State, patch: Json) -> Iterator[str]:
    """What a patch changed, for people."""
    for collection, one in COLLECTIONS.items():
        held = cast(Json, before).get(collection, {})
        shown = cast(Json, state).get(collection, {})
        for id in patch.get(collection) or ():
            if id not in shown:
                yield f"- {one} {id}"
            elif one == "proposal":
                sign = "~" if id in held else "+"
                yield f"{sign} proposal {proposal_words(state, id, shown[id])}"
            else:
                yield f"{'~' if id in held else '+'} {one} {id}  {_words(state, shown[id])}"
    for field, value in (patch.get("event") or {}).items():
        yield f"event: {field} is {plain(str(value))}"
    if "results" in patch:
        yield "the ballots are counted: see results"


def _words(state: State, item: Json) -> str:
    words = plain(item.get("content") or item.get("name") or "")
    return f"{words}  by {name_of(state, item['author'])}" if "author" in item else words


def results_words(state: State) -> Iterator[str]:
    """The final ballot, counted; of a state that has ``results``."""
    results = state["results"]
    yield f"{results['ballots']} of {results['eligible']} gave a ballot"
    for chosen in results["options"]:
        option = state["options"].get(chosen["option"])
        words = chosen["option"] if option is None else option["content"]
        yield f"  {chosen['rank']}. {plain(words)}  {some(chosen['votes'], 'vote')}"
    if results["criteria"]:
        yield "what weighed most:"
    for weighed in results["criteria"]:
        criterion = state["criteria"].get(weighed["criterion"])
        words = weighed["criterion"] if criterion is None else criterion["content"]
        yield f"  {weighed['rank']}. {plain(words)}  {some(weighed['points'], 'point')}"
