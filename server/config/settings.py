"""Every setting of the server, in one table: type, meaning, range and default.

A setting is given by its environment variable or by the flag of the same name
(``AYES_MESSAGE_BYTES``, ``--message-bytes``). ``server/config/loading.py`` reads and checks them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple, get_type_hints

import msgspec

from persistence.embedded.postgres import default_data_dir
from persistence.event.limits import SETTABLE, DomainLimits
from protocol.commands import MAX_ITEMS, MAX_OPTIONS
from protocol.fields import TextLimits
from protocol.requests import MAX_RESUMES

PREFIX = "AYES_"

_LIMITS = DomainLimits()
_TEXTS = TextLimits()


class Setting(NamedTuple):
    """The description of a setting, and the range of its number."""

    help: str
    min: int | None = None
    max: int | None = None
    secret: bool = False


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The values that a server runs with."""

    host: Annotated[str, Setting("address to listen on")] = "127.0.0.1"
    port: Annotated[int, Setting("port to listen on; 0: any free port", 0, 65_535)] = 8400
    metrics_host: Annotated[str, Setting("address of /metrics, if it has its own port")] = (
        "127.0.0.1"
    )
    metrics_port: Annotated[
        int, Setting("port for /metrics alone, which then leaves the main port; 0: none", 0, 65_535)
    ] = 0
    data_dir: Annotated[
        Path, Setting("folder of the embedded database and the generated secret")
    ] = msgspec.field(default_factory=default_data_dir)
    database_url: Annotated[
        str | None, Setting("postgresql:// URL; without one, a private PostgreSQL is run")
    ] = None
    database_connections: Annotated[int, Setting("connections to PostgreSQL", 2, 200)] = 10
    redis_url: Annotated[
        str | None,
        Setting(
            "redis://, rediss:// (TLS), redis+cluster:// or rediss+cluster:// URL; several servers "
            "need one between them"
        ),
    ] = None
    forward: Annotated[
        str,
        Setting("on: one node decides an event's commands while several nodes use it; off"),
    ] = "on"
    processes: Annotated[
        int,
        Setting(
            "server processes that share the port; more than one need a Redis between them, and "
            "run one of their own if none is given",
            1,
            16,
        ),
    ] = 1
    public_url: Annotated[
        str | None, Setting("address of the server as clients see it, if a proxy is in front")
    ] = None
    allowed_origins: Annotated[
        tuple[str, ...], Setting("origins of pages that may connect, separated by commas")
    ] = ()
    frame_ancestors: Annotated[
        tuple[str, ...],
        Setting("origins of pages that may show this page in a frame, separated by commas"),
    ] = ()
    help_url: Annotated[
        str | None,
        Setting("address of your help or of a copy of the documentation: the page links to it"),
    ] = None
    auth_secret: Annotated[
        str | None,
        Setting(
            "HS256 secret of at least 32 bytes; generated if none is given. Flags are visible in "
            "the list of processes: give it by the environment or by a file",
            secret=True,
        ),
    ] = None
    auth_secret_file: Annotated[
        Path | None, Setting("file whose first line is the secret, in place of AYES_AUTH_SECRET")
    ] = None
    auth_audience: Annotated[
        str, Setting("audiences (aud), separated by commas; a token must name one of them")
    ] = "ayes"
    auth_issuer: Annotated[str | None, Setting("issuer (iss) that a token must name")] = None
    auth_jwks_url: Annotated[
        str | None, Setting("https URL of the issuer's public keys (JWKS): RS256, ES256, EdDSA")
    ] = None
    oidc_issuer: Annotated[
        str | None, Setting("https URL of the OpenID Connect provider that people sign in with")
    ] = None
    oidc_client_id: Annotated[
        str | None, Setting("the page's client id at the provider: a public client, no secret")
    ] = None
    oidc_scopes: Annotated[
        str, Setting("scopes that the page asks for; those the provider does not list are left out")
    ] = "openid profile offline_access"
    admin_token: Annotated[
        str | None,
        Setting(
            "token of at least 32 bytes for /admin and ayes admin; without one there is neither. "
            "Give it by the environment or by a file",
            secret=True,
        ),
    ] = None
    admin_token_file: Annotated[
        Path | None, Setting("file whose first line is the token, in place of AYES_ADMIN_TOKEN")
    ] = None
    export_dir: Annotated[
        Path | None,
        Setting(
            "folder that is kept, for the exports of events that admins delete at /admin or by "
            "ayes admin delete; without one they delete none"
        ),
    ] = None
    heartbeat_ms: Annotated[int, Setting("milliseconds between heartbeats", 100, 600_000)] = 20_000
    message_bytes: Annotated[int, Setting("bytes of a frame", 1_024, 1_000_000)] = 65_536
    compression: Annotated[
        str, Setting("on: compress rooms for clients that offer permessage-deflate; off")
    ] = "off"
    guests: Annotated[
        str, Setting("on: people without an account may join events whose policy has guests; off")
    ] = "off"
    batch: Annotated[int, Setting("messages of a frame", 1, 10_000)] = 256
    inflight: Annotated[int, Setting("unanswered messages of a socket", 1, 10_000)] = 256
    subscriptions: Annotated[int, Setting("rooms a socket may be in", 1, MAX_RESUMES)] = 64
    commands_per_second: Annotated[int, Setting("messages a second of a socket", 1, 1_000_000)] = (
        200
    )
    commands_burst: Annotated[int, Setting("messages at once beyond that", 1, 1_000_000)] = 1_000
    connections_per_user: Annotated[
        int, Setting("sockets of one user, over all nodes", 1, 100_000)
    ] = 20
    connections_per_address: Annotated[
        int, Setting("sockets of one address (IPv6: of its /64); 0: no limit", 0, 1_000_000)
    ] = 0
    connections: Annotated[
        int | None,
        Setting(
            "sockets in all; without it 20,000, or nine tenths of the file limit", 1, 1_000_000
        ),
    ] = None
    admissions_per_second: Annotated[int, Setting("new sockets a second", 1_000, 1_000_000)] = 1_000
    unauthenticated: Annotated[
        int,
        Setting(
            "sockets without a hello; beyond, the address with most of them loses one", 1, 1_000_000
        ),
    ] = 1_024
    churn_membership: Annotated[
        int,
        Setting(
            "joins, cancellations and leaves of a user in one event, a minute and at once; "
            "0: no limit",
            0,
            100_000,
        ),
    ] = 6
    churn_votes: Annotated[
        int,
        Setting(
            "casts and retractions of a user on one proposal, a minute and at once; 0: no limit",
            0,
            100_000,
        ),
    ] = 60
    churn_comments: Annotated[
        int,
        Setting(
            "comments that a user adds, edits or removes in one event, a minute and at once; "
            "0: no limit",
            0,
            100_000,
        ),
    ] = 60
    user_bytes_per_day: Annotated[
        int, Setting("bytes of decided commands of a user in a day; 0: no limit", 0, 1 << 50)
    ] = 1 << 30
    resume_steps: Annotated[
        int, Setting("steps a client may be behind and still resume", 0, 100_000)
    ] = 10_000
    hello_seconds: Annotated[int, Setting("seconds within which hello must come", 1, 600)] = 10
    expiry_grace_seconds: Annotated[
        int, Setting("seconds that a socket stays open after its token expired", 0, 3_600)
    ] = 60
    drain_seconds: Annotated[int, Setting("seconds over which clients are sent away", 0, 600)] = 10
    log_level: Annotated[str, Setting("debug, info, warning or error")] = "info"
    log_format: Annotated[str, Setting("text, or json: one object a line")] = "text"
    traces: Annotated[
        str, Setting("on: export OpenTelemetry traces, with the extra `ayes[otel]`; off")
    ] = "off"
    subject_length: Annotated[int, Setting("characters of a subject", 1, 10_000)] = _TEXTS.subject
    content_length: Annotated[int, Setting("characters of an item or proposal", 1, 100_000)] = (
        _TEXTS.content
    )
    reason_length: Annotated[int, Setting("characters of a reason", 1, 100_000)] = _TEXTS.reason
    comment_length: Annotated[int, Setting("characters of a comment", 1, 100_000)] = _TEXTS.comment
    option_length: Annotated[int, Setting("characters of an option", 1, 10_000)] = _TEXTS.option
    name_length: Annotated[int, Setting("characters of a user's name", 1, 1_000)] = _TEXTS.name
    options: Annotated[int, Setting("options of an event", 1, MAX_OPTIONS)] = _LIMITS.options
    assumptions: Annotated[int, Setting("assumptions of an event", 1, MAX_ITEMS)] = (
        _LIMITS.assumptions
    )
    criteria: Annotated[int, Setting("criteria of an event", 1, MAX_ITEMS)] = _LIMITS.criteria
    pending_proposals: Annotated[int, Setting("pending proposals of an event", 1, 100_000)] = (
        _LIMITS.pending_proposals
    )
    pending_per_author: Annotated[int, Setting("pending proposals of one author", 1, 100_000)] = (
        _LIMITS.pending_per_author
    )
    withdrawn_per_author: Annotated[
        int,
        Setting(
            "withdrawn proposals of one author that a room shows; beyond, new ones are refused",
            1,
            100_000,
        ),
    ] = _LIMITS.withdrawn_per_author
    requests: Annotated[
        int, Setting("pending requests to join an event, beyond its `max_members`", 0, 100_000)
    ] = _LIMITS.requests
    resolved_shown: Annotated[int, Setting("resolved proposals a room shows", 1, 10_000)] = (
        _LIMITS.resolved_shown
    )
    comments_shown: Annotated[int, Setting("comments a room shows", 1, 10_000)] = (
        _LIMITS.comments_shown
    )
    members_shown: Annotated[int, Setting("members, besides admins, a room shows", 1, 10_000)] = (
        _LIMITS.members_shown
    )
    requests_shown: Annotated[int, Setting("pending requests to join a room shows", 1, 10_000)] = (
        _LIMITS.requests_shown
    )
    invitations_shown: Annotated[int, Setting("invitations a room shows admins", 1, 10_000)] = (
        _LIMITS.invitations_shown
    )

    def texts(self) -> TextLimits:
        """Return the limits on texts."""
        return TextLimits(
            **{name: getattr(self, f"{name}_length") for name in TextLimits.__struct_fields__}
        )

    def domain(self) -> DomainLimits:
        """Return the limits of events that are made from now on."""
        return DomainLimits(**{name: getattr(self, name) for name in SETTABLE})


#: Every setting by its name, in the order of the table.
SETTINGS: dict[str, Setting] = {
    name: hint.__metadata__[0]
    for name, hint in get_type_hints(Settings, include_extras=True).items()
}
