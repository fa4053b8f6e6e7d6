"""One command at work on the state: what it reads, what it changes, and how that is undone.

A handler reads the state through its ``Step`` and puts changed records back. It cannot send,
publish or write SQL. The lane stores the records that were put, and the patches for the rooms are
made from the records before and after.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

import msgspec

from persistence.event.limits import DomainLimits, decode_limits, encode_limits
from persistence.event.records import (
    Ballot,
    Comment,
    EntranceCode,
    Event,
    Invitation,
    Item,
    ItemVersion,
    Membership,
    Option,
    Proposal,
    TableName,
    Vote,
)
from persistence.event.state import ABSENT, EventState
from protocol.errors import ErrorCode, FinalError

R = TypeVar("R")

Record: TypeAlias = (
    Ballot
    | Comment
    | EntranceCode
    | Invitation
    | Item
    | ItemVersion
    | Membership
    | Option
    | Proposal
    | Vote
)

_ID_CHARACTERS = 16
"""80 bits: no two things of one event ever share an id."""


#: Without `0 O 1 I L`, which people take for each other when they read a code out. Codes of before
#: and codes that a client gives may have them.
_CODE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
_CODE_LENGTH = 6
#: Spreads the draws of one entropy over all codes (2^64 over the golden ratio, odd).
_ODD = 0x9E3779B97F4A7C15


class Actor(NamedTuple):
    """The user who acts: the token's ``sub`` and name."""

    user: str
    name: str


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """A handler's return value: its result, and whether anything changed."""

    result: dict[str, Any]
    applied: bool = True


class Step:
    """A command's view of the state, and the changes it has made so far."""

    __slots__ = (
        "_epoch_before",
        "_ids",
        "_numbered",
        "_pending_before",
        "_requests_before",
        "actor",
        "before",
        "command_id",
        "entropy",
        "event_before",
        "everyone",
        "node_limits",
        "now",
        "retold",
        "state",
        "tallied",
        "user",
    )

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
        self.user = actor.user
        """The user who sent this command."""
        self.command_id = command_id
        self.now = now
        """The database's clock, read under the lock."""
        self.node_limits = limits
        """The limits that this node would record; see ``limits``."""
        self.entropy = entropy
        """Random bytes drawn when the command arrived, and reused when it is retried."""
        self.before: dict[tuple[TableName, Any], Any] = {}
        """The record under each key that was changed or touched, as it was before the step."""
        self.retold: list[tuple[TableName, Any]] = []
        """Unchanged records whose words the rooms are sent again."""
        self.tallied: set[str] = set()
        """Proposals of which only the tally changed; known once the patches are made."""
        self.event_before = state.event_record
        self.everyone: dict[str, Any] = {}
        """A patch on every user's ``you``."""
        self._pending_before: dict[str, None] | None = None
        self._requests_before: dict[str, None] | None = None
        self._numbered: list[int] = []
        """Numbers that proposals were given as they were resolved in this step."""
        self._epoch_before = state.epoch
        self._ids = 0

    @property
    def event(self) -> Event:
        """The event's row as it is now."""
        event = self.state.event_record
        assert event is not None
        return event

    @property
    def limits(self) -> DomainLimits:
        """The limits this step is decided by: the event's recorded ones, or else the node's."""
        event = self.state.event_record
        if event is None or event.limits is None:
            return self.node_limits
        return decode_limits(event.limits)

    def to_record(self) -> str | None:
        """Return the limits to record for an event that has none; ``None`` leaves it without."""
        return encode_limits(self.node_limits)

    @property
    def seq(self) -> int:
        """The position that this step gets if it is accepted."""
        return self.state.seq + 1

    def new_id(self, prefix: str) -> str:
        """Return an id for a new record; it is the same when the command is decided again.

        It is made from event, user and command id. A counter would, after a restore from a backup,
        give the ids of lost records to other ones.
        """
        self._ids += 1
        return derived_id(prefix, self.state.id, self.user, self.command_id, str(self._ids))

    def draw_code(self, draw: int) -> str:
        """Return the ``draw``-th random entrance code of this step."""
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
        """Set the row of an event that is created now."""
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
            if (record.status == "pending") != (record.id in self.state.pending):
                self._keep_pending(record)
        elif type(record) is Membership:
            self._keep_requests(key, previous, record)

    def drop(self, table: Literal["memberships", "ballots"], key: str) -> None:
        """Remove a record."""
        rows: dict[str, Any] = getattr(self.state, table)
        previous = rows.get(key, ABSENT)
        self.before.setdefault((table, key), previous)
        rows[key] = None
        if table == "memberships":
            self._keep_requests(key, previous, None)

    def touch(self, record: Record) -> None:
        """Have the rooms compare an unchanged record, since a floor moved past it."""
        table, key, value = _place(record)
        self.before.setdefault((table, key), value)

    def retell(self, record: Record) -> None:
        """Have the rooms send the words of an unchanged record again, if they show it."""
        table, key, _ = _place(record)
        self.retold.append((table, key))

    def _keep_pending(self, proposal: Proposal) -> None:
        pending = self.state.pending
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
        """Keep the list of requests in their order, and their number."""
        before = previous.request_no if type(previous) is Membership else None
        number = membership.request_no if membership is not None else None
        # Requests without a count are not numbered yet.
        if before == number or self.event.requests is None:
            return
        state, count = self.state, self.event.requests
        if self._requests_before is None:
            self._requests_before = dict(state.requests)
        # A member whom an older node let in, or a user whom it refused, has a number all the same.
        # It counts until they ask again, and then the new one does.
        state.requests.pop(user, None)
        if (
            membership is not None
            and membership.is_numbered_request
            and state.knows_requests(count)
        ):
            state.requests[user] = None
        if before is None or number is None:
            self.change_event(requests=count + (-1 if number is None else 1))

    def undo(self) -> None:
        """Restore everything to what it was before this step."""
        for (table, key), value in self.before.items():
            rows: dict[Any, Any] = getattr(self.state, table)
            if value is ABSENT:
                rows.pop(key, None)
            else:
                rows[key] = value
        self.before.clear()
        self.retold.clear()
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

    # Records that commands name, or the error that says why not.

    def proposal(self, id: str) -> Proposal:
        """Return the proposal ``id``; raise ``not_found`` if there is none."""
        return found(self.state.proposal(id), "proposal")

    def member(self, user: str, field: str = "user") -> Membership:
        """Return the membership of ``user``, named in ``field``, in any status; or raise
        ``not_found``.
        """
        return found(self.state.membership(user), field)

    def is_admin(self) -> bool:
        """Whether the actor is an accepted admin."""
        own = self.state.membership(self.user)
        return own is not None and own.status == "accepted" and own.leads


def found(record: R | None, field: str) -> R:
    """Return ``record``; raise ``not_found`` for ``field`` if there is none."""
    if record is None:
        raise FinalError(ErrorCode.NOT_FOUND, f"no such {field}", details={"path": field})
    return record


def too_many(name: str, limit: int, what: str | None = None) -> FinalError:
    """Return the error for one more of ``what`` than the limit ``name`` allows."""
    message = f"there are as many {what or name} as may be"
    return FinalError(ErrorCode.LIMIT_REACHED, message, details={"limit": limit, "name": name})


def derived_id(prefix: str, *parts: str) -> str:
    """Return ``prefix`` and 80 bits of the digest of ``parts``."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return f"{prefix}_{b32encode(digest).decode().lower()[:_ID_CHARACTERS]}"


#: The table of each kind of record, and its key there. Looked up by type, since ``isinstance`` is
#: slow for msgspec's classes.
_PLACES: Final[dict[type, tuple[TableName, Callable[[Any], Any]]]] = {
    Ballot: ("ballots", attrgetter("user_id")),
    Comment: ("comments", attrgetter("id")),
    EntranceCode: ("entrance_codes", attrgetter("code")),
    Invitation: ("invitations", attrgetter("id")),
    Item: ("items", attrgetter("id")),
    ItemVersion: ("item_history", attrgetter("item_id", "part", "version")),
    Membership: ("memberships", attrgetter("user_id")),
    Option: ("options", attrgetter("id")),
    Proposal: ("proposals", attrgetter("id")),
    Vote: ("votes", attrgetter("proposal_id", "user_id")),
}


def _place(record: Record) -> tuple[TableName, Any, Any]:
    """Return the table of ``record``, its key there, and the value that the state keeps."""
    table, key_of = _PLACES[type(record)]
    return table, key_of(record), record.event_id if type(record) is EntranceCode else record
