"""The guard: limits on what one connection may cost, and the direct path to the application.

``GuardedConfig`` gives ``GuardedWebSocket`` and ``GuardedHttp`` to uvicorn. These two classes,
``slices.py`` and ``frame_reader.py`` are the only code in Ayes that relies on undocumented names of
uvicorn and websockets; ``tests/server/test_pins.py`` pins each name.

However a connection ends, three things happen once: ``SocketTransport.is_closed`` is set,
``websocket.disconnect`` enters ASGI's queue, and ``Receiver.closed`` is called. The transport ends
within ``flush_timeout_s``, or within ``close_timeout_s`` if the client has yet to answer the close
frame of the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, cast

from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from websockets.frames import Close
from websockets.http11 import Request
from websockets.protocol import Event, State
from websockets.server import ServerProtocol

from protocol.closes import CloseCode
from server.transport.budgets import Budgets, GuardedConfig, guarded
from server.transport.deflate import NEGOTIATION, takes_deflated
from server.transport.frame_reader import FrameReader
from server.transport.frames import FIN_CLOSE, close_frame, frame, head
from server.transport.guard_http import GuardedHttp
from server.transport.receive_queue import ReceiveQueue
from server.transport.slices import SlicedReading
from server.transport.socket_transport import EXTENSION, Receiver, SocketTransport

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

    from server.limits.fair_scheduler import Runnable

__all__ = [
    "EXTENSION",
    "Budgets",
    "GuardedConfig",
    "GuardedHttp",
    "GuardedWebSocket",
    "Receiver",
    "SocketTransport",
    "frame",
]

log = logging.getLogger("ayes.guard")

#: Close codes that are no offence of the client: a defect of the server, and a late hello.
_NO_OFFENCE = frozenset({CloseCode.INTERNAL, CloseCode.NO_HELLO})
#: The response to a handshake for which websockets has none.
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class GuardedWebSocket(SlicedReading):
    """uvicorn's WebSocket protocol within budgets; the application writes to ``socket``."""

    socket: SocketTransport

    def __init__(self, config: Config, *uvicorns: Any, **more: Any) -> None:
        super().__init__(config, *uvicorns, **more)
        own = guarded(config)
        shared = own.connections_state(self.loop)
        self.budgets = own.budgets
        self.conn = self._parser(State.CONNECTING)
        self.queue = ReceiveQueue()  # type: ignore[assignment]  # the used part of a queue
        self.configure_reading(shared.read_buffer, self.budgets.slice_bytes, shared.throttled)
        self._reader = FrameReader(self, self.conn, self.budgets)
        self._lobby = shared.lobby
        self._code: int | None = None
        self._deadline: asyncio.TimerHandle | None = None

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the deadline for the handshake."""
        super().connection_made(transport)
        mark = self.budgets.room_bytes - 1
        self.transport.set_write_buffer_limits(high=mark, low=mark)
        self.socket = SocketTransport(self, self.transport)
        self._deadline = self.loop.call_later(self.budgets.handshake_timeout_s, self.socket.abort)
        self._lobby.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the connection and cancel all its timers."""
        self._lobby.leave(self)
        self._cancel_deadline()
        self.end(1006)
        self.socket.lost()
        self.drop_unread()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """End the socket: the client is gone without a close frame."""
        self.end(1006)
        self._finish()

    def mark_identified(self) -> None:
        """See ``SocketTransport.mark_identified``."""
        self._lobby.leave(self)

    def give_way(self) -> None:
        """End now, because another connection needs the place."""
        self.socket.abort()

    def shutdown(self) -> None:
        """Close with 1012, unless the application has closed already. Never raises."""
        try:
            if self.handshake_complete:
                self.close(1012)
            else:
                self.send_500_response()
                self.end(1006)
                self._finish()
        except Exception:
            log.exception("a socket could not be closed")
            self.socket.abort()

    def pause_writing(self) -> None:
        """Stop room frames: ``room_bytes`` are unsent."""
        super().pause_writing()
        self.socket.pause()

    def resume_writing(self) -> None:
        """Resume room frames, and let the receiver write again."""
        super().resume_writing()
        self.socket.resume()
        receiver = self._reader.receiver
        if receiver is not None and not self.socket.is_closed:
            try:
                receiver.writable()
            except Exception:
                self._fail_internal()

    def is_discarding(self) -> bool:
        """Return whether all further input is discarded."""
        return self._reader.discarding

    def is_throttled(self) -> bool:
        """Return whether the socket is over its budget, and takes turns."""
        return self._reader.is_throttled()

    def next_slice_bytes(self, rest: memoryview) -> int:
        """Return how many bytes of ``rest`` are the next slice."""
        return self._reader.next_slice_bytes(rest)

    def feed_slice(self, data: bytes, *, more: bool) -> int:
        """Process a slice of input, and return how many of its bytes were used."""
        try:
            return self._reader.feed(data, more=more)
        except Exception:
            self._fail_internal()
            return len(data)

    # ASGI.

    def handle_handshake(self, events: list[Event]) -> None:
        """Start the application for a good request, refuse a bad one.

        uvicorn alone would leave some bad requests without a response.
        """
        for event in events:
            if isinstance(event, Request):
                self.handle_connect(event)
        if self.conn.handshake_exc is not None and not self.transport.is_closing():
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
            self.end(1006)
            self._reader.stop()
            self._finish()

    def handle_connect(self, event: Request) -> None:
        """Start the application, with the socket's transport in its scope."""
        super().handle_connect(event)
        if not self.close_sent:
            extensions = cast("dict[str, Any]", self.scope["extensions"])
            extensions[EXTENSION] = self.socket

    async def send(self, message: ASGISendEvent) -> None:
        """ASGI's ``send``. A close is sent by ``SocketTransport.close``, which has a deadline.

        Raises ``ClientDisconnected`` once the client is gone.
        """
        kind = message["type"]
        if self.socket.is_closed and kind != "websocket.close":
            raise ClientDisconnected
        if kind == "websocket.close" and self.conn.state is not State.CONNECTING:
            close = cast("dict[str, Any]", message)
            self.close(close.get("code", 1000), close.get("reason") or "")
            return
        await super().send(message)
        if kind == "websocket.accept":
            if self.conn.state is State.CONNECTING:  # the client is gone; uvicorn does not raise
                raise ClientDisconnected
            self._cancel_deadline()
            self._begin_frames()

    def _begin_frames(self) -> None:
        """Begin with a new parser, and release the request and the response.

        They have about 2 KiB, and would be kept as long as the socket.
        """
        extensions = self.conn.extensions
        self.conn = self._parser(State.OPEN)
        self.conn.extensions = extensions
        self._reader.open(self.conn)
        self.socket.deflates = takes_deflated(extensions)
        self.__dict__.pop("request", None)
        self.__dict__.pop("response", None)

    def _parser(self, state: State) -> ServerProtocol:
        return ServerProtocol(
            extensions=[NEGOTIATION] if self.config.ws_per_message_deflate else None,
            state=state,
            max_size=self.budgets.message_bytes,
            logger=self.logger,
        )

    def enqueue(self, payload: bytes, *, is_text: bool) -> None:
        """Queue a message for ASGI's ``receive``. Reading is paused until it was received."""
        self.frames = [payload]
        self.curr_msg_data_type = "text" if is_text else "bytes"
        self.send_receive_event_to_app()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """Bound the end of the transport, which uvicorn closes after the application."""
        super().on_task_complete(task)
        self.socket.watch()

    def attach(self, receiver: Receiver) -> None:
        """See ``SocketTransport.attach``."""
        if self._reader.receiver is not None:
            raise RuntimeError("a receiver is attached already")
        if self.conn.state is State.CONNECTING and not self.socket.is_closed:
            raise RuntimeError("the socket is not accepted yet")
        self._reader.receiver = receiver
        if self.socket.is_closed:
            self.loop.call_soon(self._report_closed, receiver)
            return
        queued = []
        while not self.queue.empty():
            queued.append(self.queue.get_nowait())
        if queued:  # reading is paused, so no later message overtakes them
            self.loop.call_soon(self._deliver_queued, queued)
        else:
            self._resume_reading()

    def charge(self, messages: int) -> None:
        """See ``SocketTransport.charge``."""
        self._reader.charge(messages)

    def defer(self, waiting: Runnable) -> None:
        """See ``SocketTransport.defer``."""
        self.throttled.wait(waiting)

    def _deliver_queued(self, queued: list[Any]) -> None:
        """Deliver the messages that came before the receiver was attached."""
        try:
            for message in queued:
                if message["type"] == "websocket.receive" and not self.socket.is_closed:
                    text = message.get("text")
                    self._reader.deliver((text or "").encode(), is_text=text is not None)
        except Exception:
            self._fail_internal()
        self._resume_reading()

    def _resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    # The end.

    def end(self, code: int, reason: str = "") -> None:
        """Report to the application that the socket has ended. Only the first call counts."""
        if self._code is not None:
            return
        self._code = code
        self.socket.is_closed = True
        self.close_sent = True
        self.handshake_complete = True  # uvicorn sends no response any more
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self._reader.receiver is not None:
            # From the loop: the application may be iterating over its sockets.
            self.loop.call_soon(self._report_closed, self._reader.receiver)

    def close(self, code: int, reason: str = "") -> None:
        """See ``SocketTransport.close``."""
        if self.socket.is_closed:
            return
        if self.conn.state is State.CONNECTING:
            self.socket.abort()
            return
        if self.conn.state is State.OPEN:
            self.conn.send_close(code)
        self.socket.write_close(close_frame(code, reason))
        self.end(code, reason)
        self._resume_reading()
        self._abort_after(self.budgets.close_timeout_s)

    def handle_close_frame(self, payload: bytes) -> None:
        """Echo the client's close frame, unless it is itself the echo, and end."""
        if not self.socket.is_closed:
            received = Close.parse(payload)  # valid, as the parser let it through
            self.socket.write_close(head(len(payload), FIN_CLOSE) + payload)
            self.end(received.code, received.reason)
        self._reader.stop()
        self._finish()

    def fail(self, code: int, reason: str = "", *, offends: bool = True) -> None:
        """Close over a violation, and discard all further input.

        Further input is read and discarded for ``flush_timeout_s``: closing a socket with unread
        input makes the kernel send a reset, which may overtake the close frame. The half-close
        after the frame lets a client that reads it end at once.
        """
        if self.conn.state is State.CONNECTING:
            self.socket.abort()
            return
        self._reader.stop()
        self.socket.failed |= offends and code not in _NO_OFFENCE
        if not self.socket.is_closed:
            self.socket.write_close(close_frame(code, reason))
            self.end(code, reason)
            if not self.transport.is_closing() and self.transport.can_write_eof():
                # The client may have reset the connection, unknown to the transport so far.
                with contextlib.suppress(OSError):
                    self.transport.write_eof()
        self._resume_reading()
        self._abort_after(self.budgets.flush_timeout_s)

    def parser_failed(self) -> None:
        """Close with the code that the parser found (1002, 1007 or 1009), never with 1011."""
        found = self.conn.close_sent
        if found is None:
            self.fail(1002)
        elif found.code == 1011:  # a defect of the parser
            self.fail(CloseCode.INTERNAL)
        else:
            self.fail(found.code, found.reason)

    def _fail_internal(self) -> None:
        """Log the defect that was raised, and close this socket with 4004."""
        log.exception("a socket is closed over a defect")
        self.fail(CloseCode.INTERNAL, "internal error")

    def _report_closed(self, receiver: Receiver) -> None:
        assert self._code is not None
        try:
            receiver.closed(self._code)
        except Exception:
            log.exception("a receiver failed at the end of its socket")

    def _finish(self) -> None:
        """Close the transport, and abort it if its output does not leave in time."""
        self.transport.close()
        self._abort_after(self.budgets.flush_timeout_s)

    def _abort_after(self, seconds: float) -> None:
        # uvicorn's own timer: while it is set, uvicorn does not close the transport after the
        # application, and cancels the timer at the end of the connection.
        if self.close_timer is not None:
            self.close_timer.cancel()
        if self.disconnected:
            return
        self.close_timer = self.loop.call_later(seconds, self.socket.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
