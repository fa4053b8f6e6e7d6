"""Revisions of ballots that are gone, if an older node may have dropped the ballot.

Newer nodes keep the revision with the membership, so that the member's next ballot counts on. A
node that records no limits leaves that column as it was. The entry of the drop is the same. So the
member's next ballot shows which kind of node dropped the last one, or else the table does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from persistence.event.records import Ballot, Membership, TableName
from persistence.event.state import EventState

#: Revision of the latest ballot that is gone → entries that an older node must have decided then.
Origins = dict[int | None, tuple[int, ...]]


class Revisions:
    """The revisions that a member's next ballot may count on from."""

    def __init__(self, state: EventState) -> None:
        self._state = state
        self._origins: dict[str, Origins] = {}
        """By user; only of users with more than one possible revision."""

    def note(self, seq: int, before: Mapping[tuple[TableName, Any], Any], *, certain: bool) -> None:
        """Note the ballots dropped by the entry ``seq``, which changed the records ``before``.

        ``certain``: the entry says that a newer node decided it.
        """
        for (table, user), old in before.items():
            if table != "memberships" or not isinstance(old, Membership):
                continue
            kept = self._state.memberships.get(user)
            if kept is None or kept.ballot_revision == old.ballot_revision:
                continue
            known = self._origins.pop(user, {old.ballot_revision: ()})
            if not certain:
                older = {revision: (*seqs, seq) for revision, seqs in known.items()}
                self._origins[user] = older | {kept.ballot_revision: ()}

    def settle(self, user: str, before: Mapping[tuple[TableName, Any], Any]) -> None:
        """Note a ballot of ``user``, whose entry changed the records ``before``.

        It shows that the present revision is right, unless it counted on from one that stood.
        """
        key: tuple[TableName, Any] = ("ballots", user)
        if key in before and not isinstance(before[key], Ballot):
            self._origins.pop(user, None)

    def others(self, user: str) -> Iterator[tuple[int, ...]]:
        """Set each other possible revision of ``user``, and yield the entries of older nodes.

        After the last one the present revision is set again. A caller that stops keeps the one set.
        """
        member = self._state.memberships.get(user)
        if member is None:
            return
        for revision, seqs in self._origins.get(user, {}).items():
            if revision != member.ballot_revision:
                self._state.memberships[user] = replace(member, ballot_revision=revision)
                yield seqs
        self._state.memberships[user] = member

    def take(self, stored: Mapping[str, int | None]) -> list[int]:
        """Set ``stored`` revisions that are possible; return the entries of older nodes."""
        found: list[int] = []
        for user, origins in self._origins.items():
            member, revision = self._state.memberships.get(user), stored.get(user)
            if member is not None and revision in origins:
                self._state.memberships[user] = replace(member, ballot_revision=revision)
                found += origins[revision]
        return found
