"""The base of what rooms show, and the policy and the terms of votes as they are shown."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from protocol.policy import (
    BallotPolicy,
    Decide,
    Electorate,
    KindPolicy,
    Percent,
    Seconds,
    Stances,
    TallyShown,
    VoteSecrecy,
)


class View(msgspec.Struct, kw_only=True):
    """A part of what a room shows."""


class Terms(View, kw_only=True):
    """The terms of a proposal's votes, as far as they differ from the defaults.

    They are the policy's when the proposal was made, and stay as they were.
    """

    stances: Stances | UnsetType = UNSET
    decide: Decide | UnsetType = UNSET
    tally: TallyShown | UnsetType = UNSET
    votes: VoteSecrecy | UnsetType = UNSET
    electorate: Electorate | UnsetType = UNSET


class EventPolicy(View, kw_only=True):
    """When a proposal passes by its votes. Rules that are off are absent.

    The fields from ``stances`` on are the terms of the proposals to come. Their defaults are
    ``["agree"]``, ``reached``, ``live``, ``secret`` and ``now``. ``decide`` = ``close``: votes
    decide at ``expires_at`` only. ``tally`` = ``close``: how a pending proposal stands is shown to
    nobody. ``votes`` = ``named``: members may list who said what. ``electorate`` = ``opening``:
    those who were accepted when the proposal was made may vote on it, and are counted.
    """

    assumption: KindPolicy
    criterion: KindPolicy
    conclusion: KindPolicy
    membership_auto: bool
    quorum_percent: Percent | UnsetType = UNSET
    min_open_seconds: Seconds | UnsetType = UNSET
    ttl_seconds: Seconds | UnsetType = UNSET
    proposer_votes: bool | UnsetType = UNSET
    guests: bool | UnsetType = UNSET
    ballot: BallotPolicy | UnsetType = UNSET
    stances: Stances | UnsetType = UNSET
    decide: Decide | UnsetType = UNSET
    tally: TallyShown | UnsetType = UNSET
    votes: VoteSecrecy | UnsetType = UNSET
    electorate: Electorate | UnsetType = UNSET
