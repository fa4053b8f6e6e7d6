"""The result that an ack brings, for each command.

Written by ``scripts/client_types.py`` from the server's types.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class EventMade(TypedDict):
    """The new event, and its entrance code."""

    event: str
    entrance_code: str


class Nothing(TypedDict):
    """An empty result."""


class PolicySet(TypedDict):
    """The policy's version now, and the pending proposals that it accepted, in that order."""

    policy_version: int
    accepted: list[str]


class CodeMade(TypedDict):
    """The entrance code from now on."""

    entrance_code: str


class EventLed(TypedDict):
    """The event's status now."""

    status: Literal["not_started", "in_progress", "paused", "finished"]


class OptionChanged(TypedDict):
    """The option that was made, changed or removed."""

    option: str


class AssumptionChanged(TypedDict):
    """The assumption that was made, changed or removed, and its version now."""

    assumption: str
    version: int


class CriterionChanged(TypedDict):
    """The criterion that was made, changed or removed, and its version now."""

    criterion: str
    version: int


class Joined(TypedDict):
    """The event, and whether the user is a member or waits."""

    event: str
    status: Literal["pending", "accepted"]


class Renamed(TypedDict):
    """The name that one has now."""

    name: str


class Left(TypedDict):
    """The user has left."""

    status: Literal["left"]


class MembershipDecided(TypedDict):
    """A user's status now; by whom and when it was decided, if it was."""

    user: str
    status: Literal["pending", "accepted", "rejected", "left", "removed"]
    by: NotRequired[str]
    at: NotRequired[str]


class MembershipEnded(TypedDict):
    """How many proposals were closed too, if that was asked for."""

    user: str
    status: Literal["pending", "accepted", "rejected", "left", "removed"]
    by: NotRequired[str]
    at: NotRequired[str]
    closed: NotRequired[int]


class AllDecided(TypedDict):
    """The users who were accepted, who were rejected, and who still wait, longest waiting first."""

    approved: list[str]
    waiting: list[str]
    approved_count: NotRequired[int]
    waiting_count: NotRequired[int]
    rejected: NotRequired[list[str]]
    rejected_count: NotRequired[int]


class RoleSet(TypedDict):
    """The member's role now."""

    user: str
    role: Literal["admin", "member", "organiser"]


class InvitationMade(TypedDict):
    """An invitation, and the secret to give to the person invited."""

    invitation: str
    name: str
    secret: str


class InvitationsMade(TypedDict):
    """The invitations, in the order given."""

    invitations: list[InvitationMade]


class InvitationRevoked(TypedDict):
    """The invitation that opens nothing any more."""

    invitation: str
    status: Literal["revoked"]


class ProposalMade(TypedDict):
    """The new proposal; already ``accepted`` if its author's own vote was enough."""

    proposal: str
    revision: int
    status: Literal["pending", "accepted", "rejected", "deleted"]


class ProposalClosed(TypedDict):
    """How a proposal was closed, by whom (absent."""

    status: Literal["pending", "accepted", "rejected", "deleted"]
    resolution: Literal[
        "auto_votes",
        "admin",
        "revert",
        "expired",
        "withdrawn",
        "moderated",
        "target_deleted",
        "event_finished",
    ]
    at: str
    seq: int
    by: NotRequired[str]


class ProposalReverted(TypedDict):
    """The proposal that reverts the other one."""

    status: Literal["pending", "accepted", "rejected", "deleted"]
    resolution: Literal[
        "auto_votes",
        "admin",
        "revert",
        "expired",
        "withdrawn",
        "moderated",
        "target_deleted",
        "event_finished",
    ]
    at: str
    seq: int
    by: NotRequired[str]
    proposal: str


class ProposalRebased(TypedDict):
    """The revision to vote for from now on."""

    revision: int


class VoteCounted(TypedDict):
    """The tally with one's own vote, and whether the proposal passed."""

    eligible: int
    agree: NotRequired[int]
    against: NotRequired[int]
    abstain: NotRequired[int]
    voters: NotRequired[int]
    status: Literal["pending", "accepted", "rejected", "deleted"]


class VoteRetracted(TypedDict):
    """The tally without one's own vote."""

    eligible: int
    agree: NotRequired[int]
    against: NotRequired[int]
    abstain: NotRequired[int]
    voters: NotRequired[int]


class CommentChanged(TypedDict):
    """The comment that was made or removed."""

    comment: str


class CommentEdited(TypedDict):
    """The comment, and its version now."""

    comment: str
    version: int


class PeopleAdded(TypedDict):
    """The users who became members, in the order given."""

    added: list[str]
