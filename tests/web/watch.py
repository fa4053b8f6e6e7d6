"""Watches a page: an error there, or a request to another origin, is a fault."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.async_api import ConsoleMessage, Error, Page, Request, WebSocket

#: A browser's messages if the network is cut, and of a refusal over HTTP afterwards; a test that
#: cuts it allows this.
OUTAGE = r"net::ERR_|WebSocket connection to |status of 4\d\d .*/v1/commands"
#: A browser drops what it is loading if the machine gets a network interface. The fault campaign,
#: which may run at the same time, makes some. This is no fault of the page.
MACHINE_CHANGED = "net::ERR_NETWORK_CHANGED"


class Watch:
    """What a page did that it must not do.

    Faults are: an uncaught error, an error in the console (refusals by the content security policy
    are among them), a request to another origin.
    """

    def __init__(self, page: Page, base: str) -> None:
        self._origins = {_origin(base)}
        self._allowed: list[re.Pattern[str]] = []
        self._faults: list[str] = []
        #: Whether a file did not come because the machine's network changed.
        self.is_interrupted = False
        page.on("console", self._console)
        page.on("pageerror", self._error)
        page.on("request", self._request)
        page.on("websocket", self._websocket)

    def allow(self, pattern: str) -> None:
        """Faults that match ``pattern`` are none, those before it too."""
        self._allowed.append(re.compile(pattern))

    def allow_origin(self, url: str) -> None:
        """Requests to the origin of ``url`` are none."""
        self._origins.add(_origin(url))

    @property
    def faults(self) -> list[str]:
        """What went wrong so far."""
        return [
            fault
            for fault in self._faults
            if not any(pattern.search(fault) for pattern in self._allowed)
        ]

    def _console(self, message: ConsoleMessage) -> None:
        if MACHINE_CHANGED in message.text:
            self.is_interrupted = True
        elif message.type == "error":
            place = message.location.get("url", "")
            self._faults.append(f"console: {message.text} ({place})")

    def _error(self, error: Error) -> None:
        self._faults.append(f"uncaught: {error.stack or error}")

    def _request(self, request: Request) -> None:
        self._asked(request.url)

    def _websocket(self, socket: WebSocket) -> None:
        self._asked(socket.url)

    def _asked(self, url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob", "about") and (
            _origin(url) not in self._origins
        ):
            self._faults.append(f"elsewhere: {url}")


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port, a socket's as those of the page it is of."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return scheme, parts.hostname or "", parts.port
