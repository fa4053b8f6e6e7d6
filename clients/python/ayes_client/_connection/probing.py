"""Tries whether a WebSocket gets through again, while the client works over HTTP."""

from __future__ import annotations

import asyncio
import logging

import orjson

from ayes_client._connection.context import ClientContext
from ayes_client._connection.opening import OPEN_TIMEOUT_S, messages, open_socket

log = logging.getLogger("ayes_client")

#: Wait before the first try, in seconds. Each further one is twice as long.
FIRST_PROBE_DELAY_S = 30.0
#: Longest wait between two tries. A network that blocks WebSockets seldom stops doing so.
MAX_PROBE_DELAY_S = 600.0
#: Seconds that a socket must last after its welcome. Some proxies let the welcome pass, and cut
#: then.
PROBE_HOLD_S = 3.0


async def until_socket_gets_through(context: ClientContext) -> bool:
    """Return true once a socket was welcomed, and lasted."""
    delay = FIRST_PROBE_DELAY_S
    while True:
        await asyncio.sleep(delay)
        delay = min(delay * 2, MAX_PROBE_DELAY_S)
        if await _gets_through(context):
            return True


async def _gets_through(context: ClientContext) -> bool:
    try:
        hello = {"type": "hello", "token": await context.tokens.ask(), "client": context.client}
        async with open_socket(context.url) as link:
            await link.send(orjson.dumps(hello), text=True)
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                while not _has_welcome(await link.recv(decode=False)):
                    pass
            try:
                async with asyncio.timeout(PROBE_HOLD_S):
                    while True:
                        await link.recv(decode=False)
            except TimeoutError:
                return True
    except Exception as err:
        # The socket was blocked, or the token function failed.
        log.debug("no WebSocket gets through: %s", err)
        return False


def _has_welcome(frame: bytes) -> bool:
    return any(message.get("type") == "welcome" for message in messages(frame))
