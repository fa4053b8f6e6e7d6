"""The answers of the server to queries.

Written by ``scripts/client_types.py`` from the server's types.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from ayes_client.state import (
    Ballot,
    Comment,
    Invitation,
    JoinRequest,
    Json,
    Member,
    Membership,
    Option,
    Proposal,
)


class Committed(TypedDict):
    """The command was accepted; this is its ack."""

    state: Literal["committed"]
    id: str
    ack: Json


class Refused(TypedDict):
    """The command was refused for good; this is its error."""

    state: Literal["refused"]
    id: str
    error: Json


class Pending(TypedDict):
    """The command waits to be decided."""

    state: Literal["pending"]
    id: str


class Absent(TypedDict):
    """The command is unknown as of now; the same id sent again settles it."""

    state: Literal["absent"]
    id: str


class Status(TypedDict):
    """The states of one's own commands, in the order asked."""

    type: Literal["status"]
    event: str
    commands: list[Committed | Refused | Pending | Absent]


class ListedEvent(TypedDict):
    """An event of the user, as a member or an applicant; with a role only if accepted."""

    id: str
    subject: str
    status: Literal["not_started", "in_progress", "paused", "finished"]
    membership: Literal["pending", "accepted"]
    seq: int
    role: NotRequired[Literal["admin", "member", "organiser"]]


class Events(TypedDict):
    """The user's events, newest first; ``next`` is the ``after`` of the next page."""

    type: Literal["events"]
    events: list[ListedEvent]
    next: NotRequired[str]


class ListedOption(Option):
    """An option with its id."""

    id: str


class Overview(TypedDict):
    """The overview of an event for a user who may join it. ``admins``."""

    type: Literal["overview"]
    event: str
    subject: str
    status: Literal["not_started", "in_progress", "paused", "finished"]
    options: list[ListedOption]
    admins: list[str]
    members: int
    max_members: int
    membership: NotRequired[Membership]


class PolicyPreview(TypedDict):
    """The pending proposals that the policy would accept now, in that order."""

    type: Literal["policy_preview"]
    event: str
    would_accept: list[str]


class ListedComment(Comment):
    """A comment with its id."""

    id: str


class Comments(TypedDict):
    """Comments, newest first; ``next`` is the ``before`` of the next page."""

    type: Literal["comments"]
    event: str
    comments: list[ListedComment]
    next: NotRequired[int]


class ListedProposal(Proposal):
    """A proposal with its id."""

    id: str


class Proposals(TypedDict):
    """Resolved proposals, last decided first; ``next`` is the ``before`` of the next page."""

    type: Literal["proposals"]
    event: str
    proposals: list[ListedProposal]
    next: NotRequired[int]


class ListedMember(Member):
    """A member with their id."""

    id: str


class Members(TypedDict):
    """Accepted members, last joined first; ``next`` is the ``before`` of the next page."""

    type: Literal["members"]
    event: str
    members: list[ListedMember]
    next: NotRequired[int]


class ListedRequest(JoinRequest):
    """A request to join, with its user."""

    id: str


class Requests(TypedDict):
    """Requests to join, newest first; ``next`` is the ``before`` of the next page."""

    type: Literal["requests"]
    event: str
    requests: list[ListedRequest]
    next: NotRequired[int]


class ListedInvitation(Invitation):
    """An invitation with its id."""

    id: str


class Invitations(TypedDict):
    """Invitations, newest first; ``next`` is the ``before`` of the next page."""

    type: Literal["invitations"]
    event: str
    invitations: list[ListedInvitation]
    next: NotRequired[int]


class ListedBallot(Ballot):
    """A ballot with its voter. The name is absent if nothing records it any more."""

    user: str
    name: NotRequired[str]


class Ballots(TypedDict):
    """Ballots with their voters; ``next`` is the ``before`` of the next page."""

    type: Literal["ballots"]
    event: str
    ballots: list[ListedBallot]
    next: NotRequired[str]


class Receipt(TypedDict):
    """The proof that one's own ballot is entry ``seq`` of the journal."""

    type: Literal["receipt"]
    event: str
    seq: int
    hash: str
    user: str
    id: str
    salt: str
    payload: str


class ListedVote(TypedDict):
    """A user and their stance. The name is absent if nothing records it any more."""

    user: str
    stance: Literal["agree", "against", "abstain"]
    name: NotRequired[str]


class Votes(TypedDict):
    """The votes on a proposal; ``next`` is the ``before`` of the next page."""

    type: Literal["votes"]
    event: str
    proposal: str
    votes: list[ListedVote]
    next: NotRequired[str]


class ListedVoter(TypedDict):
    """A user who took part. The name is absent if nothing records it any more."""

    user: str
    name: NotRequired[str]


class Turnout(TypedDict):
    """The users who took part; ``next`` is the ``before`` of the next page."""

    type: Literal["turnout"]
    event: str
    turnout: list[ListedVoter]
    proposal: NotRequired[str]
    next: NotRequired[str]
