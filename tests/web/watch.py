"""Watches a page: an error there, or a request to another origin, is a fault."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from playwright.async_api import ConsoleMessage, Error, Page, Request, WebSocket

#: Messages of a browser without network, and of refused HTTP requests after that; a test that cuts
#: the network permits them.
OUTAGE = r"net::ERR_|WebSocket connection to |status of 4\d\d .*/v1/commands"
#: A browser drops a load if the machine gets a network interface. The fault campaign, which may run
#: at the same time, makes some. That is not a fault of the page.
MACHINE_CHANGED = "net::ERR_NETWORK_CHANGED"


class Watch:
    """Records the faults of a page.

    Faults are: an uncaught error, an error in the console (refusals by the content security policy
    are among them), a request to another origin.
    """

    def __init__(self, page: Page, base: str) -> None:
        self._origins = {_origin(base)}
        self._allowed: list[re.Pattern[str]] = []
        self._faults: list[str] = []
        #: Whether a file was lost because the machine's network changed.
        self.is_interrupted = False
        page.on("console", self._console)
        page.on("pageerror", self._error)
        page.on("request", self._request)
        page.on("websocket", self._websocket)

    def allow(self, pattern: str) -> None:
        """Permit faults that match ``pattern``, earlier ones too."""
        self._allowed.append(re.compile(pattern))

    def allow_origin(self, url: str) -> None:
        """Permit requests to the origin of ``url``."""
        self._origins.add(_origin(url))

    @property
    def faults(self) -> list[str]:
        """The faults so far."""
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
    """Scheme, host and port; for a socket, those of its page."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return scheme, parts.hostname or "", parts.port
