"""What a client sends that is no command: opening, rooms, questions.

All may carry ``ref``, which is echoed in the answer.
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
)
from protocol.policy import PolicyPatch

#: Characters of a token. A longer one is no valid token: over a socket a message has one field
#: beside it, over HTTP a request's header holds half of that.
MAX_TOKEN = 16_384

#: Looked at as it is: a token is never brought to NFC, nor searched for control characters.
Token = Annotated[
    str,
    Opaque(),
    # Published, and checked where tokens are: a longer one is a bad token, not a malformed message.
    msgspec.Meta(
        description=f"A JWT, {MAX_TOKEN:,} characters at most.",
        extra_json_schema={"maxLength": MAX_TOKEN},
    ),
]


#: Rooms that one `hello` may resume: what `AYES_SUBSCRIPTIONS` may be set to at most. A longer list
#: is `bad_request`; rooms beyond `AYES_SUBSCRIPTIONS` are `limit_reached`, each on its own.
MAX_RESUMES = 10_000


class Request(msgspec.Struct, kw_only=True, tag_field="type", omit_defaults=True):
    """What all requests may carry."""

    ref: Echo | None = None


class ClientInfo(msgspec.Struct, kw_only=True):
    """What the client calls itself; for logs and support only."""

    name: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    version: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class ResumePoint(msgspec.Struct, kw_only=True):
    """A room and how far the client knows it."""

    event: Ref
    epoch: Epoch | None = None
    seq: Position | None = None


class Hello(Request, tag="hello", kw_only=True):
    """The first message: who is there, and which rooms to go on with."""

    token: Token | None = None
    client: ClientInfo | None = None
    resume: Annotated[list[ResumePoint], msgspec.Meta(max_length=MAX_RESUMES)] = []


class Auth(Request, tag="auth", kw_only=True):
    """A newer token for the open socket."""

    token: Token


class Ping(Request, tag="ping", kw_only=True):
    """Are you there? Answered by ``pong``."""


class Subscribe(Request, tag="subscribe", kw_only=True):
    """Enter a room; with ``epoch`` and ``seq``, go on from there."""

    event: Ref
    epoch: Epoch | None = None
    seq: Position | None = None


class Unsubscribe(Request, tag="unsubscribe", kw_only=True):
    """Leave a room, not the event."""

    event: Ref


class CommandStatus(Request, tag="command.status", kw_only=True):
    """What became of these commands of mine?"""

    event: Ref
    ids: Annotated[list[CommandId], msgspec.Meta(max_length=256)]


class EventsList(Request, tag="events.list", kw_only=True):
    """My events, the newest first; ``after`` is the last page's ``next``."""

    after: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    limit: PageSize = 50


class EventOverview(Request, tag="event.overview", kw_only=True):
    """What an event is about, before joining it."""

    code: EntranceCode


class EventPreviewPolicy(Request, tag="event.preview_policy", kw_only=True):
    """Which pending proposals would this policy accept?"""

    event: Ref
    policy: PolicyPatch


class History(Request, kw_only=True):
    """A page of what is older than the room shows; ``before`` is the last page's ``next``."""

    event: Ref
    before: Ordinal | None = None
    limit: PageSize = 50


class CommentsList(History, tag="comments.list", kw_only=True):
    """Older comments, the newest first."""


class ProposalsList(History, tag="proposals.list", kw_only=True):
    """Resolved proposals, the last decided first."""


class MembersList(History, tag="members.list", kw_only=True):
    """All members, the last to join first."""


class RequestsList(History, tag="requests.list", kw_only=True):
    """All requests to join, the last to ask first; for admins."""


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
)
