"""The guard over HTTP: deadlines and sizes for requests, a deadline for unread responses.

It extends uvicorn's ``HttpToolsProtocol`` (``tests/server/test_pins.py`` pins the names it uses).
Without it, uvicorn never closes a silent connection or one whose client does not read, and accepts
a header of any size.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from server.transport.budgets import guarded
from server.transport.stall_detector import StallDetector, abort_with_reset
from server.transport.user_requests import CONNECTION, Idle

#: Bytes of a header field in addition to its name and value: colon, space, CR, LF.
_FIELD_BYTES = 4
#: The first bytes of a health probe. A probe behind a pipelined request is an ordinary request.
_PROBES = tuple(
    f"{method} {path} ".encode() for method in ("GET", "HEAD") for path in ("/healthz", "/readyz")
)
#: Bytes of a request line in addition to its target: method, version, spaces, CR, LF.
_LINE_BYTES = 20


class _Refused(Exception):
    """Ends the parser. httptools wraps it in its own error, and uvicorn responds with 400."""


class GuardedHttp(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with a deadline for every step that waits for the client."""

    def __init__(self, config: Config, *uvicorns: Any, **more: Any) -> None:
        super().__init__(config, *uvicorns, **more)
        own = guarded(config)
        shared = own.connections_state(self.loop)
        self.budgets = own.budgets
        self._offence = own.offence
        self._deadline: asyncio.TimerHandle | None = None
        self._stall_detector: StallDetector | None = None
        self._in_header = False
        self._in_body = False
        self._header_bytes = 0
        self._upgraded = False
        self._unparsed_bytes = 0
        self._has_progressed = False
        self._scheduler = shared.http_scheduler
        self._lobby = shared.lobby
        self._pending = b""
        self._is_plain = False
        self._admitted = False
        self._idle: Idle | None = None

    # The connection.

    def connection_made(  # type: ignore[override]  # as uvicorn itself narrows it
        self, transport: asyncio.Transport
    ) -> None:
        """Start the deadline for the first header.

        If the server is at ``max_connections``, a connection in the lobby ends, or else this one.
        """
        super().connection_made(transport)
        most = self.budgets.max_connections
        if most is not None and len(self.connections) > most and not self._lobby.make_place(self):
            self.abort()
            return
        self._lobby.enter(self)
        self._await_client()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the connection and cancel all its timers."""
        self._lobby.leave(self)
        self._cancel_deadline()
        if self._stall_detector is not None:
            self._stall_detector.stop()
        super().connection_lost(exc)
        self._forget_idle()
        if self.scope is not None:
            # The scope and this object refer to each other, and keep the last response alive.
            self.scope.pop("extensions", None)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Parse ``data`` now or in turns, and set a deadline for the rest of the request."""
        if not self._pending and (self._admitted or self._may_run_now(data)):
            self._parse(data)
            return
        if not self._pending:
            self._scheduler.wait(self)
            self.transport.pause_reading()
            # The server has the next move, so neither the client's deadline nor keep-alive runs.
            self._cancel_deadline()
            self._unset_keepalive_if_required()
        self._pending += data

    def run_slice(self) -> None:
        """Parse the input that waited for its turn."""
        pending, self._pending = self._pending, b""
        if self.transport.is_closing():
            return
        # uvicorn may have paused reading for its own flow control.
        if not self.flow.read_paused:
            self.transport.resume_reading()
        self._parse(pending)

    def _may_run_now(self, data: bytes) -> bool:
        """Return whether a request that begins with ``data`` may be parsed without delay.

        An upgrade may, because the number of sockets has its own limit; a connection whose upgrade
        proved false is not exempt again. A health probe may, within a budget of its own.
        """
        head, _, rest = data.lower().partition(b"\r\n\r\n")
        if not rest and data.startswith(_PROBES) and self._scheduler.admit_probe():
            return True
        upgrades = not (self._is_plain or rest) and b"\nupgrade: websocket" in head
        return upgrades or self._scheduler.may_run_now()

    def _parse(self, data: bytes) -> None:
        # Admits the rest of this request, but no request after it.
        self._admitted = True
        self._has_progressed = False
        super().data_received(data)
        if self._upgraded or self.transport.is_closing():
            self._cancel_deadline()
            return
        # Input that is no body and completes nothing stays in the parser: a part of a field.
        self._unparsed_bytes = 0 if self._has_progressed else self._unparsed_bytes + len(data)
        if self._unparsed_bytes > self.budgets.header_bytes:
            self.send_400_response("The request header is too large.")
        else:
            self._await_client()

    def eof_received(self) -> None:
        """Bound the end of the transport, which closes after its output."""
        self._watch_output()

    def handle_websocket_upgrade(self) -> None:
        """Pass the connection to the WebSocket class, which sets its own deadline."""
        self._upgraded = True
        self._cancel_deadline()
        self._lobby.leave(self)
        super().handle_websocket_upgrade()

    # The parser.

    def on_message_begin(self) -> None:
        """Begin a request. Refuses too many pipelined ones."""
        if len(self.pipeline) >= self.budgets.max_pipelined:
            raise _Refused("too many pipelined requests")
        self._in_header = True
        self._header_bytes = _LINE_BYTES
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count a part of the request target. Refuses a fragment in it."""
        self._count_header_bytes(len(url))
        if b"#" in url:
            # No request target has a fragment (RFC 9112, 3.2). The parser would drop it, but a
            # proxy that hides a path would not.
            raise _Refused("a target has no fragment")
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a field of the header, or of the trailer."""
        self._count_header_bytes(len(name) + len(value) + _FIELD_BYTES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the body, and count the request unless it is an upgrade."""
        self._in_header = False
        self._in_body = self._has_progressed = True
        self._cancel_deadline()
        before = self.cycle
        self._forget_idle()
        super().on_headers_complete()
        if self.cycle is not before:  # no upgrade
            self.scope["extensions"] = {CONNECTION: self}  # type: ignore[dict-item]  # ASGI's own
            self._is_plain = True
            self._scheduler.record()

    def on_body(self, body: bytes) -> None:
        """Note progress of the body."""
        self._has_progressed = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request: the server has the next move."""
        self._in_body = self._admitted = False
        self._has_progressed = True
        self._cancel_deadline()
        super().on_message_complete()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            self._lobby.leave(self)

    def _count_header_bytes(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self.budgets.header_bytes:
            raise _Refused("the header is too large")

    def send_400_response(self, msg: str) -> None:
        """Refuse a request: with 431 if its header is too large (RFC 6585, 5), else with 400.

        It counts as a request, and as an offence of the client's address.
        """
        self._cancel_deadline()
        self._scheduler.record()
        if self.client is not None:
            self._offence(self.client[0])
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.abort()  # in the middle of another response
            return
        if max(self._header_bytes, self._unparsed_bytes) > self.budgets.header_bytes:
            head = b"connection: close\r\ncontent-length: 0\r\n\r\n"
            self.transport.write(STATUS_LINE[431] + head)
            self.transport.close()
        else:
            super().send_400_response(msg)
        self._watch_output()

    # The user of an idle connection.

    def keep_for(self, idle: Idle | None) -> None:
        """Call ``idle.forget`` when the next request comes or the connection ends."""
        self._idle = idle
        cycle = cast("RequestResponseCycle | None", self.cycle)
        is_busy = cycle is not None and not cycle.response_complete
        if is_busy or (self.transport.is_closing() and not self.unsent()):
            self._forget_idle()

    def end_idle(self) -> None:
        """End the idle connection, and drop the part of its last response that is unread."""
        if self.unsent():
            self.abort()
        else:
            self.transport.close()

    def _forget_idle(self) -> None:
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.forget()

    # The deadlines.

    def _await_client(self) -> None:
        """Set a deadline if the client has the next move and no timer of uvicorn runs."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if self._in_body:
            within = self.budgets.body_timeout_s
        elif self._in_header or cycle is None or cycle.response_complete:
            within = self.budgets.handshake_timeout_s
        else:
            return
        if self._deadline is None:
            self._deadline = self.loop.call_later(within, self._on_deadline)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_deadline(self) -> None:
        self._deadline = None
        self.abort()

    # The output.

    def on_response_complete(self) -> None:
        """Watch the output of a complete response."""
        super().on_response_complete()
        if not (self.pipeline or self.transport.is_closing()):
            self._lobby.enter(self)
        self._watch_output()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, unless a request of it waits for its turn."""
        if self._pending:
            return
        super().timeout_keep_alive_handler()
        self._watch_output()

    def pause_writing(self) -> None:
        """Watch the output: the transport is full."""
        super().pause_writing()
        self._watch_output()

    def resume_writing(self) -> None:
        """Stop watching: the transport has taken output."""
        super().resume_writing()
        if self._stall_detector is not None and not self.transport.is_closing():
            self._stall_detector.stop()

    def shutdown(self) -> None:
        """Close after the current response. Never raises."""
        super().shutdown()
        self._watch_output()

    def _watch_output(self) -> None:
        if self.unsent():
            if self._stall_detector is None:
                self._stall_detector = StallDetector(self.loop, self.budgets.stall_timeout_s, self)
            self._stall_detector.watch()

    def unsent(self) -> int:
        """Return how many bytes the operating system has not taken yet."""
        return self.transport.get_write_buffer_size()

    def sent(self) -> int:
        """Return minus the unsent bytes.

        uvicorn writes nothing while the transport is full or closing, so only progress raises it.
        """
        return -self.unsent()

    def give_way(self) -> None:
        """End now, because another connection needs the place."""
        self.abort()

    def abort(self) -> None:
        """End now, with a reset."""
        abort_with_reset(self.transport)
