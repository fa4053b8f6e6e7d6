"""One event in memory, and how it asks for records that it does not have.

An event can have more members, votes and history than memory should carry. So the state has the
live items, the pending proposals, and otherwise only what some command asked for. Reading a missing
record raises ``Missing``; the lane then loads it and runs the command again. A record that is known
to be absent is kept as ``None``.

The state changes only through a ``handlers.step.Step``, which can undo its changes.
"""

from __future__ import annotations

import itertools
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

from persistence.event.records import (
    Ballot,
    Comment,
    Event,
    Invitation,
    Item,
    ItemVersion,
    Membership,
    Option,
    Part,
    Proposal,
    Vote,
)
from persistence.event.weights import FIXED_BYTES, NAME_BYTES, event_bytes, record_bytes

#: What can be asked for: one row, or a complete set of rows.
NeedKind: TypeAlias = Literal[
    "membership",
    "waiting",
    "requests",
    "option",
    "item",
    "proposal",
    "resolved",
    "withdrawn_by",
    "vote",
    "votes_of",
    "ballot",
    "ballots",
    "comment",
    "comments_shown",
    "code",
    "version",
    "invitation",
    "invitations_shown",
]


class Need(NamedTuple):
    """Something that a command has to know: one row by its key, or a complete set."""

    kind: NeedKind
    key: tuple[Any, ...] = ()


_ALL_REQUESTS = Need("requests")


class Missing(Exception):
    """The state does not have these records yet: ``needs`` names them."""

    def __init__(self, *needs: Need) -> None:
        self.needs = frozenset(needs)
        super().__init__(", ".join(f"{need.kind} {need.key}" for need in needs[:3]))


R = TypeVar("R")

#: Tables whose records are weighed one by one. Votes are all alike, and counted instead.
WEIGHED = frozenset(
    {
        *("options", "items", "proposals", "memberships", "ballots", "comments", "item_history"),
        "invitations",
    }
)
#: Stands for a record if a table does not have its key.
ABSENT: Any = object()


class EventState:
    """One event as far as it is known, at position ``seq`` of its journal.

    A method that returns a record, or a set of records, raises ``Missing`` if they were not loaded.
    Load what it names, and call again. ``None``: there is no such record.
    """

    def __init__(self, event_id: str, event: Event | None = None) -> None:
        self.id = event_id
        self.event_record = event
        self.epoch = event.epoch if event else ""
        self.seq = event.seq if event else 0
        self.hash = event.hash if event else bytes(32)
        self.options: dict[str, Option | None] = {}
        self.items: dict[str, Item | None] = {}
        self.proposals: dict[str, Proposal | None] = {}
        self.memberships: dict[str, Membership | None] = {}
        self.votes: dict[tuple[str, str], Vote | None] = {}
        self.ballots: dict[str, Ballot | None] = {}
        self.comments: dict[str, Comment | None] = {}
        self.item_history: dict[tuple[str, str, int], ItemVersion | None] = {}
        self.invitations: dict[str, Invitation | None] = {}
        self.entrance_codes: dict[str, str | None] = {}
        """Code → its event."""
        self.numbered: dict[int, str] = {}
        """Ordinal of the resolution → proposal, for the records that are here."""
        self.complete: set[Need] = set()
        """The sets that are here completely."""
        self.pending: dict[str, None] = {}
        """Ids of the pending proposals, in the order of their creation."""
        self.requests: dict[str, None] = {}
        """The users who asked to join and wait, oldest request first, without a gap.

        The event counts more of them if an older node decided some: it leaves number and count.
        """
        self.requests_read = 0
        """Stored requests were read up to this number."""
        self._record_bytes = 0

    @property
    def event(self) -> Event:
        """The event's row; call it only if there is one."""
        assert self.event_record is not None
        return self.event_record

    def add_loaded(self, table: str, key: Any, record: Any) -> None:
        """Add a record as it was loaded; ``None``: there is no such row."""
        rows: dict[Any, Any] = getattr(self, table)
        if table in WEIGHED:
            self.changed(rows.get(key, ABSENT), record)
        rows[key] = record

    def changed(self, before: Any, after: Any) -> None:
        """Count a record of one of the ``WEIGHED`` tables, in place of ``before``."""
        if before is not ABSENT:
            self._record_bytes -= record_bytes(before)
        if after is not ABSENT:
            self._record_bytes += record_bytes(after)

    def bytes(self) -> int:
        """Return an upper bound of the bytes of memory that this state takes."""
        small = len(self.votes) * FIXED_BYTES[Vote]
        names = len(self.complete) + len(self.entrance_codes) + len(self.numbered)
        names += len(self.requests)
        return event_bytes(self.event_record) + self._record_bytes + small + names * NAME_BYTES

    # One row each; ``None`` is a known absence. Each vote reads the first three, so these go
    # without a further call.

    def membership(self, user: str) -> Membership | None:
        """Return ``user``'s membership in the event, in any status."""
        try:
            return self.memberships[user]
        except KeyError:
            raise Missing(Need("membership", (user,))) from None

    def require_memberships(self, users: list[str]) -> None:
        """Raise ``Missing`` once for all memberships of ``users`` that are not here."""
        if missing := [user for user in users if user not in self.memberships]:
            raise Missing(*(Need("membership", (user,)) for user in missing))

    def vote(self, proposal: str, user: str) -> Vote | None:
        """Return ``user``'s vote on ``proposal``."""
        key = (proposal, user)
        try:
            return self.votes[key]
        except KeyError:
            raise Missing(Need("vote", key)) from None

    def proposal(self, id: str) -> Proposal | None:
        """Return a proposal, pending or decided."""
        try:
            return self.proposals[id]
        except KeyError:
            raise Missing(Need("proposal", (id,))) from None

    def option(self, id: str) -> Option | None:
        """Return an option, removed or not."""
        return _get(self.options, id, "option", (id,))

    def item(self, id: str) -> Item | None:
        """Return an assumption or criterion, deleted or not."""
        return _get(self.items, id, "item", (id,))

    def ballot(self, user: str) -> Ballot | None:
        """Return ``user``'s final ballot."""
        return _get(self.ballots, user, "ballot", (user,))

    def comment(self, id: str) -> Comment | None:
        """Return a comment, removed or not."""
        return _get(self.comments, id, "comment", (id,))

    def invitation(self, id: str) -> Invitation | None:
        """Return an invitation, in any status."""
        return _get(self.invitations, id, "invitation", (id,))

    def version(self, item: str, part: Part, version: int) -> ItemVersion | None:
        """Return the text of an item at one of its versions."""
        key = (item, part, version)
        return _get(self.item_history, key, "version", key)

    def owner_of_code(self, code: str) -> str | None:
        """Return the event that an entrance code belongs to; retired codes included."""
        return _get(self.entrance_codes, code, "code", (code,))

    # Complete sets.

    def live_options(self) -> list[Option]:
        """Return the live options, by position."""
        found = [option for option in self.options.values() if option and not option.deleted]
        return sorted(found, key=lambda option: option.position)

    def live_items(self, kind: str) -> list[Item]:
        """Return the live assumptions or criteria, by position."""
        found = [
            item for item in self.items.values() if item and item.kind == kind and not item.deleted
        ]
        return sorted(found, key=lambda item: item.position)

    def pending_proposals(self) -> list[Proposal]:
        """Return the pending proposals, oldest first."""
        return [found for id in self.pending if (found := self.proposals[id]) is not None]

    def waiting(self) -> list[Membership]:
        """Return the pending memberships, longest waiting first."""
        self._require_complete(Need("waiting"))
        found = [m for m in self.memberships.values() if m and m.status == "pending"]
        return sorted(found, key=lambda m: (m.requested_at, m.user_id))

    def oldest_requests(self, count: int) -> list[Membership]:
        """Return the ``count`` oldest requests to join, or all if there are fewer.

        Raises ``Missing`` if they are not loaded.
        """
        count = min(count, self.event.requests or 0)
        if len(self.requests) < count and _ALL_REQUESTS not in self.complete:
            # The number that is missing, since a step that decided some of those that are here is
            # undone before more are read.
            raise Missing(Need("requests", (count - len(self.requests),)))
        oldest = (self.memberships[user] for user in itertools.islice(self.requests, count))
        return [found for found in oldest if found is not None]

    def knows_requests(self, count: int) -> bool:
        """Whether all requests are here, of which the event counts ``count``."""
        return len(self.requests) == count or _ALL_REQUESTS in self.complete

    def relist_requests(self, users: list[str]) -> None:
        """Take out or in those of ``users`` whose records changed without a step's notice."""
        for user in users:
            found = self.memberships[user]
            if found is None or not found.is_numbered_request:
                self.requests.pop(user, None)
            elif user not in self.requests:
                self.requests.clear()
                self.know_all_requests()
                return

    def know_all_requests(self) -> None:
        """Note that all stored requests were read; any other one was made in this batch."""
        made = [
            found
            for user, found in self.memberships.items()
            if found is not None and found.is_numbered_request and user not in self.requests
        ]
        made.sort(key=lambda found: found.request_no or 0)
        self.requests.update((found.user_id, None) for found in made)
        self.complete.add(_ALL_REQUESTS)

    def votes_of(self, *users: str) -> list[Vote]:
        """Return the users' votes on pending proposals, retracted ones included."""
        self._require_complete(*(Need("votes_of", (user,)) for user in users))
        if len(users) * len(self.pending) <= len(self.votes):
            votes = [self.votes.get((id, user)) for user in users for id in self.pending]
            return [vote for vote in votes if vote is not None]
        wanted = frozenset(users)
        return [
            vote
            for (proposal, user), vote in self.votes.items()
            if vote is not None and user in wanted and proposal in self.pending
        ]

    def all_ballots(self) -> list[Ballot]:
        """Return every ballot."""
        self._require_complete(Need("ballots"))
        return [ballot for ballot in self.ballots.values() if ballot]

    def comments_shown(self) -> list[Comment]:
        """Return the comments above the floor, oldest first."""
        self._require_complete(Need("comments_shown"))
        floor = self.event.comment_floor
        found = [c for c in self.comments.values() if c and not c.deleted and c.number > floor]
        return sorted(found, key=lambda comment: comment.number)

    def invitations_shown(self) -> list[Invitation]:
        """Return the invitations above the floor, oldest first."""
        if not self.event.invitations:
            return []
        self._require_complete(Need("invitations_shown"))
        floor = self.event.invitation_floor
        found = [one for one in self.invitations.values() if one and one.number > floor]
        return sorted(found, key=lambda one: one.number)

    def resolved(self, first: int, last: int) -> list[Proposal]:
        """Return the proposals that were resolved as number ``first`` to ``last``.

        Raises ``Missing`` for those that are not loaded.
        """
        numbers = range(first, last + 1)
        if missing := [n for n in numbers if self.numbered.get(n) not in self.proposals]:
            raise Missing(*(Need("resolved", (number,)) for number in missing))
        found = [self.proposals[self.numbered[number]] for number in numbers]
        return [proposal for proposal in found if proposal is not None]

    def withdrawn_by(self, author: str) -> list[Proposal]:
        """Return the proposals that ``author`` withdrew and the room still shows."""
        self._require_complete(Need("withdrawn_by", (author,)))
        floor = self.event.resolved_floor
        return [
            found
            for found in self.proposals.values()
            if found is not None
            and found.author == author
            and found.resolution == "withdrawn"
            and (found.resolved_no or 0) > floor
        ]

    def _require_complete(self, *needs: Need) -> None:
        if missing := [need for need in needs if need not in self.complete]:
            raise Missing(*missing)


def _get(rows: dict[Any, R | None], key: Any, kind: NeedKind, need: tuple[Any, ...]) -> R | None:
    try:
        return rows[key]
    except KeyError:
        raise Missing(Need(kind, need)) from None
