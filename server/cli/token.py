"""``ayes token``: prints a token for a user, or says what is wrong with one."""

from __future__ import annotations

import argparse
import asyncio
import logging
import re
import sys
from datetime import UTC, timedelta

from persistence.embedded.data_directory import is_locked
from protocol.errors import RetryableError
from protocol.text import escaped
from server.config.loading import SettingsError
from server.config.settings import Settings
from server.identity.auth import authenticator_for
from server.identity.secret import SECRET_FILE

#: The exit status if the token of ``--check`` is not valid.
EXIT_INVALID = 1
_DURATION = re.compile(r"\A([0-9]+)([smhd])\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ayes token``."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--user", help="the user's id (sub)")
    what.add_argument(
        "--check", metavar="TOKEN", help="say whether TOKEN is valid, and why not; - is stdin"
    )
    parser.add_argument("--name", help="the name that others see")
    parser.add_argument("--ttl", default="1h", help="lifetime: 90s, 15m, 1h, 7d (default 1h)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run it; return the exit status.

    Raises ``SettingsError`` if there is no secret, or the lifetime is not one.
    """
    issuer = settings.auth_jwks_url or settings.oidc_issuer
    is_kept = issuer is None and settings.auth_secret is None
    if is_kept and not (path := settings.data_dir / SECRET_FILE).exists():
        raise SettingsError(
            f"there is no secret in {path}: no server has been started with this directory. "
            "Name the server's own (AYES_DATA_DIR, --data-dir), or its AYES_AUTH_SECRET"
        )
    if arguments.check is not None:
        token = sys.stdin.read() if arguments.check == "-" else arguments.check
        return asyncio.run(_check(settings, token.strip()))
    if issuer is not None and settings.auth_secret is None:
        raise SettingsError(
            "with AYES_AUTH_JWKS_URL or AYES_OIDC_ISSUER, tokens are the issuer's to make; "
            "for others AYES_AUTH_SECRET is needed as well"
        )
    match = _DURATION.match(arguments.ttl)
    if match is None:
        raise SettingsError(f"--ttl: {arguments.ttl!r} is none of 90s, 15m, 1h, 7d")
    lifetime = timedelta(**{_UNITS[match[2]]: int(match[1])})
    print(authenticator_for(settings).make(arguments.user, arguments.name, lifetime))
    # Where the database is not the embedded one, a server that uses this secret holds no lock.
    if is_kept and settings.database_url is None and not is_locked(settings.data_dir):
        print(
            f"ayes token: no server is running on {settings.data_dir} now, whose secret this is; "
            "another server does not take this token",
            file=sys.stderr,
        )
    return 0


def _nothing(record: logging.LogRecord) -> bool:
    return False


async def _check(settings: Settings, token: str) -> int:
    authenticator = authenticator_for(settings)
    authenticator.start()
    # The reason is this command's output; the log would only repeat it.
    log = logging.getLogger("ayes.auth")
    log.addFilter(_nothing)
    try:
        identity = await authenticator.check_patiently(token)
    except RetryableError as err:
        print(escaped(f"not valid: {authenticator.why_refused(token, err)}"))
        return EXIT_INVALID
    finally:
        log.removeFilter(_nothing)
        await authenticator.stop()
    until = identity.expires.astimezone(UTC).isoformat(timespec="seconds")
    print(escaped(f"valid until {until}, for {identity.actor.user} ({identity.actor.name})"))
    return 0
