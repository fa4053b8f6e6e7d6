"""One command at work on the state: what it may read, what it changes, and how that is undone.

A handler reads the state through its ``Step`` and puts changed records back. It cannot send,
publish or write SQL: what it put is what the lane stores, and what the rooms are told follows
from the records before and after.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec

from persistence.event.limits import DomainLimits, decode_limits, encode_limits
from persistence.event.records import (
    Ballot,
    Comment,
    EntranceCode,
    Event,
    Item,
    ItemVersion,
    Membership,
    Option,
    Proposal,
    Vote,
)
from persistence.event.state import ABSENT, EventState
from protocol.errors import ErrorCode, FinalError

R = TypeVar("R")

Record: TypeAlias = (
    Ballot | Comment | EntranceCode | Item | ItemVersion | Membership | Option | Proposal | Vote
)
TableName: TypeAlias = Literal[
    "ballots",
    "comments",
    "entrance_codes",
    "item_history",
    "items",
    "memberships",
    "options",
    "proposals",
    "votes",
]

_ID_CHARACTERS = 16
"""80 bits: no two of the things of one event will ever share an id."""


_CODE_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_CODE_LENGTH = 6
#: Makes the next draw of the same entropy another number (2^64 over the golden ratio, odd).
_ODD = 0x9E3779B97F4A7C15


class Actor(NamedTuple):
    """Who acts: the token's ``sub`` and the name it gave."""

    user: str
    name: str


class Outcome(NamedTuple):
    """What a handler answers: its result, and whether anything changed."""

    result: dict[str, Any]
    applied: bool = True


class Step:
    """A command's view of the state, and the changes it made so far."""

    def __init__(
        self,
        state: EventState,
        *,
        actor: Actor,
        command_id: str,
        now: datetime,
        limits: DomainLimits,
        entropy: bytes,
    ) -> None:
        self.state = state
        self.actor = actor
        self.command_id = command_id
        self.now = now
        """The database's clock, read after the lock was held."""
        self.node_limits = limits
        """What this node would record; see ``limits``."""
        self.entropy = entropy
        """Random bytes drawn when the command arrived; the same again when it is retried."""
        self.before: dict[tuple[TableName, Any], Any] = {}
        """What stood under each key that was changed, or looked at for the rooms."""
        self.event_before = state.event_record
        self.everyone: dict[str, Any] = {}
        """A patch on everybody's ``you``."""
        self._pending_before: dict[str, None] | None = None
        self._requests_before: dict[str, None] | None = None
        self._numbered: list[int] = []
        """Numbers that proposals were given as they were decided."""
        self._epoch_before = state.epoch
        self._ids = 0

    @property
    def user(self) -> str:
        """Whose command this is."""
        return self.actor.user

    @property
    def event(self) -> Event:
        """The event's row as it stands now."""
        return self.state.event

    @property
    def limits(self) -> DomainLimits:
        """What this step is decided by: the event's recorded limits; else the node's."""
        event = self.state.event_record
        if event is None or event.limits is None:
            return self.node_limits
        return decode_limits(event.limits)

    def to_record(self) -> str | None:
        """The limits to record for an event that has none; ``None`` leaves it without."""
        return encode_limits(self.node_limits)

    @property
    def seq(self) -> int:
        """The position this step gets if it is accepted."""
        return self.state.seq + 1

    def new_id(self, prefix: str) -> str:
        """An id for something new: the same again when the command is decided again.

        Made from (event, user, command id), not from a counter: after a restore from a backup a
        counter would give the ids of lost things to other things.
        """
        self._ids += 1
        return derived_id(prefix, self.state.id, self.user, self.command_id, str(self._ids))

    def draw_code(self, draw: int) -> str:
        """The ``draw``-th random entrance code of this step."""
        number = int.from_bytes(self.entropy[:8], "big") + draw * _ODD
        letters = []
        for _ in range(_CODE_LENGTH):
            number, letter = divmod(number, len(_CODE_ALPHABET))
            letters.append(_CODE_ALPHABET[letter])
        return "".join(letters)

    # Changes.

    def change_event(self, **changes: Any) -> None:
        """Replace fields of the event's row."""
        self.state.event_record = msgspec.structs.replace(self.state.event, **changes)

    def make_event(self, event: Event) -> None:
        """Put the row of an event that is made now."""
        self.state.event_record = event
        self.state.epoch = event.epoch

    def put(self, record: Record) -> None:
        """Put a new or changed record in its place."""
        table, key, value = _place(record)
        rows: dict[Any, Any] = getattr(self.state, table)
        previous = rows.get(key, ABSENT)
        self.before.setdefault((table, key), previous)
        rows[key] = value
        if type(record) is Proposal:
            self._keep_pending(record)
        elif type(record) is Membership:
            self._keep_requests(key, previous, record)

    def drop(self, table: Literal["memberships", "ballots"], key: str) -> None:
        """Take a record away."""
        rows: dict[str, Any] = getattr(self.state, table)
        previous = rows.get(key, ABSENT)
        self.before.setdefault((table, key), previous)
        rows[key] = None
        if table == "memberships":
            self._keep_requests(key, previous, None)

    def touch(self, record: Record) -> None:
        """Have the rooms look at a record that itself does not change (a floor moved past it)."""
        table, key, value = _place(record)
        self.before.setdefault((table, key), value)

    def _keep_pending(self, proposal: Proposal) -> None:
        pending = self.state.pending
        if (proposal.status == "pending") == (proposal.id in pending):
            return
        if self._pending_before is None:
            self._pending_before = dict(pending)
        if proposal.status == "pending":
            pending[proposal.id] = None
        else:
            del pending[proposal.id]
        if proposal.resolved_no is not None:
            self.state.numbered[proposal.resolved_no] = proposal.id
            self._numbered.append(proposal.resolved_no)

    def _keep_requests(self, user: str, previous: Any, membership: Membership | None) -> None:
        """Keep who asks to join in the order of asking, and how many there are."""
        asked = type(previous) is Membership and previous.request_no is not None
        asks = membership is not None and membership.request_no is not None
        # Without a count, requests are not numbered yet; nodes from before that leave old numbers.
        if asked == asks or self.event.requests is None:
            return
        requests, count = self.state.requests, self.event.requests
        if self._requests_before is None:
            self._requests_before = dict(requests)
        if not asks:
            requests.pop(user, None)
        elif len(requests) == count:
            # Else there are older ones that the state does not hold.
            requests[user] = None
        self.change_event(requests=count + (1 if asks else -1))

    def undo(self) -> None:
        """Put everything back as it was before this step."""
        for (table, key), value in self.before.items():
            rows: dict[Any, Any] = getattr(self.state, table)
            if value is ABSENT:
                rows.pop(key, None)
            else:
                rows[key] = value
        self.before.clear()
        self.everyone.clear()
        self.state.event_record = self.event_before
        self.state.epoch = self._epoch_before
        for number in self._numbered:
            self.state.numbered.pop(number, None)
        self._numbered.clear()
        if self._pending_before is not None:
            self.state.pending = self._pending_before
            self._pending_before = None
        if self._requests_before is not None:
            self.state.requests = self._requests_before
            self._requests_before = None
        self._ids = 0

    # What commands name, or the refusal that says why not.

    def proposal(self, id: str) -> Proposal:
        """The proposal ``id``; ``not_found`` where there is none."""
        return found(self.state.proposal(id), "proposal")

    def member(self, user: str, field: str = "user") -> Membership:
        """The standing of ``user``, named in ``field``, whatever it is; else ``not_found``."""
        return found(self.state.membership(user), field)

    def is_admin(self) -> bool:
        """Whether the actor is an accepted admin."""
        own = self.state.membership(self.user)
        return own is not None and own.status == "accepted" and own.role == "admin"


def found(record: R | None, field: str) -> R:
    """Return ``record``; raise ``not_found`` for ``field`` if there is none."""
    if record is None:
        raise FinalError(ErrorCode.NOT_FOUND, f"no such {field}", details={"path": field})
    return record


def too_many(name: str, limit: int, what: str | None = None) -> FinalError:
    """The refusal of one more of ``what`` than the limit ``name`` allows."""
    message = f"there are as many {what or name} as may be"
    return FinalError(ErrorCode.LIMIT_REACHED, message, details={"limit": limit, "name": name})


def derived_id(prefix: str, *parts: str) -> str:
    """``prefix`` and 80 bits of the digest of ``parts``."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return f"{prefix}_{b32encode(digest).decode().lower()[:_ID_CHARACTERS]}"


def _place(record: Record) -> tuple[TableName, Any, Any]:
    """The table of ``record``, its key there, and what the state holds under it."""
    match record:
        case Proposal():
            return "proposals", record.id, record
        case Vote():
            return "votes", (record.proposal_id, record.user_id), record
        case Membership():
            return "memberships", record.user_id, record
        case Item():
            return "items", record.id, record
        case Option():
            return "options", record.id, record
        case Comment():
            return "comments", record.id, record
        case Ballot():
            return "ballots", record.user_id, record
        case ItemVersion():
            return "item_history", (record.item_id, record.part, record.version), record
        case EntranceCode():
            return "entrance_codes", record.code, record.event_id
