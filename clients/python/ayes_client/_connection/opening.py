"""Opens a WebSocket to a server, and reads its frames as messages."""

from __future__ import annotations

import logging

import orjson
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from ayes_client._wire.address import origin
from ayes_client._wire.proxy import proxy_for
from ayes_client.state import Json

log = logging.getLogger("ayes_client")

#: The protocol's name in the handshake.
SUBPROTOCOL = Subprotocol("ayes.v1")
#: Seconds for the handshake, and again for the welcome. Beyond, another connection is tried.
OPEN_TIMEOUT_S = 10.0
#: Seconds for the server to close too. Beyond, the socket is aborted.
CLOSE_TIMEOUT_S = 2.0
#: Bytes of one message. A longer one breaks the connection. A snapshot with every window full has
#: some 8 MB.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024


class Redirected(OSError):
    """The server's address redirects to another origin. The client tries again later."""


class open_socket(connect):
    """``connect`` for a server's address. It follows no redirect to another origin.

    The token is in the first message, so another origin would get it.
    """

    def __init__(self, url: str) -> None:
        super().__init__(
            url,
            subprotocols=[SUBPROTOCOL],
            proxy=proxy_for(url),
            compression=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            # The server's heartbeats say more than pings: they come from the application.
            ping_interval=None,
            max_size=MAX_MESSAGE_BYTES,
        )

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Return the address to follow, or the error to raise."""
        target = super().process_redirect(exc)
        if isinstance(target, str) and origin(target) != origin(self.uri):
            scheme, host, port = origin(target)
            # The rest of the address may be a secret, and is of any length.
            where = f"{scheme}://{host}:{port}"
            return Redirected(f"a redirect to another address is not followed: {where}")
        return target


def messages(frame: bytes) -> list[Json]:
    """Return the messages of a frame. Log and drop an element that is not an object."""
    try:
        content = orjson.loads(frame)
    except orjson.JSONDecodeError:
        log.warning("a frame that is not JSON")
        return []
    found = content if isinstance(content, list) else [content]
    return [message for message in found if isinstance(message, dict)]
