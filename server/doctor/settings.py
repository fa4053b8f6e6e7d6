"""Settings that are each right and do not go together, and variables that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from server.config.settings import SETTINGS, Settings
from server.config.unread import cure, unread
from server.doctor.finding import Finding, fail, ok, warn


def findings(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is wrong with the settings, or one line that says that nothing is."""
    found = [*_unread(environment), *_secret(settings), *_fleet(settings)]
    yield from found or [ok("settings", f"{len(SETTINGS)} read, all in range")]


def _unread(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name, meant in unread(environment):
        yield fail("settings", f"{name} is no setting, so nothing reads it", cure(meant))


def _secret(settings: Settings) -> Iterator[Finding]:
    has_issuer = settings.auth_jwks_url is not None or settings.oidc_issuer is not None
    if settings.redis_url is not None and settings.auth_secret is None and not has_issuer:
        yield fail(
            "settings",
            "with Redis there are several servers, and each makes a secret of its own: a token of "
            "one is refused by the others",
            "give all of them the same AYES_AUTH_SECRET_FILE",
        )
    if settings.auth_jwks_url is not None and settings.auth_issuer is None:
        yield warn(
            "settings",
            "a token of any issuer whose keys are at AYES_AUTH_JWKS_URL is accepted",
            "set AYES_AUTH_ISSUER to the iss of your tokens",
        )


def _fleet(settings: Settings) -> Iterator[Finding]:
    if settings.redis_url is not None and settings.database_url is None:
        yield fail(
            "settings",
            "Redis is shared, and the database is this machine's own: servers cannot meet",
            "set AYES_DATABASE_URL for all of them, or drop AYES_REDIS_URL",
        )
    if settings.commands_burst < settings.batch:
        yield warn(
            "settings",
            f"a frame may have {settings.batch} messages, and only {settings.commands_burst} pass "
            "at once: a full frame is partly refused",
            "raise AYES_COMMANDS_BURST, or lower AYES_BATCH",
        )
