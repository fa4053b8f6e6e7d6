"""The server's answers to queries, and the list of all messages that it sends."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from protocol.commands import Role
from protocol.fields import CommandId, MaxMembers, Ordinal, Position, UserId
from protocol.messages import (
    Ack,
    Authenticated,
    Bye,
    Diff,
    Error,
    Hash,
    Heartbeat,
    OwnDiff,
    Pong,
    Presence,
    Reply,
    Resumed,
    Said,
    Snapshot,
    Unsubscribed,
    Welcome,
)
from protocol.policy import Stance
from protocol.state import (
    Ballot,
    Comment,
    CommentId,
    Count,
    EventId,
    EventStatus,
    Invitation,
    InvitationId,
    JoinRequest,
    Member,
    Membership,
    Option,
    OptionId,
    Proposal,
    ProposalId,
)

Salt = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]


class Committed(msgspec.Struct, kw_only=True, tag_field="state", tag="committed"):
    """The command was accepted; this is its ack."""

    id: CommandId
    ack: Ack


class Refused(msgspec.Struct, kw_only=True, tag_field="state", tag="refused"):
    """The command was refused for good; this is its error."""

    id: CommandId
    error: Error


class Pending(msgspec.Struct, kw_only=True, tag_field="state", tag="pending"):
    """The command waits to be decided."""

    id: CommandId


class Absent(msgspec.Struct, kw_only=True, tag_field="state", tag="absent"):
    """The command is unknown as of now; the same id sent again settles it."""

    id: CommandId


class Status(Reply, tag="status", kw_only=True):
    """The states of one's own commands, in the order asked."""

    event: str
    commands: list[Committed | Refused | Pending | Absent]


class ListedEvent(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An event of the user, as a member or an applicant; with a role only if accepted."""

    id: EventId
    subject: str
    status: EventStatus
    membership: Literal["pending", "accepted"]
    seq: Position
    role: Role | UnsetType = UNSET


class Events(Reply, tag="events", kw_only=True):
    """The user's events, newest first; ``next`` is the ``after`` of the next page."""

    events: list[ListedEvent]
    next: str | UnsetType = UNSET


class ListedOption(Option, kw_only=True):
    """An option with its id."""

    id: OptionId


class Overview(Reply, tag="overview", kw_only=True):
    """The overview of an event for a user who may join it. ``admins``: their names."""

    event: EventId
    subject: str
    status: EventStatus
    options: list[ListedOption]
    admins: list[str]
    members: Count
    max_members: MaxMembers
    membership: Membership | UnsetType = UNSET


class PolicyPreview(Reply, tag="policy_preview", kw_only=True):
    """The pending proposals that the policy would accept now, in that order."""

    event: EventId
    would_accept: list[ProposalId]


class ListedComment(Comment, kw_only=True):
    """A comment with its id."""

    id: CommentId


class Comments(Reply, tag="comments", kw_only=True):
    """Comments, newest first; ``next`` is the ``before`` of the next page."""

    event: EventId
    comments: list[ListedComment]
    next: Ordinal | UnsetType = UNSET


class ListedProposal(Proposal, kw_only=True):
    """A proposal with its id."""

    id: ProposalId


class Proposals(Reply, tag="proposals", kw_only=True):
    """Resolved proposals, last decided first; ``next`` is the ``before`` of the next page."""

    event: EventId
    proposals: list[ListedProposal]
    next: Ordinal | UnsetType = UNSET


class ListedMember(Member, kw_only=True):
    """A member with their id."""

    id: UserId


class Members(Reply, tag="members", kw_only=True):
    """Accepted members, last joined first; ``next`` is the ``before`` of the next page."""

    event: EventId
    members: list[ListedMember]
    next: Ordinal | UnsetType = UNSET


class ListedRequest(JoinRequest, kw_only=True):
    """A request to join, with its user."""

    id: UserId


class Requests(Reply, tag="requests", kw_only=True):
    """Requests to join, newest first; ``next`` is the ``before`` of the next page."""

    event: EventId
    requests: list[ListedRequest]
    next: Ordinal | UnsetType = UNSET


class ListedInvitation(Invitation, kw_only=True):
    """An invitation with its id."""

    id: InvitationId


class Invitations(Reply, tag="invitations", kw_only=True):
    """Invitations, newest first; ``next`` is the ``before`` of the next page."""

    event: EventId
    invitations: list[ListedInvitation]
    next: Ordinal | UnsetType = UNSET


class ListedVote(msgspec.Struct, kw_only=True):
    """A user and their stance. The name is absent if nothing records it any more."""

    user: UserId
    stance: Stance
    name: str | UnsetType = UNSET


class Votes(Reply, tag="votes", kw_only=True):
    """The votes on a proposal; ``next`` is the ``before`` of the next page."""

    event: EventId
    proposal: ProposalId
    votes: list[ListedVote]
    next: UserId | UnsetType = UNSET


class ListedVoter(msgspec.Struct, kw_only=True):
    """A user who took part. The name is absent if nothing records it any more."""

    user: UserId
    name: str | UnsetType = UNSET


class ListedBallot(Ballot, kw_only=True):
    """A ballot with its voter. The name is absent if nothing records it any more."""

    user: UserId
    name: str | UnsetType = UNSET


class Ballots(Reply, tag="ballots", kw_only=True):
    """Ballots with their voters; ``next`` is the ``before`` of the next page."""

    event: EventId
    ballots: list[ListedBallot]
    next: UserId | UnsetType = UNSET


class Receipt(Reply, tag="receipt", kw_only=True):
    """The proof that one's own ballot is entry ``seq`` of the journal.

    The entry in a published journal has the same ``hash``. Its digests of ``user``, ``id`` and
    ``payload`` are those of this user, this ``id`` and this ``payload``, made with ``salt``. Only
    the voter gets the salt: with it, anybody can check what the ballot says.
    """

    event: EventId
    seq: Position
    hash: Hash
    user: UserId
    id: CommandId
    salt: Salt
    payload: str


class Turnout(Reply, tag="turnout", kw_only=True):
    """The users who took part; ``next`` is the ``before`` of the next page."""

    event: EventId
    turnout: list[ListedVoter]
    proposal: ProposalId | UnsetType = UNSET
    next: UserId | UnsetType = UNSET


class JournalLine(msgspec.Struct, kw_only=True):
    """An accepted command, sealed.

    ``at`` is RFC 3339 in UTC with microseconds; ``user`` is empty for the server's own steps;
    ``payload``, ``answer`` and ``patches`` are JSON texts, exactly as they were sealed.

    An entry with a vote or a ballot has ``digests`` and no ``salt``, and its patches lack ``you``.
    If it is a command of voting or of the ballot, it also lacks ``user`` and ``payload``. An entry
    whose words an operator erased has ``digests`` too, and placeholders in its texts.
    ``digests`` has, by label, the digests (hex) that the header of the entry is made of.
    """

    seq: Position
    at: Annotated[
        str,
        Meta(
            pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z",
            extra_json_schema={"format": "date-time"},
        ),
    ]
    id: CommandId
    command: str
    user: str | UnsetType = UNSET
    salt: Salt | UnsetType = UNSET
    payload: str | UnsetType = UNSET
    digests: dict[str, Hash] | UnsetType = UNSET
    answer: str
    patches: str
    prev_hash: Hash
    hash: Hash


class Journal(Said, tag="journal", kw_only=True):
    """A page of an event's journal; ``next`` is the ``after`` of the next page. Over HTTP only."""

    event: EventId
    lines: list[JournalLine]
    next: Position | UnsetType = UNSET


#: All messages that the server sends.
MESSAGES: Final[tuple[type[Said], ...]] = (
    Welcome,
    Authenticated,
    Pong,
    Heartbeat,
    Bye,
    Ack,
    Error,
    Snapshot,
    Resumed,
    Diff,
    OwnDiff,
    Unsubscribed,
    Presence,
    Status,
    Events,
    Overview,
    PolicyPreview,
    Comments,
    Proposals,
    Members,
    Requests,
    Invitations,
    Ballots,
    Receipt,
    Votes,
    Turnout,
    Journal,
)
