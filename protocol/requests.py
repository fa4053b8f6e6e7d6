"""The messages of a client that are not commands: opening, rooms, queries.

All may have ``ref``, which is repeated in the answer.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from protocol.fields import (
    CommandId,
    Echo,
    EntranceCode,
    Epoch,
    Opaque,
    Ordinal,
    PageSize,
    Position,
    Ref,
    TraceParent,
    UserId,
)
from protocol.policy import PolicyPatch

#: Characters of a token; a longer one is an invalid token. Over a socket, a message has little room
#: for other fields; over HTTP, a request's header has half of that.
MAX_TOKEN = 16_384

#: A token is compared as it is: it is not normalised, nor searched for control characters.
Token = Annotated[
    str,
    Opaque(),
    # The length is published here and checked where tokens are: a longer one is an invalid token,
    # not a malformed message.
    msgspec.Meta(
        description=f"A JWT, {MAX_TOKEN:,} characters at most.",
        extra_json_schema={"maxLength": MAX_TOKEN},
    ),
]


#: Rooms that one `hello` may resume: the greatest value of `AYES_SUBSCRIPTIONS`. A longer list is
#: `bad_request`; rooms beyond `AYES_SUBSCRIPTIONS` are `limit_reached`, each on its own.
MAX_RESUMES = 10_000


class Request(msgspec.Struct, kw_only=True, tag_field="type", omit_defaults=True):
    """The fields that all requests have."""

    ref: Echo | None = None
    traceparent: TraceParent | None = None


class ClientInfo(msgspec.Struct, kw_only=True):
    """The client's own name, for logs and support only."""

    name: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    version: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class ResumePoint(msgspec.Struct, kw_only=True):
    """A room, and the position at which the client knows it."""

    event: Ref
    epoch: Epoch | None = None
    seq: Position | None = None


class Hello(Request, tag="hello", kw_only=True):
    """The first message: the user's token, and the rooms to resume."""

    token: Token | None = None
    client: ClientInfo | None = None
    resume: Annotated[list[ResumePoint], msgspec.Meta(max_length=MAX_RESUMES)] = []


class Auth(Request, tag="auth", kw_only=True):
    """A newer token for the open socket."""

    token: Token


class Ping(Request, tag="ping", kw_only=True):
    """Check the connection; answered by ``pong``."""


class Subscribe(Request, tag="subscribe", kw_only=True):
    """Enter a room; with ``epoch`` and ``seq``, resume from there."""

    event: Ref
    epoch: Epoch | None = None
    seq: Position | None = None


class Unsubscribe(Request, tag="unsubscribe", kw_only=True):
    """Leave a room; the membership in the event stays."""

    event: Ref


class CommandStatus(Request, tag="command.status", kw_only=True):
    """Ask what became of these commands of one's own."""

    event: Ref
    ids: Annotated[list[CommandId], msgspec.Meta(max_length=256)]


class EventsList(Request, tag="events.list", kw_only=True):
    """List one's own events, newest first; ``after`` is the ``next`` of the page before."""

    after: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    limit: PageSize = 50


class EventOverview(Request, tag="event.overview", kw_only=True):
    """Ask what an event is about, before joining it."""

    code: EntranceCode


class EventPreviewPolicy(Request, tag="event.preview_policy", kw_only=True):
    """Ask which pending proposals this policy would accept."""

    event: Ref
    policy: PolicyPatch


class History(Request, kw_only=True):
    """A page of older entries; ``before`` is the ``next`` of the page before."""

    event: Ref
    before: Ordinal | None = None
    limit: PageSize = 50


class CommentsList(History, tag="comments.list", kw_only=True):
    """List older comments, newest first."""


class ProposalsList(History, tag="proposals.list", kw_only=True):
    """List resolved proposals, last decided first."""


class PeopleList(History, kw_only=True):
    """A page of people. With ``search`` only those whose name or id has these words in it."""

    search: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None


class MembersList(PeopleList, tag="members.list", kw_only=True):
    """List all members, last joined first."""


class RequestsList(PeopleList, tag="requests.list", kw_only=True):
    """List all requests to join, newest first; for admins."""


class InvitationsList(PeopleList, tag="invitations.list", kw_only=True):
    """List all invitations, newest first; for admins. ``search`` looks at names and refs."""


class BallotsList(Request, tag="ballots.list", kw_only=True):
    """List who chose what, once an event whose ballot is ``named`` is finished.

    ``before`` is the ``next`` of the page before.
    """

    event: Ref
    before: UserId | None = None
    limit: PageSize = 50


class BallotReceipt(Request, tag="ballot.receipt", kw_only=True):
    """Ask for the proof that one's own ballot is in the journal."""

    event: Ref


class VotesList(Request, tag="votes.list", kw_only=True):
    """List who said what about a proposal whose votes are ``named``, once its tally is shown.

    ``before`` is the ``next`` of the page before.
    """

    event: Ref
    proposal: Ref
    before: UserId | None = None
    limit: PageSize = 50


class TurnoutList(Request, tag="turnout.list", kw_only=True):
    """List who took part in a proposal's votes or in the final ballot; for admins.

    Name a ``proposal``, or set ``ballot``. If a secret vote can only say agree, the list would show
    it: ``forbidden``. ``before`` is the ``next`` of the page before.
    """

    event: Ref
    proposal: Ref | None = None
    ballot: bool = False
    before: UserId | None = None
    limit: PageSize = 50


REQUESTS: tuple[type[Request], ...] = (
    Hello,
    Auth,
    Ping,
    Subscribe,
    Unsubscribe,
    CommandStatus,
    EventsList,
    EventOverview,
    EventPreviewPolicy,
    CommentsList,
    ProposalsList,
    MembersList,
    RequestsList,
    InvitationsList,
    BallotsList,
    BallotReceipt,
    VotesList,
    TurnoutList,
)

#: What only an open socket takes: over HTTP the token is in each request, and rooms are streams.
NOT_OVER_HTTP = (Auth, Subscribe, Unsubscribe)
