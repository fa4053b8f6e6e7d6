"""The ``welcome`` message, over a socket and over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

from protocol import PROTOCOL_VERSION, answers
from server.config.settings import Settings
from server.identity.auth import Identity


def welcome(
    settings: Settings, version: str, identity: Identity, session: str, ref: str | int | None
) -> bytes:
    """Return the answer to a ``hello`` of ``identity``; ``version`` is the server's."""
    return answers.reply(
        "welcome",
        ref,
        session=session,
        user={"id": identity.actor.user, "name": identity.actor.name},
        time=answers.timestamp(datetime.now(UTC)),
        heartbeat_ms=settings.heartbeat_ms,
        limits={
            "message_bytes": settings.message_bytes,
            "batch": settings.batch,
            "inflight": settings.inflight,
            "subscriptions": settings.subscriptions,
            "commands_per_second": settings.commands_per_second,
            "burst": settings.commands_burst,
        },
        server={"version": version, "protocol": PROTOCOL_VERSION},
    )
