"""The journal replayed: every line decided again, from nothing, and held against what it says.

The chain of hashes shows that no line was changed, removed or put elsewhere; the replay shows that
each answer and each patch is what the rules make of the commands before it; what comes out at the
end is what the tables must hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import orjson

from handlers import permissions
from handlers.audiences import patches_of
from handlers.limits import records_limits
from handlers.registry import HANDLERS
from handlers.step import Actor, Step
from handlers.timers import SERVER, TIMERS
from persistence import journal
from persistence.limits import DomainLimits
from persistence.state import EventState, Missing, Need
from protocol.commands import COMMANDS, Command, type_of
from protocol.errors import Refusal

_KINDS: dict[str, type[Command]] = {type_of(kind): kind for kind in (*COMMANDS, *TIMERS)}
_ROWS = {
    "option": "options",
    "item": "items",
    "proposal": "proposals",
    "membership": "memberships",
    "vote": "votes",
    "ballot": "ballots",
    "comment": "comments",
    "version": "item_history",
    "code": "entrance_codes",
}
#: The name of a member that no line has told yet: who joins beyond the room's window is not shown.
_UNTOLD = ""
_CODE = re.compile(r'"entrance_code":"([A-Z0-9]{6})"')


class Entry(NamedTuple):
    """A line of the journal as it was stored or exported; texts to the letter."""

    seq: int
    at: datetime
    command: str
    user: str
    id: str
    salt: bytes
    payload: str
    answer: str
    patches: dict[str, bytes]
    prev_hash: bytes
    hash: bytes


class Difference(NamedTuple):
    """The first place where the journal is not what it must be."""

    seq: int
    what: str


class Replay:
    """An event rebuilt from its journal, line by line."""

    def __init__(self, event_id: str, limits: DomainLimits) -> None:
        self.state = EventState(event_id)
        self._limits = limits

    def run(self, entries: Iterable[Entry]) -> Difference | None:
        """Take all ``entries``, in order; the first difference, or ``None``."""
        for entry in entries:
            if what := next(self._check(entry), None):
                return Difference(entry.seq, what)
        return None

    def take_names(self, names: Mapping[str, str]) -> None:
        """Give ``names`` to the members whose own the journal has not told."""
        for user, name in names.items():
            held = self.state.memberships.get(user)
            if held is not None and held.name == _UNTOLD:
                self.state.memberships[user] = msgspec.structs.replace(held, name=name)

    def _check(self, entry: Entry) -> Iterator[str]:
        """What is wrong with ``entry``, the chain first."""
        state = self.state
        if entry.seq != state.seq + 1:
            yield f"follows line {state.seq}: a line is missing, or out of its place"
        if entry.prev_hash != state.hash:
            yield "does not continue the chain: its previous hash is another line's"
        if seal_of(entry) != entry.hash:
            yield "was changed: its hash is not that of what it says"
        yield from self._decide(entry)
        state.seq, state.hash = entry.seq, entry.hash

    def _decide(self, entry: Entry) -> Iterator[str]:
        kind = _KINDS.get(entry.command)
        if kind is None:
            yield f"is a command that does not exist: {entry.command}"
            return
        command = msgspec.json.decode(entry.payload, type=kind)
        step = self._step(entry)
        try:
            outcome = self._run(step, command)
        except Refusal as refusal:
            yield f"was accepted, though the rules refuse it: {refusal}"
            return
        body = {"applied": outcome.applied, "result": outcome.result}
        if records_limits(step):
            assert step.event.limits is not None
            body["limits"] = orjson.loads(step.event.limits)
        # Values, not letters: an older version may have put the same fields in another order.
        if body != orjson.loads(entry.answer):
            yield f"answers {entry.answer}; by the rules it is {orjson.dumps(body).decode()}"
        told = patches_of(step) if outcome.applied or records_limits(step) else None
        for label in journal.PATCH_LABELS:
            patch = getattr(told, label) if told is not None else {}
            held = orjson.loads(entry.patches.get(label, b"{}"))
            if patch != held:
                yield f"tells {label} {held}; by the rules it is {patch}"

    def _step(self, entry: Entry) -> _ReplayedStep:
        # A name stands in what a step told, not in its command. A member who came in beyond the
        # room's window is told of later, if ever: when they become an admin.
        names = _names(entry)
        self.take_names(names)
        step = _ReplayedStep(
            self.state,
            actor=Actor(entry.user, names.get(entry.user, _UNTOLD)),
            command_id=entry.id,
            now=entry.at,
            limits=self._limits,
            entropy=bytes(32),
        )
        if code := _CODE.search(entry.answer):
            step.code = code[1]
        if (limits := orjson.loads(entry.answer).get("limits")) is not None:
            step.recording = orjson.dumps(limits).decode()
        return step

    def _run(self, step: Step, command: Command) -> Any:
        """Decide; what the state does not hold was never made, for it holds everything."""
        while True:
            try:
                if step.user == SERVER:
                    return TIMERS[type(command)](step, command)
                permissions.check(step, command)
                return HANDLERS[type(command)](step, command)
            except Missing as missing:
                step.undo()
                for need in missing.needs:
                    self._know(need)

    def _know(self, need: Need) -> None:
        table = _ROWS.get(need.kind)
        if table is None:
            self.state.complete.add(need)
            return
        key = need.key[0] if len(need.key) == 1 else need.key
        getattr(self.state, table)[key] = None


def _names(entry: Entry) -> dict[str, str]:
    """The names that ``entry`` told, by user."""
    found: dict[str, str] = {}
    for label, collection in (("admin", "requests"), ("member", "members")):
        told = orjson.loads(entry.patches.get(label, b"{}")).get(collection) or {}
        for user, shown in told.items():
            if isinstance(shown, dict) and "name" in shown:
                found[user] = str(shown["name"])
    return found


class _ReplayedStep(Step):
    """A step whose random draws are those that were made."""

    code: str | None = None
    recording: str | None = None

    def to_record(self) -> str | None:
        return self.recording

    def draw_code(self, draw: int) -> str:
        return self.code if self.code is not None else super().draw_code(draw)


def seal_of(entry: Entry) -> bytes:
    """The hash that ``entry`` must have."""
    return journal.seal(
        entry.prev_hash,
        seq=entry.seq,
        at=journal.moment(entry.at),
        command=entry.command,
        salt=entry.salt,
        user=entry.user.encode(),
        id=entry.id.encode(),
        fingerprint=journal.digest(entry.salt, b"payload", entry.payload.encode()),
        answer=entry.answer.encode(),
        patches=entry.patches,
    )
