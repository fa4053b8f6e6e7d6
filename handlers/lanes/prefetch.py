"""Fetch what a batch will surely need in one query, instead of one query for each record.

An optimization only: a record that is not prefetched is fetched when a handler misses it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from handlers.lanes.decide import Submission
from persistence.event.state import EventState, Need, NeedKind
from protocol import commands as c

#: Field of a command → the kind of record that its value names, and the table of the state that has
#: it.
_NAMED: dict[str, tuple[NeedKind, str]] = {
    "user": ("membership", "memberships"),
    "transfer_to": ("membership", "memberships"),
    "proposal": ("proposal", "proposals"),
    "comment": ("comment", "comments"),
    "option": ("option", "options"),
    "assumption": ("item", "items"),
    "criterion": ("item", "items"),
    "target": ("item", "items"),
}


# Types are compared, since ``isinstance`` is slow for msgspec's abstract classes.
_OF_A_VOTE = frozenset({c.VoteCast, c.VoteRetract})
_OF_A_BALLOT = frozenset({c.BallotSubmit, c.BallotClear})


@functools.cache
def _named_by(command: type[c.Command]) -> tuple[tuple[str, NeedKind, str], ...]:
    """Return the fields of a command that name records, each with its kind and table."""
    fields = command.__struct_fields__
    return tuple((name, *place) for name, place in _NAMED.items() if name in fields)


def prefetch_needs(batch: Iterable[Submission], state: EventState) -> set[Need]:
    """Return what ``batch`` refers to and ``state`` lacks; called again until that is nothing."""
    needs: set[Need] = set()
    if state.event_record is None:
        return needs
    for submission in batch:
        user = submission.actor.user
        # The server's own commands have no user.
        if user and user not in state.memberships:
            needs.add(Need("membership", (user,)))
        command: Any = submission.command
        asked: type[c.Command] = type(command)
        if asked in _OF_A_VOTE:
            if (command.proposal, user) not in state.votes:
                needs.add(Need("vote", (command.proposal, user)))
        elif asked in _OF_A_BALLOT and user not in state.ballots:
            needs.add(Need("ballot", (user,)))
        for field, kind, table in _named_by(asked):
            named = getattr(command, field)
            if named is not None and named not in getattr(state, table):
                needs.add(Need(kind, (named,)))
    return needs
