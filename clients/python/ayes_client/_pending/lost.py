"""Asks what became of a ``once`` command whose connection broke before its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ayes_client._pending.command_queue import CommandQueue
from ayes_client._pending.entry import Entry
from ayes_client._wire.error_message import from_message
from ayes_client.errors import AyesError, Unanswered
from ayes_client.state import Json

#: Times that the server is asked about a command that it has not decided yet. Beyond, its effect is
#: unknown. The server decides within 5 s, or says that it cannot.
MAX_STATUS_TRIES = 8
#: Seconds between two of these queries.
STATUS_INTERVAL_S = 1.0


async def settle_lost(
    commands: CommandQueue, entry: Entry, ask: Callable[[Json], Awaitable[Json]]
) -> None:
    """Ask for the answer of ``entry``, and settle it. It is not sent again."""
    id, event = entry.command.id, entry.command.event
    found: Json = {"state": "absent"}
    for _ in range(MAX_STATUS_TRIES):
        try:
            answer = await ask({"type": "command.status", "event": event, "ids": [id]})
            found = answer["commands"][0]
        except (AyesError, LookupError):
            # The client ended, or the user may not ask any more.
            break
        if found["state"] != "pending":
            break
        await asyncio.sleep(STATUS_INTERVAL_S)
    if commands.get(id) is not entry:
        return
    if found["state"] == "committed":
        commands.on_ack({**found["ack"], "id": id})
    elif found["state"] == "refused":
        commands.refuse(entry, from_message({**found["error"], "id": id}))
    else:
        commands.refuse(entry, Unanswered())
