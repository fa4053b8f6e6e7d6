"""Happenings in a room, for callbacks: derived from the states before and after a change."""

from __future__ import annotations

from typing import NamedTuple

from ayes_client.state import Results, Role
from ayes_client.tally import Decided


class ProposalDecided(NamedTuple):
    """A proposal was closed."""

    proposal: str
    outcome: Decided


class MemberJoined(NamedTuple):
    """A user is shown as a member who was not before."""

    user: str
    name: str
    role: Role


class EventFinished(NamedTuple):
    """The event finished; ``results`` has the counted ballots."""

    results: Results | None
