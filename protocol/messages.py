"""The messages that the server sends about the connection, commands and rooms.

One class per ``type``. The answers to queries are in ``protocol/replies``, with the list of all
messages. These classes describe the wire for readers and for the published schema, and decode
messages in tests and clients. The server itself encodes with ``protocol/answers``. A client must
ignore fields and messages that it does not know.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from protocol.closes import CloseCode
from protocol.commands import Role
from protocol.errors import Effect, ErrorCode, Retry
from protocol.fields import CommandId, Echo, Epoch, MaxMembers, Ordinal, Position, UserId, Version
from protocol.results import RESULTS
from protocol.state import (
    AdminState,
    ApplicantState,
    Count,
    EventId,
    EventStatus,
    InvitationStatus,
    MembershipStatus,
    MemberState,
    ProposalStatus,
    Resolution,
    Time,
    You,
)


class AnyOf(NamedTuple):
    """Marks a field that has one of several objects; the client knows which one it asked for."""

    kinds: tuple[type[msgspec.Struct], ...]


class PatchOf(NamedTuple):
    """Marks a field that has a JSON Merge Patch (RFC 7396) on an object of ``kind``."""

    kind: type[msgspec.Struct]
    name: str


Milliseconds = Annotated[int, Meta(ge=0)]
Hash = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z", description="SHA-256, in lower-case hex.")]
State = Annotated[dict[str, Any], AnyOf((MemberState, AdminState, ApplicantState))]
#: The admins' state is the widest; other audiences see parts of it.
StatePatch = Annotated[dict[str, Any], PatchOf(AdminState, "StatePatch")]
YouPatch = Annotated[dict[str, Any], PatchOf(You, "YouPatch")]
SnapshotReason: TypeAlias = Literal["initial", "gap", "epoch", "ahead", "lag", "role"]
EndReason: TypeAlias = Literal["client", "removed", "left", "revoked"]


class Said(msgspec.Struct, kw_only=True, tag_field="type", omit_defaults=True):
    """A message sent by the server."""


class Reply(Said, kw_only=True):
    """The answer to a request; repeats its ``ref``."""

    ref: Echo | UnsetType = UNSET


# Connection.


class WelcomeUser(msgspec.Struct, kw_only=True):
    """The user that the token names."""

    id: UserId
    name: str


class Limits(msgspec.Struct, kw_only=True):
    """The limits of one socket.

    ``message_bytes``: bytes of a frame. ``batch``: messages in a frame. ``inflight``: unanswered
    messages. ``subscriptions``: rooms at a time. ``commands_per_second``: the rate of commands;
    ``burst``: how many may exceed it.
    """

    message_bytes: Count
    batch: Count
    inflight: Count
    subscriptions: Count
    commands_per_second: Count
    burst: Count


class ServerInfo(msgspec.Struct, kw_only=True):
    """The version of the server, and of the protocol that it implements."""

    version: str
    protocol: str


class Welcome(Reply, tag="welcome", kw_only=True):
    """The answer to ``hello``: the socket is open. A heartbeat follows every ``heartbeat_ms``."""

    session: str
    user: WelcomeUser
    time: Time
    heartbeat_ms: Milliseconds
    limits: Limits
    server: ServerInfo


class Authenticated(Reply, tag="authenticated", kw_only=True):
    """The answer to ``auth``: the token was renewed, and is valid until ``expires``."""

    expires: Time


class Pong(Reply, tag="pong", kw_only=True):
    """The answer to ``ping``."""

    time: Time


class Heartbeat(Said, tag="heartbeat", kw_only=True):
    """The connection is alive. ``positions``: subscribed event → epoch and ``seq`` of its room."""

    time: Time
    positions: dict[EventId, tuple[Epoch, Position]]


class Bye(Said, tag="bye", kw_only=True):
    """A close with ``code`` follows; come back after ``retry_after_ms``."""

    code: CloseCode
    retry_after_ms: Milliseconds
    message: str


# Commands.


class Ack(Said, tag="ack", kw_only=True):
    """A command was decided, and is durable.

    ``seq`` is its position in the event's journal, and ``hash`` seals that entry. ``applied`` is
    false if there was nothing to change. ``replayed``: this id was answered before, with this ack.
    """

    id: CommandId
    event: EventId
    seq: Position
    hash: Hash
    applied: bool
    replayed: bool
    result: Annotated[dict[str, Any], AnyOf(tuple(dict.fromkeys(RESULTS.values())))]


class ErrorDetails(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The details that a client needs to continue.

    ``path``: the wrong field. ``current``: the current version or number. ``status``,
    ``resolution``, ``by``, ``at``, ``seq``: how it was decided before. ``limit``: the limit that is
    reached; ``name``: that limit, by the name of its setting. ``character``: a character that the
    text may not contain, as ``U+0007``; then ``at`` is the number of characters before it.
    ``time``: the database's clock, if a command came too late.
    """

    path: str | UnsetType = UNSET
    current: Version | UnsetType = UNSET
    status: EventStatus | MembershipStatus | ProposalStatus | InvitationStatus | UnsetType = UNSET
    resolution: Resolution | UnsetType = UNSET
    user: UserId | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    by: UserId | UnsetType = UNSET
    at: Time | Ordinal | UnsetType = UNSET
    seq: Position | UnsetType = UNSET
    character: Annotated[str, Meta(pattern=r"\AU\+[0-9A-F]{4,6}\Z")] | UnsetType = UNSET
    limit: Count | UnsetType = UNSET
    name: str | UnsetType = UNSET
    max_members: MaxMembers | UnsetType = UNSET
    time: Time | UnsetType = UNSET


class Error(Said, tag="error", kw_only=True):
    """Error reply to a command or request.

    ``id`` or ``ref`` is that of the message it answers, if that could be read. ``effect`` says
    whether anything happened. ``retry`` says what to send next: the ``same`` id again (after
    ``retry_after_ms``), a new id after a ``fix``, the same id after a new token (``auth``), or
    nothing (``no``). ``replayed``: this id was refused before, with this error.
    """

    id: str | UnsetType = UNSET
    ref: Annotated[str, Meta(max_length=64)] | int | UnsetType = UNSET
    event: str | UnsetType = UNSET
    code: ErrorCode
    message: str
    effect: Effect
    retry: Retry
    retry_after_ms: Milliseconds | UnsetType = UNSET
    replayed: bool | UnsetType = UNSET
    details: ErrorDetails


# Rooms.


class Snapshot(Reply, tag="snapshot", kw_only=True):
    """The whole room at ``seq``, and the reason why it is sent whole."""

    event: EventId
    epoch: Epoch
    seq: Position
    reason: SnapshotReason
    state: State
    you: You


class Resumed(Reply, tag="resumed", kw_only=True):
    """The steps from the client's position to ``seq``, as one patch on ``state``."""

    event: EventId
    epoch: Epoch
    from_: Position = msgspec.field(name="from")
    seq: Position
    patch: StatePatch
    you: You


class Diff(Said, tag="diff", kw_only=True):
    """The steps after ``from`` up to ``seq``, as one patch on ``state``; always whole steps.

    Apply it only if ``from`` is the client's own position. The patch is empty if the steps changed
    nothing that this client may see.
    """

    event: EventId
    epoch: Epoch
    from_: Position = msgspec.field(name="from")
    seq: Position
    patch: StatePatch


class OwnDiff(Said, tag="you", kw_only=True):
    """A patch on ``you``, as of ``seq``."""

    event: EventId
    seq: Position
    patch: YouPatch


class Unsubscribed(Reply, tag="unsubscribed", kw_only=True):
    """No further message of this room follows; ``reason`` says why."""

    event: EventId
    reason: EndReason


class Presence(Said, tag="presence", kw_only=True):
    """The number of members who are connected now."""

    event: EventId
    online: Count
