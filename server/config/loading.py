"""Read the settings from flags and environment, check them, and print them with secrets masked."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from server.config import redis_url
from server.config.masking import MASK, fault_in_ports, mask_url
from server.config.settings import PREFIX, SETTINGS, Settings
from server.config.urls import origin_of, url_fault

#: Bytes of an HS256 key, as long as its digest; a shorter one is refused (RFC 7518 3.2).
MIN_SECRET_BYTES = 32
#: Bytes that are read of the file with the secret. Its first line is far shorter; a wrong file
#: costs no more memory than this.
MAX_SECRET_FILE_BYTES = 4_096

_HINTS = get_type_hints(Settings)
#: The variables of a service called ``ayes`` have the names of settings.
_SERVICE = " (Kubernetes sets it for a service called ayes: set enableServiceLinks: false)"
#: Settings that are on or off.
_SWITCHES = ("compression", "forward", "guests", "traces")
_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(Exception):
    """A setting is wrong. The message can be shown to the operator."""


def load(flags: Mapping[str, str | None] | None = None) -> Settings:
    """Read and check the settings. ``flags`` (name → text) win over the environment.

    Raises ``SettingsError``.
    """
    given: dict[str, Any] = {}
    for name in SETTINGS:
        text = (flags or {}).get(name)
        if text is None:
            text = os.environ.get(PREFIX + name.upper())
        if text is not None and not SETTINGS[name].secret:
            # A carriage return at the end of a line, a blank after a comma: no part of the value.
            text = text.strip()
        if text:
            given[name] = _parse(name, text)
    for name in ("auth_secret", "admin_token"):
        if (file := given.get(f"{name}_file")) is not None:
            variable = PREFIX + name.upper()
            if name in given:
                raise SettingsError(f"{variable} and {variable}_FILE exclude each other; give one")
            given[name] = _first_line(f"{variable}_FILE", file)
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


def _first_line(variable: str, file: Path) -> str:
    try:
        with file.open("rb") as opened:
            text = opened.read(MAX_SECRET_FILE_BYTES).partition(b"\n")[0].decode().strip()
    except (OSError, UnicodeDecodeError) as err:
        reason = err.strerror if isinstance(err, OSError) else "it is not text"
        raise SettingsError(f"{variable}: {file} cannot be read: {reason}") from None
    if not text:
        raise SettingsError(f"{variable}: {file} is empty")
    return text


def _integer(name: str, text: str) -> int:
    rule = SETTINGS[name]
    try:
        number = int(text)
    except ValueError:
        raise SettingsError(
            f"{PREFIX}{name.upper()}: {text!r} is no whole number{_SERVICE * ('://' in text)}"
        ) from None
    if (rule.min is not None and number < rule.min) or (rule.max is not None and number > rule.max):
        raise SettingsError(
            f"{PREFIX}{name.upper()}: {number} is not between {rule.min} and {rule.max}"
        )
    return number


def _check(settings: Settings) -> None:
    for name in ("auth_secret", "admin_token"):
        secret: str | None = getattr(settings, name)
        if secret is not None and len(secret.encode()) < MIN_SECRET_BYTES:
            raise SettingsError(
                f"{PREFIX}{name.upper()} has {len(secret.encode())} bytes; at least "
                f"{MIN_SECRET_BYTES} are needed (try: openssl rand -base64 32)"
            )
    if settings.admin_token is not None and settings.admin_token == settings.auth_secret:
        raise SettingsError("AYES_ADMIN_TOKEN must not be AYES_AUTH_SECRET, which makes tokens")
    if settings.processes > 1 and sys.platform == "win32":
        raise SettingsError("AYES_PROCESSES: several processes cannot share a port on Windows")
    for name in ("allowed_origins", "frame_ancestors"):
        origins: tuple[str, ...] = getattr(settings, name)
        for origin in origins:
            if not _is_origin(origin):
                raise SettingsError(
                    f"{PREFIX}{name.upper()}: {mask_url(origin)!r} is no origin (https://host, "
                    "https://host:port)"
                )
    if not any(name.strip() for name in settings.auth_audience.split(",")):
        raise SettingsError("AYES_AUTH_AUDIENCE names no audience")
    if settings.metrics_port and settings.metrics_port == settings.port:
        raise SettingsError("AYES_METRICS_PORT must be another port than AYES_PORT")
    if settings.help_url is not None and not _is_web_address(settings.help_url):
        raise SettingsError("AYES_HELP_URL is no web address (https://host/path)")
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
    for name in _SWITCHES:
        if (value := getattr(settings, name)) not in ("on", "off"):
            raise SettingsError(f"{PREFIX}{name.upper()}: {value!r} is neither on nor off")
    if settings.public_url is not None and not _is_page(settings.public_url):
        raise SettingsError(
            f"AYES_PUBLIC_URL: {mask_url(settings.public_url)!r} is no address of a page "
            "(https://host, https://host/path)"
        )
    if settings.log_format not in ("text", "json"):
        raise SettingsError(f"AYES_LOG_FORMAT: {settings.log_format!r} is neither text nor json")
    if settings.log_level not in _LEVELS:
        raise SettingsError(f"AYES_LOG_LEVEL: {settings.log_level!r} is none of {_LEVELS}")


def _check_authority(variable: str, url: str) -> None:
    """Refuse a URL that no driver can parse: their errors would quote parts of the password."""
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


def _is_web_address(text: str) -> bool:
    """Return whether a page may link to ``text``: no script, and no password."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    is_plain = text.isprintable() and " " not in text and "@" not in parts.netloc
    return is_plain and parts.scheme in ("https", "http") and bool(parts.hostname)


def _is_origin(text: str) -> bool:
    # A space or a semicolon would end what a header says of it.
    is_one_word = not set(text) & set(" ;,\t")
    return (
        is_one_word and origin_of(text) is not None and not urlsplit(text).path and "@" not in text
    )


def _is_page(text: str) -> bool:
    """Whether ``text`` is an address of http or https, with a port and a path at most."""
    origin = origin_of(text)
    if origin is None or not origin.startswith(("http://", "https://")):
        return False
    is_one_word = text.isprintable() and " " not in text
    return is_one_word and not set(text) & set("?#") and "@" not in urlsplit(text).netloc


def _check_oidc(settings: Settings) -> None:
    issuer, client = settings.oidc_issuer, settings.oidc_client_id
    if issuer is None and client is None:
        return
    if issuer is None or client is None:
        raise SettingsError(
            "AYES_OIDC_ISSUER and AYES_OIDC_CLIENT_ID need each other: set both or neither"
        )
    if (fault := url_fault(issuer)) is not None:
        raise SettingsError(f"AYES_OIDC_ISSUER {fault}")
    if urlsplit(issuer).query or urlsplit(issuer).fragment or "?" in issuer:
        # OpenID Connect Discovery 1.0, 3: scheme, host, and a path at most.
        raise SettingsError(f"AYES_OIDC_ISSUER: {mask_url(issuer)!r} has a query or a fragment")
    if not client.isascii() or not client.isprintable():
        raise SettingsError("AYES_OIDC_CLIENT_ID: only printable ASCII (RFC 6749, appendix A)")
    if "openid" not in settings.oidc_scopes.split():
        raise SettingsError("AYES_OIDC_SCOPES must contain openid, or there is no ID token")


def printable(settings: Settings) -> dict[str, str]:
    """Return environment variable → value, with secrets and passwords masked."""
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
