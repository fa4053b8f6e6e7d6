"""The handlers in memory: they decide as a lane does with a batch of one, without a database.

Written rows are kept in ``Rows`` as the database would hold them. The state that commands are
decided on is dropped now and then, as when another process has moved the event. It is loaded again
with only the records that a lane loads; handlers ask for the others by ``Missing``.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from handlers import views
from handlers.audiences import Audience, document
from handlers.commands import registry
from handlers.lanes.decide import Decision, Submission, decide
from handlers.lanes.decide import replay as answer_again
from handlers.lanes.recorded import remembered
from handlers.proof.entry import Entry
from handlers.rules.lateness import check_in_time
from handlers.rules.limits import EventSetLimits
from handlers.rules.timers import (
    SERVER,
    ProposalExpire,
    ProposalMature,
    ScheduledFinish,
    ScheduledStart,
)
from handlers.step import Actor
from persistence.event.limits import SETTABLE, DomainLimits, decode_limits
from persistence.event.records import Decided
from persistence.event.state import EventState, Missing, Need
from persistence.journal.transaction import JournalEntry
from protocol.answers import error_body
from protocol.codec import Invalid, decode_command
from protocol.commands import EventCommand
from protocol.errors import FinalError
from protocol.fields import TextLimits
from protocol.merge_patch import apply
from tests.model.server_limits import deciding_as_before_limits, domain_limits

Json = dict[str, Any]

EVENT = "e_1"
TABLES = (
    *("options", "items", "proposals", "memberships", "votes", "ballots", "comments"),
    *("item_history", "entrance_codes", "invitations"),
)
_TEXTS = TextLimits()
_SERVER_STEPS: dict[str, type[EventCommand]] = {
    "proposal.expire": ProposalExpire,
    "proposal.mature": ProposalMature,
    "event.set_limits": EventSetLimits,
    "event.start": ScheduledStart,
    "event.finish": ScheduledFinish,
}
_ROW_OF = {
    "membership": "memberships",
    "option": "options",
    "item": "items",
    "proposal": "proposals",
    "ballot": "ballots",
    "comment": "comments",
    "code": "entrance_codes",
    "invitation": "invitations",
}

#: Settings of a node whose settings must not matter.
NONSENSE = DomainLimits(**dict.fromkeys(SETTABLE, 1))

#: Columns that an older node does not know, and leaves as they were.
NEWER_COLUMNS = {"memberships": ("request_no", "ballot_revision"), "ballots": ("revision", "seq")}

registry.check()

#: Reads that one command may need; the server has such a limit as well.
MAX_READS = 1_000


class InProcess:
    """A ``System`` of one event; see ``tests.model.generate``."""

    def __init__(self, *, forget_every: int = 3, **limits: int) -> None:
        self.limits = domain_limits(limits)
        """The settings of the node: limits that an event gets if it has none yet."""
        self.older: DomainLimits | None = None
        """The settings of an older node that decides in place of this one."""
        self.clock = datetime(2026, 11, 23, 8, 0, 0, 123456, tzinfo=UTC)
        self.forget_every = forget_every
        self.stored = EventState(EVENT)
        self.known: dict[tuple[str, str], Decided] = {}
        self.lines: list[JournalEntry] = []
        self.submitted = 0
        self.held: EventState | None = None
        self.folded: dict[str, Json] = {}
        self.folded_you: dict[str, Json] = defaultdict(
            lambda: {"membership": {}, "votes": {}, "stances": {}}
        )

    def execute(self, user: str, name: str, command: Json) -> Json | None:
        """Return the answer; ``None`` if a timer asked too early."""
        self.submitted += 1
        entropy = hashlib.sha256(b"%d" % self.submitted).digest()
        answered: Any = None
        if user == SERVER:
            kind = _SERVER_STEPS[command["type"]]
            typed: Any = msgspec.json.decode(json.dumps(command | {"event": EVENT}), type=kind)
        else:
            typed = decode_command(json.dumps(command).encode(), limits=_TEXTS)
            if isinstance(typed, Invalid):
                raise typed.error
        if (
            command["type"] == "membership.join"
            and command.get("invitation") is None
            and command["code"] not in self.stored.entrance_codes
        ):
            try:
                check_in_time(typed, self.clock)
            except FinalError as late:
                return error_body(late, id=command["id"])
            return {"type": "error", "id": command["id"], "code": "not_found", "details": {}}
        submission = Submission(typed, Actor(user, name), entropy=entropy, reply=lambda *_: None)
        state = self._state()
        if (known := self.known.get(submission.key)) is not None:
            self._fetch(state, Need("membership", (user,)))
            answered = answer_again(state, submission, known, first=False)
        elif (decision := self._decide(state, submission)) is None:
            return None
        else:
            answered = decision.answer
            if decision.entry is not None:
                # A refusal keeps a fingerprint only; the checker wants the payload that was sent.
                words = replace(decision.entry, payload=submission.payload.decode())
                self._write(state, decision, words)
        return dict(json.loads(answered.message))

    def _state(self) -> EventState:
        if self.held is None or self.submitted % self.forget_every == 0 or self.older:
            self.held = self._load()
        return self.held

    def _decide(self, state: EventState, submission: Submission) -> Decision | None:
        if self.older is None:
            # A node's settings do not matter to an event that has limits.
            has_limits = state.event_record is not None and state.event.limits is not None
            return self._decide_by(state, submission, NONSENSE if has_limits else self.limits)
        return self._decide_older(state, submission, self.older)

    def _decide_older(
        self, state: EventState, submission: Submission, older: DomainLimits
    ) -> Decision | None:
        """Decide as a node that knows no limits, no floor and no numbered requests."""
        before = state.event_record
        if before is not None:
            floor = max(before.resolutions - older.resolved_shown, 0)
            unnumbered = {"requests": None, "requests_made": None, "request_ceiling": None}
            state.event_record = replace(before, resolved_floor=floor, **unnumbered)
        with deciding_as_before_limits(older):
            decision = self._decide_by(state, submission, older)
        if before is None:
            return decision
        event = state.event
        if before.limits is not None:
            # The columns are left alone; readers then find that the floor is behind.
            shown = decode_limits(before.limits).resolved_shown
            floor = max(before.resolved_floor, event.resolutions - shown)
            event = replace(
                event,
                resolved_floor=floor,
                requests=before.requests,
                requests_made=before.requests_made,
                request_ceiling=before.request_ceiling,
            )
        state.event_record = event
        for (table, key), held in decision.changed.items() if decision else ():
            rows: dict[Any, Any] = getattr(state, table)
            if (newer := NEWER_COLUMNS.get(table)) and rows[key] is not None:
                rows[key] = replace(rows[key], **{n: getattr(held, n, None) for n in newer})
        return decision

    def _decide_by(
        self, state: EventState, submission: Submission, limits: DomainLimits
    ) -> Decision | None:
        for _ in range(MAX_READS):
            try:
                return decide(state, submission, self.clock, limits)
            except Missing as missing:
                for need in missing.needs:
                    self._fetch(state, need)
        raise AssertionError(f"{submission.command} asks for the same again and again")

    def _write(self, state: EventState, decision: Decision, entry: JournalEntry) -> None:
        self.lines.append(entry)
        self.known[entry.user_id, entry.command_id] = remembered(entry)
        if decision.step is None:
            return
        stored = self.stored
        stored.seq, stored.hash, stored.epoch = state.seq, state.hash, state.epoch
        if decision.event_changed:
            stored.event_record = state.event
        for table, key in decision.changed:
            row = getattr(state, table)[key]
            if row is None:
                getattr(stored, table).pop(key, None)
            else:
                getattr(stored, table)[key] = row
        self._fold(decision)

    # --- reading, as persistence reads

    def _load(self) -> EventState:
        stored = self.stored
        state = EventState(EVENT, stored.event_record)
        state.seq, state.hash, state.epoch = stored.seq, stored.hash, stored.epoch
        state.options = {k: row for k, row in stored.options.items() if row and not row.deleted}
        state.items = {k: row for k, row in stored.items.items() if row and not row.deleted}
        pending = [row for row in stored.proposals.values() if row and row.status == "pending"]
        for row in sorted(pending, key=lambda row: row.number):
            state.proposals[row.id] = row
            state.pending[row.id] = None
        return state

    def _fetch(self, state: EventState, need: Need) -> None:
        stored, key = self.stored, need.key
        match need.kind:
            case "vote":
                state.votes.setdefault(key, stored.votes.get(key))
                return
            case "version":
                state.item_history[key] = stored.item_history.get(key)
                return
            case "waiting":
                for user, member in stored.memberships.items():
                    if member and member.status == "pending":
                        state.memberships.setdefault(user, member)
            case "requests":
                asking = [m for m in stored.memberships.values() if m and m.is_numbered_request]
                asking.sort(key=lambda m: m.request_no or 0)
                asking = [m for m in asking if (m.request_no or 0) > state.requests_read]
                limit = key[0] + 1
                for member in asking[:limit]:
                    held = state.memberships.setdefault(member.user_id, member)
                    if held is not None and held.request_no == member.request_no:
                        state.requests[member.user_id] = None
                    state.requests_read = member.request_no or 0
                if len(asking) < limit:
                    state.requests_read = state.event.requests_made or 0
                    state.know_all_requests()
                return
            case "votes_of":
                for pair, vote in stored.votes.items():
                    proposal = stored.proposals[pair[0]]
                    if pair[1] == key[0] and proposal and proposal.status == "pending":
                        state.votes.setdefault(pair, vote)
            case "ballots":
                for user, ballot in stored.ballots.items():
                    state.ballots.setdefault(user, ballot)
            case "comments_shown":
                for id, comment in stored.comments.items():
                    if (
                        comment
                        and not comment.deleted
                        and comment.number > state.event.comment_floor
                    ):
                        state.comments.setdefault(id, comment)
            case "invitations_shown":
                for id, invitation in stored.invitations.items():
                    if invitation and invitation.number > state.event.invitation_floor:
                        state.invitations.setdefault(id, invitation)
            case "withdrawn_by":
                for id, row in stored.proposals.items():
                    if row and row.author == key[0] and row.resolution == "withdrawn":
                        state.proposals.setdefault(id, row)
            case "resolved":
                for id, resolved in stored.proposals.items():
                    if resolved and resolved.resolved_no == key[0]:
                        state.proposals.setdefault(id, resolved)
                        state.numbered[key[0]] = id
                return
            case kind:
                table = _ROW_OF[kind]
                getattr(state, table).setdefault(key[0], getattr(stored, table).get(key[0]))
                return
        state.complete.add(need)

    # --- messages to rooms

    def state(self, audience: Audience) -> Json:
        """The state document; also checks the law: a fold of all diffs is the same."""
        made = self._document(audience)
        assert made == self.folded[audience], f"fold law, {audience}: {self.folded[audience]}"
        return made

    def _document(self, audience: Audience) -> Json:
        room = self._load()
        room.proposals |= {
            id: row
            for id, row in self.stored.proposals.items()
            if row and views.is_shown(row, room.event)
        }
        room.memberships = dict(self.stored.memberships)
        for need in (Need("waiting"), Need("comments_shown"), Need("invitations_shown")):
            self._fetch(room, need)
        return document(room, audience)

    def you(self, user: str) -> Json:
        """The data of ``user`` alone; checks the same law."""
        stored = self.stored
        membership = views.membership_view(stored.memberships.get(user))
        own: Json = {"membership": membership, "votes": {}, "stances": {}}
        for (id, voter), vote in stored.votes.items():
            proposal = stored.proposals[id]
            shown = views.is_shown(proposal, stored.event)
            if voter == user and shown and views.vote_view(vote, proposal):
                own["votes"][id] = views.vote_view(vote, proposal)
                if (stance := views.stance_view(vote, proposal)) is not None:
                    own["stances"][id] = stance
        if ballot := views.ballot_view(stored.ballots.get(user)):
            own["ballot"] = ballot
        folded = self.folded_you[user]
        assert own == folded, f"fold law, you of {user}: {folded}, read {own}"
        return own

    def _fold(self, decision: Decision) -> None:
        assert decision.step is not None
        patches = decision.step.patches
        if not self.folded:
            self.folded = {name: self._document(name) for name in ("member", "admin", "applicant")}
        for audience, patch in (
            ("member", patches.member),
            ("admin", patches.member),
            ("admin", patches.admin),
            ("applicant", patches.applicant),
        ):
            apply(self.folded[audience], json.loads(json.dumps(patch)))
        for user, patch in patches.you.items():
            apply(self.folded_you[user], json.loads(json.dumps(patch)))
        for own in self.folded_you.values():
            apply(own, patches.everyone)

    # --- time, and the journal

    def advance(self, seconds: float) -> None:
        self.clock += timedelta(seconds=seconds)

    def decided_at(self) -> datetime:
        return self.clock

    def own_steps(self) -> None:
        """Return ``None``: the driving test asks in place of timers."""
        return None

    def entries(self) -> list[Entry]:
        """The accepted lines of the journal, for a replay."""
        texts = msgspec.json.Decoder(dict[str, msgspec.Raw])
        return [
            Entry(
                seq=entry.seq,
                at=entry.at,
                command=entry.command,
                user=entry.user_id,
                id=entry.command_id,
                salt=entry.salt,
                payload=entry.payload or "",
                answer=entry.answer,
                patches={k: bytes(v) for k, v in texts.decode(entry.patches or "{}").items()},
                prev_hash=entry.prev_hash,
                hash=entry.hash,
            )
            for entry in self.lines
            if entry.seq is not None and entry.prev_hash is not None and entry.hash is not None
        ]

    def rows(self) -> list[Json]:
        """The journal in the checker's form."""
        return [
            {
                "user": entry.user_id,
                "id": entry.command_id,
                "seq": entry.seq,
                "command": entry.command,
                "payload": json.loads(entry.payload or "null"),
                "payload_text": entry.payload,
                "answer": json.loads(entry.answer),
                "answer_text": entry.answer,
                "patches": json.loads(entry.patches or "{}"),
                "at": entry.at,
                "prev_hash": entry.prev_hash,
                "hash": entry.hash,
                "salt": entry.salt,
            }
            for entry in self.lines
        ]
