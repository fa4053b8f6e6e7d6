"""The output of the command line: JSON lines for programs, words for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, cast

import orjson

from ayes_client._rooms.counting import tally_of
from ayes_client.command import Ack
from ayes_client.errors import AyesError
from ayes_client.state import Json, Proposal, State, You
from ayes_client.tally import Tally

#: Characters of a text in a line. The rest is cut, and is in the JSON output: a line fits a
#: terminal.
MAX_TEXT_LENGTH = 72
#: Collection of the state → the name of one of its things.
COLLECTIONS = {
    "options": "option",
    "assumptions": "assumption",
    "criteria": "criterion",
    "proposals": "proposal",
    "comments": "comment",
    "members": "member",
    "requests": "request",
    "invitations": "invitation",
}


#: A stance other than ``agree`` → in words.
STANCES = {"against": "against", "abstain": "abstain"}
#: A role, or a membership without one → in words.
MEMBERSHIPS = {
    "admin": "an admin",
    "organiser": "an organiser",
    "member": "a member",
    "pending": "waiting to be let in",
    "rejected": "turned away",
    "left": "out: you have left",
    "removed": "out: you were removed",
}


class UsageError(Exception):
    """The command line cannot be run as it is."""


class Output:
    """Results on stdout, complaints on stderr."""

    def __init__(self, prog: str, *, json: bool) -> None:
        self.prog = prog
        self.json = json

    def print(self, content: Mapping[str, object], *lines: str) -> None:
        """Print ``content`` for programs, or ``lines`` for people."""
        if self.json:
            print(_json(content), flush=True)
        else:
            for line in lines:
                print(line, flush=True)

    def ack(self, ack: Ack, words: str) -> None:
        """Print what a command did, and its place in the event."""
        if not ack.applied:
            words += "; there was nothing to change"
        again = ", as answered before" if ack.replayed else ""
        self.print(ack.to_dict(), f"{words} (#{ack.seq}{again})")

    def error(self, error: AyesError) -> None:
        """Print an error: for people on stderr, for programs on stdout."""
        if self.json:
            print(_json(error.to_dict()), flush=True)
        else:
            self.complain(error_words(error))

    def print_unknown(self, id: str) -> None:
        """Print, for programs, that a command was sent and not answered."""
        if self.json:
            unknown = {"type": "error", "code": "timeout", "effect": "unknown", "retry": "same"}
            message = "not answered in time; send the same id again"
            self.print({**unknown, "id": id, "message": message, "details": {}})

    def complain(self, words: str) -> None:
        """Print one line on stderr."""
        print(f"{self.prog}: {words}", file=sys.stderr)


def _json(content: Mapping[str, object]) -> str:
    """One line of JSON, in ASCII if the output cannot hold more."""
    line = orjson.dumps(content).decode()
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(orjson.loads(line))
    return line


def plain(text: str, longest: int = MAX_TEXT_LENGTH) -> str:
    """Make one line of a text, without characters that move the cursor or colour the screen."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def some(count: int, what: str, several: str = "") -> str:
    """``1 vote``, ``2 votes``; ``several``: a plural of its own."""
    return f"{count} {what if count == 1 else several or what + 's'}"


def error_words(error: AyesError) -> str:
    """Describe an error in one line, with the decision that it names."""
    words = f"{error.code}: {plain(error.message, 200)}"
    found = [
        f"{name} {plain(str(error.details[name]))}"
        for name in ("path", "status", "resolution", "by", "current", "limit", "seq", "close")
        if name in error.details
    ]
    return f"{words} ({', '.join(found)})" if found else words


def tally(state: State, id: str) -> str:
    """Describe a tally: ``3 of 5, 4 needed``, or what is shown of a hidden one."""
    proposal = state["proposals"][id]
    found = tally_of(id, state, cast(You, {}), ())
    counts = {**proposal, **proposal.get("decision", {}), "eligible": found.eligible}
    return tally_words(counts, needed_by(found))


def needed_by(found: Tally) -> int | None:
    """Return how many must agree, if votes decide and have not decided yet."""
    return found.needed if found.automatic and found.outcome is None else None


def tally_words(counts: Mapping[str, Any], needed: int | None = None) -> str:
    """Describe counts: ``3 of 5, 1 against``."""
    if "agree" not in counts:
        if "voters" not in counts:
            return "the tally is hidden"
        return f"{counts['voters']} of {counts['eligible']} took part, the tally is hidden"
    others = [f"{counts[name]} {word}" for name, word in STANCES.items() if name in counts]
    needs = [] if needed is None else [f"{needed} needed"]
    return ", ".join([f"{counts['agree']} of {counts['eligible']}", *others, *needs])


def name_of(state: State, user: str | None) -> str:
    """Return a member's name, or the id of a user whom the room does not show."""
    if not user:
        return "the server"
    member = state["members"].get(user)
    return plain(user if member is None else member["name"], 30)


def proposal_words(state: State, id: str, proposal: Proposal) -> str:
    """Describe a proposal in one line."""
    what = f"{proposal['category']} {proposal['kind']}"
    words = f"{id}  {what}  {tally(state, id)}"
    if proposal["status"] != "pending":
        words += f"  {proposal['status']} ({proposal.get('resolution')})"
    elif proposal.get("stale"):
        words += "  stale"
    if proposal.get("target"):
        words += f"  on {proposal['target']}"
    content = proposal.get("content")
    said = f"  “{plain(content)}”" if content else ""
    return f"{words}{said}  by {name_of(state, proposal['author'])}"


def summary(state: State, you: You, seq: int) -> Iterator[str]:
    """Describe an event and its items, for people."""
    event = state["event"]
    counts = state["counts"]
    head = f"{plain(event['subject'])}  [{event['status']}]"
    if "members" in counts:
        head += f"  {some(counts['members'], 'member')}, {some(counts['ballots'], 'ballot')}"
    yield f"{head}  #{seq}"
    yield f"you are {MEMBERSHIPS[you['membership'].get('role', you['membership']['status'])]}"
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
    """Describe what a patch changed, for people."""
    for collection, one in COLLECTIONS.items():
        existing = cast(Json, before).get(collection, {})
        shown = cast(Json, state).get(collection, {})
        for id in patch.get(collection) or ():
            if id not in shown:
                yield f"- {one} {id}"
            elif one == "proposal":
                sign = "~" if id in existing else "+"
                yield f"{sign} proposal {proposal_words(state, id, shown[id])}"
            else:
                yield f"{'~' if id in existing else '+'} {one} {id}  {_words(state, shown[id])}"
    for field, value in (patch.get("event") or {}).items():
        yield f"event: {field} is {plain(str(value))}"
    if "results" in patch:
        yield "the ballots are counted: see results"


def _words(state: State, item: Json) -> str:
    words = plain(item.get("content") or item.get("name") or "")
    return f"{words}  by {name_of(state, item['author'])}" if "author" in item else words


def results_words(state: State) -> Iterator[str]:
    """Describe the counted ballots of a state that has ``results``."""
    results = state["results"]
    if not results["ballots"]:
        # Without votes every option has the first rank.
        yield "no ballots were given: nothing was chosen"
        return
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
