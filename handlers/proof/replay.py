"""Replay a journal: decide every entry again, from nothing, and compare the results.

The hash chain shows that no entry was changed, removed or moved. The replay shows that each answer
and each patch follows from the rules and the commands before. The final state is what the tables
must contain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import orjson

from handlers.audiences import NO_PATCHES, patches_of
from handlers.commands.registry import HANDLERS
from handlers.proof.entry import Entry, seal_of
from handlers.proof.revisions import Revisions
from handlers.proof.unrecorded import Consistent, EntryPatches, at_least, guesses
from handlers.rules import permissions
from handlers.rules.limits import adopt, records_limits
from handlers.rules.timers import SERVER, TIMERS
from handlers.step import Actor, Outcome, Step
from persistence.event.limits import RULES, DomainLimits, decode_limits
from persistence.event.records import Event, TableName
from persistence.event.state import EventState, Missing, Need
from persistence.journal import chain
from protocol.commands import COMMANDS, BallotSubmit, Command, MembershipRename, event_of, type_of
from protocol.errors import FinalError

_KINDS: dict[str, type[Command]] = {type_of(kind): kind for kind in COMMANDS}
#: The server's own steps. Two of them have the names of commands.
_SERVER_KINDS: dict[str, type[Command]] = {type_of(kind): kind for kind in TIMERS}
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
    "invitation": "invitations",
}
#: The name of a member that no entry has shown yet, as of one who joined beyond the room's window.
_UNKNOWN_NAME = ""
#: Columns that a node leaves as they were if it records no limits: it does not know them.
_NEWER_OF_MEMBERSHIP = ("request_no", "ballot_revision")
_NEWER_OF_BALLOT = ("revision", "seq")
_CODE = re.compile(r'"entrance_code":"([A-Z0-9]{6})"')


class Difference(NamedTuple):
    """The first place at which the journal is not what it must be."""

    seq: int
    what: str


class Replay:
    """An event rebuilt from its journal, entry by entry.

    It applies the limits that the journal records. An entry without recorded limits is correct if
    some limits explain it.
    """

    def __init__(self, event_id: str) -> None:
        self.state = EventState(event_id)
        # This state has everything. A record that a handler misses was never created.
        self.state.complete |= {
            Need("comments_shown"),
            Need("requests"),
            Need("invitations_shown"),
        }
        self.recorded_from: int | None = None
        """The first entry that records limits."""
        self.unrecorded: list[int] = []
        """Later entries by a node that neither records limits nor applies recorded ones."""
        self._ids: dict[tuple[str, str], int] = {}
        """User and id → entry."""
        self._revisions = Revisions(self.state)
        self._taken: Mapping[tuple[TableName, Any], Any] = {}
        """The records that the last entry changed, as they were before."""
        self.consistent = Consistent()
        """The limits that entries without recorded limits show."""

    def run(self, entries: Iterable[Entry]) -> Difference | None:
        """Take all ``entries``, in order; return the first difference, or ``None``."""
        for entry in entries:
            if what := next(self._check(entry), None):
                return Difference(entry.seq, what)
        return None

    def take_names(self, names: Mapping[str, str]) -> None:
        """Set ``names`` for the members whose names the journal has not shown."""
        for user, name in names.items():
            membership = self.state.memberships.get(user)
            if membership is not None and membership.name == _UNKNOWN_NAME:
                self.state.memberships[user] = msgspec.structs.replace(membership, name=name)

    def take_revisions(self, stored: Mapping[str, int | None]) -> None:
        """Set the revisions of dropped ballots that the journal leaves open, by user."""
        self._note_older(self._revisions.take(stored))

    def take_ceiling(self, stored: int | None) -> None:
        """Set the ``stored`` end of the window of requests, if it shows the same ones.

        A newer node moves it also if nothing is shown or hidden by that, an older one never does.
        Of an entry that both write alike, only the table shows which one it was.
        """
        event = self.state.event
        if self.unrecorded and self._shown_to(stored) == self._shown_to(event.request_ceiling):
            self.state.event_record = msgspec.structs.replace(event, request_ceiling=stored)

    def _shown_to(self, ceiling: int | None) -> set[str]:
        waiting = (m for m in self.state.memberships.values() if m and m.is_numbered_request)
        return {m.user_id for m in waiting if ceiling is None or (m.request_no or 0) <= ceiling}

    def _note_older(self, seqs: Iterable[int]) -> None:
        self.unrecorded = sorted({*self.unrecorded, *seqs})

    def names_of(self, entry: Entry) -> dict[str, str]:
        """Return the names that ``entry``'s patches show, by user."""
        found: dict[str, str] = {}
        for label, collection in (("admin", "requests"), ("member", "members")):
            patch = orjson.loads(entry.patches.get(label, b"{}")).get(collection) or {}
            for user, shown in patch.items():
                if isinstance(shown, dict) and "name" in shown:
                    found[user] = str(shown["name"])
        return found

    def _check(self, entry: Entry) -> Iterator[str]:
        """Yield what is wrong with ``entry``, the chain first."""
        state = self.state
        if entry.seq != state.seq + 1:
            yield f"follows line {state.seq}: a line is missing, or out of its place"
        if entry.prev_hash != state.hash:
            yield "does not continue the chain: its previous hash is another line's"
        if seal_of(entry) != entry.hash:
            yield "was changed: its hash is not that of what it says"
        sealed = chain.PATCH_LABELS if entry.digests is None else entry.digests
        if unsealed := set(entry.patches) - set(sealed):
            yield f"holds what its hash does not cover: {', '.join(sorted(unsealed))}"
        if (first := self._ids.setdefault((entry.user, entry.id), entry.seq)) != entry.seq:
            yield f"has the id of line {first}: one id has one effect"
        try:
            yield from self._decide(entry)
        except Exception as err:  # a foreign journal can break anything
            yield f"cannot be decided: {err!r}"
        state.seq, state.hash = entry.seq, entry.hash

    def _decide(self, entry: Entry) -> Iterator[str]:
        kind = (_SERVER_KINDS if entry.user == SERVER else _KINDS).get(entry.command)
        if kind is None:
            yield f"is a command that does not exist: {entry.command}"
            return
        command = msgspec.json.decode(entry.payload, type=kind)
        if what := self._foreign(entry, command):
            yield what
            return
        answer = orjson.loads(entry.answer)
        # A name is in a step's patches, not in its command. A member who joined beyond the room's
        # window is shown later, if ever: when they become an admin.
        self.take_names(self.names_of(entry))
        if isinstance(command, MembershipRename) and not answer["applied"]:
            self.take_names({entry.user: command.name})
        says, event = answer.get("limits") or answer.get("rules"), self.state.event_record
        is_recorded = says is not None or (event is not None and event.limits is not None)
        what = self._attempt_recorded(entry, command, answer) if is_recorded else None
        if what is not None and says is not None:
            yield what
        elif not is_recorded or what is not None:
            yield from self._decide_unrecorded(entry, command, answer, what)
        elif self.recorded_from is None:
            self.recorded_from = entry.seq

    def _attempt_recorded(self, entry: Entry, command: Command, answer: Any) -> str | None:
        """Decide by the recorded limits; an older node may have dropped the last ballot."""
        what = self._attempt(entry, command, answer)
        if isinstance(command, BallotSubmit):
            if what is not None:
                for seqs in self._revisions.others(entry.user):
                    if self._attempt(entry, command, answer) is None:
                        what = None
                        self._note_older(seqs)
                        break
            if what is None:
                self._revisions.settle(entry.user, self._taken)
        elif what is None:
            self._revisions.note(entry.seq, self._taken, certain="rules" in answer)
        return what

    def _foreign(self, entry: Entry, command: Command) -> str | None:
        """Return what a payload has that is not part of this entry's command."""
        event = event_of(command) or self.state.id
        if (command.id, event) != (entry.id, self.state.id):
            return f"holds the command {command.id} to event {event}, not its own"
        # Values are compared, not letters; see below.
        if orjson.loads(msgspec.json.encode(command)) != orjson.loads(entry.payload):
            return f"holds what is not of its command: {entry.payload}"
        return None

    def _decide_unrecorded(
        self, entry: Entry, command: Command, answer: Any, otherwise: str | None
    ) -> Iterator[str]:
        """Decide an entry that does not say by which limits it was decided.

        ``otherwise``: what is wrong with it by the limits recorded before it, if there are any.
        """
        state, before = self.state, self.state.event_record
        if before is not None:
            # The entry's node knew no numbered requests.
            unnumbered = {"requests": None, "requests_made": None, "request_ceiling": None}
            state.event_record = msgspec.structs.replace(before, **unnumbered)
        for guess in guesses(state, entry.command, EntryPatches.by(entry.patches)):
            what = self._attempt(entry, command, answer, guess.limits)
            if what is None:
                bounds = guess.bounds | at_least(state, entry.command)
                self.consistent.note(entry.seq, bounds)
                break
            otherwise = otherwise or what
        else:
            assert otherwise is not None
            yield otherwise
            return
        if before is not None and before.limits is not None:
            self.unrecorded.append(entry.seq)
            self._leave_what_is_newer(before, before.limits)

    def _leave_what_is_newer(self, before: Event, limits: str) -> None:
        """Restore the columns that an older node leaves unchanged."""
        state, event = self.state, self.state.event
        # The floor that a node computes from the row; see ``persistence.event.windows``.
        floor = max(before.resolved_floor, event.resolutions - decode_limits(limits).resolved_shown)
        state.event_record = msgspec.structs.replace(
            event,
            resolved_floor=floor,
            requests=before.requests,
            requests_made=before.requests_made,
            request_ceiling=before.request_ceiling,
        )
        for (table, key), old in self._taken.items():
            if table == "memberships" and (member := state.memberships.get(key)) is not None:
                kept = {name: getattr(old, name, None) for name in _NEWER_OF_MEMBERSHIP}
                state.memberships[key] = msgspec.structs.replace(member, **kept)
            elif table == "ballots" and (ballot := state.ballots.get(key)) is not None:
                kept = {name: getattr(old, name, None) for name in _NEWER_OF_BALLOT}
                state.ballots[key] = msgspec.structs.replace(ballot, **kept)
        state.relist_requests([key for table, key in self._taken if table == "memberships"])

    def _attempt(
        self, entry: Entry, command: Command, answer: Any, guess: DomainLimits | None = None
    ) -> str | None:
        """Decide ``command`` again; if the result differs, say how and undo it."""
        step = self._step(entry, answer, guess)
        try:
            outcome = self._run(step, command)
            what = next(self._differences(step, outcome, entry, answer), None)
        except FinalError as refusal:
            what = f"was accepted, though the rules refuse it: {refusal}"
        self._taken = step.before
        if what is not None:
            step.undo()
        return what

    def _differences(
        self, step: ReplayedStep, outcome: Outcome, entry: Entry, answer: Any
    ) -> Iterator[str]:
        if step.limits.rules > RULES:
            yield f"was decided by rules {step.limits.rules}, newer than this version's {RULES}"
        if records_limits(step) and step.user != SERVER and step.limits.version != 1:
            yield f"records limits {step.limits.version} of an event that had none"
        body = {"applied": outcome.applied, "result": outcome.result} | _rulings(step)
        made = patches_of(step) if outcome.applied or records_limits(step) else NO_PATCHES
        patches = {label: getattr(made, label) for label in chain.PATCH_LABELS}
        yield from self.compare(entry, answer, body, patches)

    def compare(
        self, entry: Entry, answer: Any, body: Any, patches: dict[str, Any]
    ) -> Iterator[str]:
        """Yield in what ``entry`` differs from the answer and the patches that the rules give."""
        # Values are compared, not letters: an older version may have ordered the fields
        # differently.
        if body != answer:
            yield f"answers {entry.answer}; by the rules it is {orjson.dumps(body).decode()}"
        for label, patch in patches.items():
            recorded = orjson.loads(entry.patches.get(label, b"{}"))
            if patch != recorded:
                yield f"tells {label} {recorded}; by the rules it is {patch}"

    def _step(self, entry: Entry, answer: Any, guess: DomainLimits | None) -> ReplayedStep:
        names = self.names_of(entry)
        step = ReplayedStep(
            self.state,
            actor=Actor(entry.user, names.get(entry.user, _UNKNOWN_NAME)),
            command_id=entry.id,
            now=entry.at,
            limits=guess or DomainLimits(),
            entropy=bytes(32),
        )
        step.guess = guess
        step.rules = answer.get("rules")
        if code := _CODE.search(entry.answer):
            step.code = code[1]
        if (limits := answer.get("limits")) is not None:
            step.recording = orjson.dumps(limits).decode()
        return step

    def _run(self, step: Step, command: Command) -> Outcome:
        """Run the handler; record as absent whatever the state does not have."""
        while True:
            try:
                if step.user == SERVER:
                    return TIMERS[type(command)](step, command)
                if step.state.event_record is not None:
                    adopt(step)
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


class ReplayedStep(Step):
    """A step that takes random draws and limits from the journal."""

    code: str | None = None
    recording: str | None = None
    """The limits that its entry records."""
    guess: DomainLimits | None = None
    """The limits to decide by, if none are recorded."""
    rules: int | None = None
    """The rules it was decided by, if the event's recorded ones were newer than its node."""

    def draw_code(self, draw: int) -> str:
        return self.code if self.code is not None else super().draw_code(draw)

    def to_record(self) -> str | None:
        return self.recording

    @property
    def limits(self) -> DomainLimits:
        found = self.guess or super().limits
        return found if self.rules is None else msgspec.structs.replace(found, rules=self.rules)


def _rulings(step: ReplayedStep) -> dict[str, Any]:
    """Return what the stored answer must say of limits and rules."""
    if records_limits(step):
        assert step.event.limits is not None
        return {"limits": orjson.loads(step.event.limits)}
    recorded = decode_limits(step.event.limits).rules if step.event.limits is not None else 0
    return {"rules": step.rules} if step.rules is not None and step.rules < recorded else {}
