"""Every setting of the server, in one table: read once, frozen, printable with secrets masked.

A setting is given by its environment variable or by the flag of the same name
(``AYES_MESSAGE_BYTES``, ``--message-bytes``); the flag wins.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec

from persistence.embedded.postgres import default_data_dir
from persistence.event.limits import SETTABLE, DomainLimits
from protocol.commands import MAX_ITEMS, MAX_OPTIONS
from protocol.fields import TextLimits
from protocol.requests import MAX_RESUMES
from server.config import redis_url
from server.config.masking import MASK, fault_in_ports, mask_url
from server.config.urls import origin_of, url_fault

PREFIX = "AYES_"
#: HS256 keys shorter than its digest are refused (RFC 7518 3.2).
MIN_SECRET_BYTES = 32
#: Bytes read of the file that holds the secret: its first line, and no more of a wrong file.
MAX_SECRET_FILE_BYTES = 4_096


class SettingsError(Exception):
    """A setting is wrong; the message is fit to print to an operator."""


class Setting(NamedTuple):
    """How a setting is reason about."""

    help: str
    secret: bool = False
    least: int | None = None
    most: int | None = None


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the server runs with."""

    host: str = "127.0.0.1"
    port: int = 8400
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    data_dir: Path = msgspec.field(default_factory=default_data_dir)
    database_url: str | None = None
    database_connections: int = 10
    redis_url: str | None = None
    public_url: str | None = None
    allowed_origins: tuple[str, ...] = ()
    auth_secret: str | None = None
    auth_secret_file: Path | None = None
    auth_audience: str = "ayes"
    auth_issuer: str | None = None
    auth_jwks_url: str | None = None
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_scopes: str = "openid profile offline_access"
    heartbeat_ms: int = 20_000
    message_bytes: int = 65_536
    compression: str = "off"
    batch: int = 256
    inflight: int = 256
    subscriptions: int = 64
    commands_per_second: int = 200
    commands_burst: int = 1_000
    connections_per_user: int = 20
    connections_per_address: int = 0
    connections: int | None = None
    admissions_per_second: int = 1_000
    unauthenticated: int = 1_024
    churn_membership: int = 6
    churn_votes: int = 60
    churn_comments: int = 60
    user_bytes_per_day: int = 1 << 30
    resume_steps: int = 10_000
    hello_seconds: int = 10
    expiry_grace_seconds: int = 60
    drain_seconds: int = 10
    log_level: str = "info"
    subject_length: int = 200
    content_length: int = 2_000
    reason_length: int = 2_000
    comment_length: int = 2_000
    option_length: int = 200
    name_length: int = 100
    options: int = 20
    assumptions: int = 500
    criteria: int = 100
    pending_proposals: int = 1_000
    pending_per_author: int = 50
    withdrawn_per_author: int = 50
    requests: int = 3_000
    resolved_shown: int = 200
    comments_shown: int = 200
    members_shown: int = 500
    requests_shown: int = 200

    def texts(self) -> TextLimits:
        """The longest texts."""
        return TextLimits(
            **{name: getattr(self, f"{name}_length") for name in TextLimits.__struct_fields__}
        )

    def domain(self) -> DomainLimits:
        """The limits of events made from now on."""
        return DomainLimits(**{name: getattr(self, name) for name in SETTABLE})


SETTINGS: dict[str, Setting] = {
    "host": Setting("address to listen on"),
    "port": Setting("port to listen on; 0 takes a free one", least=0, most=65_535),
    "metrics_host": Setting("address that /metrics is at, if it has a port of its own"),
    "metrics_port": Setting(
        "port of its own for /metrics, which is not at the other one then; 0: none",
        least=0,
        most=65_535,
    ),
    "data_dir": Setting("where the embedded database and the made secret are kept"),
    "database_url": Setting("postgresql:// URL; without one, a private PostgreSQL is run"),
    "database_connections": Setting("connections to PostgreSQL", least=2, most=200),
    "redis_url": Setting(
        "redis://, rediss:// (TLS), redis+cluster:// or rediss+cluster:// URL; several servers "
        "need one between them"
    ),
    "public_url": Setting("address the server is reached at, where a proxy stands before it"),
    "allowed_origins": Setting("origins of pages that may connect, separated by commas"),
    "auth_secret": Setting(
        "HS256 secret of at least 32 bytes; made where none is given. Flags stand in the list of "
        "processes: give it by the environment, or by a file",
        True,
    ),
    "auth_secret_file": Setting("file that holds the secret instead, on its first line"),
    "auth_audience": Setting("audiences (aud), separated by commas; a token must name one"),
    "auth_issuer": Setting("issuer (iss) that a token must name, if any"),
    "auth_jwks_url": Setting("https URL of the issuer's public keys (JWKS): RS256, ES256, EdDSA"),
    "oidc_issuer": Setting("https URL of the OpenID Connect provider that people sign in with"),
    "oidc_client_id": Setting("what the page is called there: a public client, no secret"),
    "oidc_scopes": Setting("what the page asks of it; scopes it does not know are left out"),
    "heartbeat_ms": Setting("milliseconds between heartbeats", least=100, most=600_000),
    "message_bytes": Setting("bytes of a frame", least=1_024, most=1_000_000),
    "compression": Setting(
        "on: what rooms say is compressed for clients that offer permessage-deflate; off"
    ),
    "batch": Setting("messages of a frame", least=1, most=10_000),
    "inflight": Setting("unanswered messages of a socket", least=1, most=10_000),
    "subscriptions": Setting("rooms a socket may be in", least=1, most=MAX_RESUMES),
    "commands_per_second": Setting("messages a second of a socket", least=1, most=1_000_000),
    "commands_burst": Setting("messages at once beyond that", least=1, most=1_000_000),
    "connections_per_user": Setting("sockets of one user", least=1, most=100_000),
    "connections_per_address": Setting(
        "sockets of one address (IPv6: of its /64); 0: any", least=0, most=1_000_000
    ),
    "connections": Setting(
        "sockets in all; without it 20,000, or nine tenths of the file limit",
        least=1,
        most=1_000_000,
    ),
    "admissions_per_second": Setting("new sockets a second", least=1_000, most=1_000_000),
    "unauthenticated": Setting(
        "sockets that have not said hello; the address that has most gives way",
        least=1,
        most=1_000_000,
    ),
    "churn_membership": Setting(
        "times a minute, and at once, that a user joins, cancels or leaves in one event; 0: any",
        least=0,
        most=100_000,
    ),
    "churn_votes": Setting(
        "times a minute, and at once, that a user casts or retracts on one proposal; 0: any",
        least=0,
        most=100_000,
    ),
    "churn_comments": Setting(
        "times a minute, and at once, that a user adds, edits or removes comments in one event; "
        "0: any",
        least=0,
        most=100_000,
    ),
    "user_bytes_per_day": Setting(
        "bytes of commands that a user may have decided in a day; 0: any",
        least=0,
        most=1 << 50,
    ),
    "resume_steps": Setting("steps a client may be behind and still resume", least=0, most=100_000),
    "hello_seconds": Setting("seconds to say hello in", least=1, most=600),
    "expiry_grace_seconds": Setting(
        "seconds that an expired token still holds its socket open", least=0, most=3_600
    ),
    "drain_seconds": Setting("seconds over which clients are sent away", least=0, most=600),
    "log_level": Setting("debug, info, warning or error"),
    "subject_length": Setting("characters of a subject", least=1, most=10_000),
    "content_length": Setting("characters of an item or proposal", least=1, most=100_000),
    "reason_length": Setting("characters of a reason", least=1, most=100_000),
    "comment_length": Setting("characters of a comment", least=1, most=100_000),
    "option_length": Setting("characters of an option", least=1, most=10_000),
    "name_length": Setting("characters of a user's name", least=1, most=1_000),
    "options": Setting("options of an event", least=1, most=MAX_OPTIONS),
    "assumptions": Setting("assumptions of an event", least=1, most=MAX_ITEMS),
    "criteria": Setting("criteria of an event", least=1, most=MAX_ITEMS),
    "pending_proposals": Setting("pending proposals of an event", least=1, most=100_000),
    "pending_per_author": Setting("pending proposals of one author", least=1, most=100_000),
    "withdrawn_per_author": Setting(
        "withdrawn proposals of one author that a room shows; beyond, no new ones are taken",
        least=1,
        most=100_000,
    ),
    "requests": Setting(
        "pending requests to join an event, beyond its `max_members`", least=0, most=100_000
    ),
    "resolved_shown": Setting("resolved proposals a room shows", least=1, most=10_000),
    "comments_shown": Setting("comments a room shows", least=1, most=10_000),
    "members_shown": Setting("members, beside admins, a room shows", least=1, most=10_000),
    "requests_shown": Setting("pending requests to join a room shows", least=1, most=10_000),
}
_HINTS = get_type_hints(Settings)
assert list(SETTINGS) == list(Settings.__struct_fields__)

_LEVELS = ("debug", "info", "warning", "error")


def load(flags: Mapping[str, str | None] | None = None) -> Settings:
    """The settings from the environment and ``flags`` (name → text); raises ``SettingsError``."""
    given: dict[str, Any] = {}
    for name in SETTINGS:
        text = (flags or {}).get(name)
        if text is None:
            text = os.environ.get(PREFIX + name.upper())
        if text is not None and text != "":
            given[name] = _parse(name, text)
    if (file := given.get("auth_secret_file")) is not None:
        if "auth_secret" in given:
            raise SettingsError("AYES_AUTH_SECRET and AYES_AUTH_SECRET_FILE are two; give one")
        given["auth_secret"] = _first_line(file)
    settings = Settings(**given)
    _check(settings)
    return settings


def _parse(name: str, text: str) -> Any:
    hint = _HINTS[name]
    if hint in (int, int | None):
        return _integer(name, text)
    if hint in (Path, Path | None):
        return Path(text).expanduser().absolute()
    if get_origin(hint) is tuple:
        assert get_args(hint)[0] is str
        return tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    return text


def _first_line(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            text = opened.read(MAX_SECRET_FILE_BYTES).partition(b"\n")[0].decode().strip()
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "it is no text"
        raise SettingsError(f"AYES_AUTH_SECRET_FILE: {file} cannot be read: {reason}") from None
    if not text:
        raise SettingsError(f"AYES_AUTH_SECRET_FILE: {file} is empty")
    return text


def _integer(name: str, text: str) -> int:
    rule = SETTINGS[name]
    try:
        number = int(text)
    except ValueError:
        raise SettingsError(f"{PREFIX}{name.upper()}: {text!r} is no whole number") from None
    if (rule.least is not None and number < rule.least) or (
        rule.most is not None and number > rule.most
    ):
        raise SettingsError(
            f"{PREFIX}{name.upper()}: {number} is not between {rule.least} and {rule.most}"
        )
    return number


def _check(settings: Settings) -> None:
    secret = settings.auth_secret
    if secret is not None and len(secret.encode()) < MIN_SECRET_BYTES:
        raise SettingsError(
            f"AYES_AUTH_SECRET has {len(secret.encode())} bytes; at least {MIN_SECRET_BYTES} "
            "are needed (try: openssl rand -base64 32)"
        )
    for origin in settings.allowed_origins:
        if origin_of(origin) is None or urlsplit(origin).path or "@" in origin:
            raise SettingsError(
                f"AYES_ALLOWED_ORIGINS: {mask_url(origin)!r} is no origin (https://host, "
                "https://host:port)"
            )
    if not any(name.strip() for name in settings.auth_audience.split(",")):
        raise SettingsError("AYES_AUTH_AUDIENCE names no audience")
    if settings.metrics_port and settings.metrics_port == settings.port:
        raise SettingsError("AYES_METRICS_PORT must be another port than AYES_PORT")
    jwks_url = settings.auth_jwks_url
    if jwks_url is not None and (fault := url_fault(jwks_url)) is not None:
        raise SettingsError(f"AYES_AUTH_JWKS_URL {fault}")
    _check_oidc(settings)
    url = settings.database_url
    if url is not None:
        if url.partition("://")[0].lower() not in ("postgresql", "postgres"):
            raise SettingsError("AYES_DATABASE_URL must begin with postgresql://")
        _check_authority("AYES_DATABASE_URL", url)
    if settings.redis_url is not None:
        _check_authority("AYES_REDIS_URL", settings.redis_url)
        fault = redis_url.fault_in(settings.redis_url)
        if fault is not None:
            raise SettingsError(f"AYES_REDIS_URL {fault}")
    if settings.compression not in ("on", "off"):
        raise SettingsError(f"AYES_COMPRESSION: {settings.compression!r} is neither on nor off")
    if settings.log_level not in _LEVELS:
        raise SettingsError(f"AYES_LOG_LEVEL: {settings.log_level!r} is none of {_LEVELS}")


def _check_authority(variable: str, url: str) -> None:
    """Refuse what no driver can read: their own errors would quote parts of the password."""
    try:
        urlsplit(url)
        is_wrong = fault_in_ports(url)
    except ValueError:
        is_wrong = True
    if is_wrong:
        raise SettingsError(
            f"{variable} names a port that is no number, or no host; in a user or a password write "
            "%2F for a slash, %3F for ?, %23 for #, %40 for @, %3A for a colon"
        )


def _check_oidc(settings: Settings) -> None:
    issuer, client = settings.oidc_issuer, settings.oidc_client_id
    if issuer is None and client is None:
        return
    if issuer is None or client is None:
        raise SettingsError("AYES_OIDC_ISSUER and AYES_OIDC_CLIENT_ID are set together, or neither")
    if (fault := url_fault(issuer)) is not None:
        raise SettingsError(f"AYES_OIDC_ISSUER {fault}")
    if urlsplit(issuer).query or urlsplit(issuer).fragment or "?" in issuer:
        # OpenID Connect Discovery 1.0, 3: scheme, host, and a path at most.
        raise SettingsError(f"AYES_OIDC_ISSUER: {mask_url(issuer)!r} has a query or a fragment")
    if not client.isascii() or not client.isprintable():
        raise SettingsError("AYES_OIDC_CLIENT_ID: only printable ASCII (RFC 6749, appendix A)")
    if "openid" not in settings.oidc_scopes.split():
        raise SettingsError("AYES_OIDC_SCOPES must hold openid, or there is no ID token")


def printable(settings: Settings) -> dict[str, str]:
    """Environment variable → value, secrets and passwords masked."""
    shown = {}
    for name, rule in SETTINGS.items():
        value = getattr(settings, name)
        text = "" if value is None else ",".join(value) if isinstance(value, tuple) else str(value)
        if rule.secret and text:
            text = MASK
        elif isinstance(value, tuple):
            text = ",".join(map(mask_url, value))
        elif "://" in text or "@" in text:
            text = mask_url(text)
        shown[PREFIX + name.upper()] = text
    return shown
