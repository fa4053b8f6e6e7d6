"""The guard: what one connection may cost the others, and the direct path to the application.

``GuardedWebSocket`` and ``GuardedHttp`` are given to uvicorn as ``ws=`` and ``http=``, by
``GuardedConfig`` or by hand. They, ``slices.py`` and ``frame_reader.py``, and nothing else
in Ayes, touch what is private in uvicorn and websockets; ``tests/server/test_pins.py`` pins every
name of it against the installed versions.

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
from uvicorn.server import ServerState
from websockets.http11 import Request
from websockets.protocol import Event, State

from protocol.closes import CloseCode
from server.transport.budgets import Budgets, GuardedConfig, guarded
from server.transport.deflate import NEGOTIATION, takes_deflated
from server.transport.frame_reader import FrameReader
from server.transport.frames import close_frame, frame
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

#: What a socket is failed with that broke no rule: a defect of ours, and a client that fell asleep.
_NO_OFFENCE = frozenset({CloseCode.INTERNAL, CloseCode.NO_HELLO})
#: To a handshake that websockets has no response for.
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class GuardedWebSocket(SlicedReading):
    """uvicorn's WebSocket protocol within budgets; the application writes to ``socket``."""

    socket: SocketTransport

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        own = guarded(config)
        shared = own.connections_state(self.loop)
        self.budgets = own.budgets
        self.conn.max_message_size = self.budgets.message_bytes
        if self.conn.available_extensions:
            self.conn.available_extensions = [NEGOTIATION]
        self.queue = ReceiveQueue()  # type: ignore[assignment]  # has what is used of a queue
        self.ping_interval = None  # the application pings; uvicorn would close with 1011
        self.configure_reading(shared.read_buffer, self.budgets.slice_bytes, shared.throttled)
        self._reader = FrameReader(self, self.conn, self.budgets)
        self._lobby = shared.lobby
        self._code: int | None = None
        self._deadline: asyncio.TimerHandle | None = None

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with a deadline for the handshake."""
        super().connection_made(transport)
        mark = self.budgets.room_bytes - 1
        self.transport.set_write_buffer_limits(high=mark, low=mark)
        self.socket = SocketTransport(self, self.transport)
        self._deadline = self.loop.call_later(self.budgets.handshake_timeout_s, self.socket.abort)
        self._lobby.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, with every timer of it."""
        self._lobby.leave(self)
        self._cancel_deadline()
        self.end(1006)
        self.socket.lost()
        self.drop_unread()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """The peer has nothing more to say and sent no close frame: it is gone."""
        self.end(1006)
        self._finish()

    def mark_identified(self) -> None:
        """See ``SocketTransport.mark_identified``."""
        self._lobby.leave(self)

    def give_way(self) -> None:
        """End, since somebody else needs the place."""
        self.socket.abort()

    def shutdown(self) -> None:
        """Close with 1012, where the application has not closed already. Never raises."""
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
        """``room_bytes`` are unsent."""
        super().pause_writing()
        self.socket.pause()

    def resume_writing(self) -> None:
        """They are not any more."""
        super().resume_writing()
        self.socket.resume()
        receiver = self._reader.receiver
        if receiver is not None and not self.socket.is_closed:
            try:
                receiver.writable()
            except Exception:
                self._fail_internal()

    def is_discarding(self) -> bool:
        """Whether what is read is thrown away."""
        return self._reader.discarding

    def is_throttled(self) -> bool:
        """Whether it is to wait for its turn."""
        return self._reader.is_throttled()

    def next_slice_bytes(self, rest: memoryview) -> int:
        """How many bytes of ``rest`` are the next slice."""
        return self._reader.next_slice_bytes(rest)

    def feed_slice(self, data: bytes, *, more: bool) -> int:
        """Take in a slice of what was read; how much of it was taken."""
        try:
            return self._reader.feed(data, more=more)
        except Exception:
            self._fail_internal()
            return len(data)

    # ASGI.

    def handle_handshake(self, events: list[Event]) -> None:
        """Begin with a good request, end with a bad one or with frames before the accept.

        Stock, some bad ones hang for ever. A client must wait for the response (RFC 6455, 4.1).
        """
        for event in events:
            if isinstance(event, Request):
                self.handle_connect(event)
            else:
                self.socket.abort()
        if self.conn.parser_exc is not None:
            self.socket.abort()
        elif self.conn.handshake_exc is not None and not self.transport.is_closing():
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
            self.end(1006)
            self._reader.stop()
            self._finish()

    def handle_connect(self, event: Request) -> None:
        """Start the application, with its transport in the scope."""
        super().handle_connect(event)
        if not self.close_sent:
            extensions = cast("dict[str, Any]", self.scope["extensions"])
            extensions[EXTENSION] = self.socket

    async def send(self, message: ASGISendEvent) -> None:
        """ASGI's ``send``. A close goes the way of ``SocketTransport.close``, which has an end."""
        kind = message["type"]
        if self.socket.is_closed and kind != "websocket.close":
            raise ClientDisconnected
        if kind == "websocket.close" and self.conn.state is not State.CONNECTING:
            close = cast("dict[str, Any]", message)
            self.close(close.get("code", 1000), close.get("reason") or "")
            return
        await super().send(message)
        if kind == "websocket.accept":
            if self.conn.state is State.CONNECTING:  # the peer is gone, which uvicorn does not say
                raise ClientDisconnected
            self._cancel_deadline()
            self.socket.deflates = takes_deflated(self.conn.extensions)
            # They are done with, and would stay as long as the socket.
            self.__dict__.pop("request", None)
            self.__dict__.pop("response", None)
            self._reader.forget_handshake()

    def enqueue(self, payload: bytes, *, is_text: bool) -> None:
        """Queue a message for ASGI's ``receive``; nothing is read until it was taken."""
        self.frames = [payload]
        self.curr_msg_data_type = "text" if is_text else "bytes"
        self.send_receive_event_to_app()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application is done, and uvicorn closed the transport; not without a bound."""
        super().on_task_complete(task)
        self.socket.watch()

    def attach(self, receiver: Receiver) -> None:
        """See ``SocketTransport.attach``."""
        if self._reader.receiver is not None:
            raise RuntimeError("a receiver is attached already")
        if self.conn.state is State.CONNECTING and not self.socket.is_closed:
            raise RuntimeError("the socket is not accepted yet")
        self._reader.attach(receiver)
        if self.socket.is_closed:
            self.loop.call_soon(self._report_closed, receiver)
            return
        queued = []
        while not self.queue.empty():
            queued.append(self.queue.get_nowait())
        if queued:  # reading is paused, so nothing overtakes it
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
        """Give the receiver what came before it."""
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
        """Tell the application that the socket is over; only the first call counts."""
        if self._code is not None:
            return
        self._code = code
        self.socket.is_closed = True
        self.close_sent = True
        self.handshake_complete = True  # uvicorn has no more to say to it
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self._reader.receiver is not None:
            # From the loop: the application may be walking over its sockets just now.
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
        # The parser may be ahead of us, with pongs or an echo to send: ours was the first word.
        self.conn.data_to_send()
        self.socket.write_close(close_frame(code, reason))
        self.end(code, reason)
        self._resume_reading()
        self._abort_after(self.budgets.close_timeout_s)

    def handle_close_frame(self) -> None:
        """A close frame came: the echo of ours, or one to be echoed."""
        if not self.socket.is_closed:
            received = self.conn.close_rcvd
            assert received is not None
            self.socket.write_close(b"".join(self.conn.data_to_send()))
            self.end(received.code, received.reason)
        self._reader.stop()
        self._finish()

    def fail(self, code: int, reason: str = "", *, offends: bool = True) -> None:
        """Close over a violation, without hearing more of this peer.

        Further input is read and discarded for ``flush_timeout_s``: closing a socket with unread
        input makes the kernel send a reset, which may overtake the close frame. The half-close
        after the frame lets a client that reads it end at once.
        """
        if self.conn.state is State.CONNECTING:
            self.socket.abort()
            return
        self._reader.stop()
        self.conn.data_to_send()
        self.socket.failed |= offends and code not in _NO_OFFENCE
        if not self.socket.is_closed:
            self.socket.write_close(close_frame(code, reason))
            self.end(code, reason)
            if not self.transport.is_closing() and self.transport.can_write_eof():
                # The peer may have reset the connection, and the transport not know it yet.
                with contextlib.suppress(OSError):
                    self.transport.write_eof()
        self._resume_reading()
        self._abort_after(self.budgets.flush_timeout_s)

    def parser_failed(self) -> None:
        """Close with what the parser found: 1002, 1007, 1009. Never 1011."""
        found = self.conn.close_sent
        if found is None:
            self.fail(1002)
        elif found.code == 1011:  # a defect of the parser, or of its use
            self.fail(CloseCode.INTERNAL)
        else:
            self.fail(found.code, found.reason)

    def _fail_internal(self) -> None:
        """The one funnel for what should not have happened: log it, give this socket up."""
        log.exception("a socket is closed over a defect")
        self.fail(CloseCode.INTERNAL, "internal error")

    def _report_closed(self, receiver: Receiver) -> None:
        assert self._code is not None
        try:
            receiver.closed(self._code)
        except Exception:
            log.exception("a receiver failed while it was told the end")

    def _finish(self) -> None:
        """Close the transport, and abort it where that does not get through."""
        self.transport.close()
        self._abort_after(self.budgets.flush_timeout_s)

    def _abort_after(self, seconds: float) -> None:
        # In uvicorn's own slot: while it is taken, the application's end does not close the
        # transport, and the connection's end cancels it.
        if self.close_timer is not None:
            self.close_timer.cancel()
        if self.disconnected:
            return
        self.close_timer = self.loop.call_later(seconds, self.socket.abort)

    def _cancel_deadline(self) -> None:
        """The handshake is over, one way or the other."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
