"""The guard: what one WebSocket may cost the others, and the direct path to the application.

``GuardedWebSocket`` and ``GuardedHttp`` are given to uvicorn as ``ws=`` and ``http=``. They, and
nothing else in Ayes, touch what is private in uvicorn and websockets;
``tests/server/test_guard.py`` pins every name of it against the installed versions.

Input. A socket is read 8 KiB at a time into a buffer that all sockets share, which gives the loop
to the others in between and leaves the rest with the operating system. Whole text frames, nearly
all there is, are taken apart here; from the first byte of anything else, that read goes through
websockets' own parser.

The end. Whoever ends a connection, three things happen once: ``Wire.shut``, a
``websocket.disconnect`` in ASGI's queue, ``Receiver.closed``. Then the transport goes, within
``flush_s``, or ``echo_s`` where the client has yet to answer our close frame.
"""

from __future__ import annotations

import asyncio
import logging
from types import GeneratorType
from typing import TYPE_CHECKING, Any, cast

from uvicorn.config import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.streams import StreamReader

from protocol.closes import CloseCode
from server.budgets import Budgets, GuardedConfig, budgets_of
from server.frames import FIN_TEXT, close_frame, frame, reason_for
from server.guard_http import GuardedHttp
from server.wire import EXTENSION, Receiver, Wire

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled part
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

__all__ = [
    "EXTENSION",
    "Budgets",
    "GuardedConfig",
    "GuardedHttp",
    "GuardedWebSocket",
    "Receiver",
    "Wire",
    "frame",
]

log = logging.getLogger("ayes.guard")

#: A refusal that websockets has no response for.
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class GuardedWebSocket(WebSocketsSansIOProtocol, asyncio.BufferedProtocol):
    """uvicorn's WebSocket protocol within budgets, with a ``Wire`` to the application."""

    wire: Wire

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.budgets = budgets = budgets_of(config)
        self.conn.max_message_size = budgets.message_bytes
        self.ping_interval = None  # the application pings; uvicorn would close with 1011
        self._buffer = _shared_buffer(server_state, budgets.slice_bytes)
        self._receiver: Receiver | None = None
        self._aligned = False
        self._deaf = False
        self._told = False
        self._code = 1006
        self._deadline: asyncio.TimerHandle | None = None
        self._parts: list[bytes] = []
        self._is_text = False
        self._frames_left = budgets.frame_burst
        self._controls_left = budgets.controls_per_second
        self._refilled_at = self.loop.time()

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with a deadline for the handshake."""
        super().connection_made(transport)
        mark = self.budgets.room_bytes - 1
        self.transport.set_write_buffer_limits(high=mark, low=mark)
        self.wire = Wire(self, self.transport)
        self._deadline = self.loop.call_later(self.budgets.handshake_s, self.wire.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, with every timer of it."""
        self._met()
        self.end(1006)
        self.wire.lost()
        super().connection_lost(exc)
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = None

    def eof_received(self) -> None:
        """The peer has nothing more to say, and no close frame came: it is gone."""
        self.end(1006)
        self._finish(self.budgets.flush_s)

    def shutdown(self) -> None:
        """Close with 1012, where the application has not closed already. Never raises."""
        try:
            if self.handshake_complete:
                self.close(1012)
            else:
                self.send_500_response()
                self.transport.close()
                self.wire.watch()
        except Exception:
            log.exception("a socket could not be closed")
            self.wire.abort()

    def pause_writing(self) -> None:
        """``room_bytes`` are unsent."""
        super().pause_writing()
        self.wire.hold()

    def resume_writing(self) -> None:
        """They are not any more."""
        super().resume_writing()
        self.wire.release()
        if self._receiver is not None and not self.wire.shut:
            try:
                self._receiver.writable()
            except Exception:
                self._defect()

    # ASGI.

    def handle_connect(self, event: Request) -> None:
        """Start the application, with the wire in its scope."""
        super().handle_connect(event)
        if not self.close_sent:
            extensions = cast("dict[str, Any]", self.scope["extensions"])
            extensions[EXTENSION] = self.wire

    async def send(self, message: ASGISendEvent) -> None:
        """ASGI's ``send``. A close goes the way of ``Wire.close``, which has an end."""
        open_ = self.handshake_complete and self.conn.state is not State.CONNECTING
        if open_ and message["type"] == "websocket.close":
            self.close(message.get("code", 1000), message.get("reason") or "")
            return
        if open_ and self.wire.shut:
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.accept":
            self._met()
            # uvicorn is done with these, which would stay as long as the socket.
            self.__dict__.pop("request", None)
            self.__dict__.pop("response", None)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The application is done, and uvicorn closed the transport; not without a bound."""
        super().on_task_complete(task)
        self.wire.watch()

    def attach(self, receiver: Receiver) -> None:
        """See ``Wire.attach``."""
        if self._receiver is not None:
            raise RuntimeError("a receiver is attached already")
        if self.conn.state is State.CONNECTING:
            raise RuntimeError("the socket is not accepted yet")
        self._receiver = receiver
        if self.wire.shut:
            self.loop.call_soon(self._say_closed)
            return
        queued = []
        while not self.queue.empty():
            queued.append(self.queue.get_nowait())
        if queued:
            self.loop.call_soon(self._hand_over, queued)
        else:
            self._hear_again()
        self._aligned = not queued and _between_messages(self.conn.parser, self.conn)

    def _hand_over(self, queued: list[Any]) -> None:
        """Give the receiver what came before it."""
        try:
            for message in queued:
                if message["type"] == "websocket.receive" and not self.wire.shut:
                    text = message.get("text")
                    if text is None:
                        self._deliver(b"", is_text=False)
                    else:
                        self._deliver(text.encode(), is_text=True)
        except Exception:
            self._defect()
        self._hear_again()

    def _hear_again(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    # What comes in.

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport puts what it reads: one slice, used up before the next read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """A slice was read."""
        if nbytes == len(self._buffer) and not self.read_paused:
            # uvloop reads on while a read fills the buffer; the others come first.
            self.transport.pause_reading()
            self.loop.call_soon(self._next_slice)
        if not self._deaf:
            self.data_received(bytes(self._buffer[:nbytes]))

    def _next_slice(self) -> None:
        if not (self.read_paused or self.transport.is_closing()):
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Take what was read apart, and hand it on."""
        try:
            self._refill()
            if self._receiver is not None and self._aligned and not self.wire.shut:
                taken = self._texts(self._receiver, data)
                if taken == len(data) or self._deaf:
                    return
                data = data[taken:]
            self._parse(data)
        except Exception:
            self._defect()

    def _refill(self) -> None:
        budgets = self.budgets
        now = self.loop.time()
        passed = now - self._refilled_at
        self._refilled_at = now
        frames = self._frames_left + passed * budgets.frame_rate
        self._frames_left = min(frames, budgets.frame_burst)
        controls = self._controls_left + passed * budgets.controls_per_second
        self._controls_left = min(controls, budgets.controls_per_second)

    def _texts(self, receiver: Receiver, data: bytes) -> int:
        """Hand over the whole, unfragmented text frames that ``data`` begins with.

        Returns how many bytes they were. What is not one of them, or over a budget, or unmasked,
        is left to the parser, which knows the rules.
        """
        start, end = 0, len(data)
        left = self._frames_left
        wire = self.wire
        while start + 6 <= end and data[start] == FIN_TEXT and left >= 1:
            size = data[start + 1]
            body = start + 6
            if size < 0x80 or size == 0xFF:
                break
            if size == 0xFE:
                body += 2
                size = 0x80 + (data[start + 2] << 8 | data[start + 3])
            stop = body + size - 0x80
            if stop > end:
                break
            payload = apply_mask(data[body:stop], data[body - 4 : body])
            if not (payload.isascii() or _is_utf8(payload)):
                self._fail(1007, "invalid UTF-8")
                return stop
            start = stop
            left -= 1
            receiver.text(payload)
            if wire.shut:
                break
        self._frames_left = left
        if start and not wire.shut:
            receiver.alive()
        return start

    def _parse(self, data: bytes) -> None:
        """Let websockets take ``data`` apart, and count what it finds."""
        conn = self.conn
        conn.receive_data(data)
        heard = False
        for event in conn.events_received():
            if isinstance(event, Request):
                self.handle_connect(event)
            elif isinstance(event, Frame):
                heard = True
                self._frame(event)
            if self._deaf:
                return
        if conn.state is State.CONNECTING:
            self._handshake_error(heard)
            return
        if conn.parser_exc is not None:
            self._parser_error()
            return
        if conn.writes:
            self.wire.answer(b"".join(conn.data_to_send()))
        if self._receiver is not None and not self.wire.shut:
            self._aligned = _between_messages(conn.parser, conn)
            if heard:
                self._receiver.alive()

    def _frame(self, event: Frame) -> None:
        opcode = event.opcode
        if opcode is Opcode.CLOSE:
            self._closed_by_peer()
        elif opcode is Opcode.PING or opcode is Opcode.PONG:
            self._controls_left -= 1
            if self._controls_left < 0:
                self._fail(CloseCode.FLOOD, "too many control frames")
        else:
            self._frames_left -= 1
            if self._frames_left < 0:
                self._fail(CloseCode.FLOOD, "too many frames")
            elif not self.wire.shut:
                self._collect(event)

    def _collect(self, event: Frame) -> None:
        if event.opcode is not Opcode.CONT:
            self._is_text = event.opcode is Opcode.TEXT
        self._parts.append(cast("bytes", event.data))
        if len(self._parts) > self.budgets.fragments:
            self._fail(CloseCode.PROTOCOL_VIOLATION, "too many fragments")
        elif event.fin:
            parts, self._parts = self._parts, []
            self._deliver(parts[0] if len(parts) == 1 else b"".join(parts), is_text=self._is_text)

    def _deliver(self, payload: bytes, *, is_text: bool) -> None:
        """Hand one message to the receiver, or queue it for ASGI."""
        if is_text and not (payload.isascii() or _is_utf8(payload)):
            self._fail(1007, "invalid UTF-8")
        elif self._receiver is not None:
            if is_text:
                self._receiver.text(payload)
            else:
                self._receiver.binary()
        else:
            self.frames = [payload]
            self.curr_msg_data_type = "text" if is_text else "bytes"
            self.send_receive_event_to_app()

    # The end.

    def end(self, code: int, reason: str = "") -> None:
        """Tell the application that the socket is over; only the first call counts."""
        if self._told:
            return
        self._told = True
        self.wire.shut = True
        self.close_sent = True
        self._code = code
        self._parts = []
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self._receiver is not None:
            # From the loop: the application may be walking over its sockets just now.
            self.loop.call_soon(self._say_closed)

    def close(self, code: int, reason: str = "") -> None:
        """See ``Wire.close``."""
        if self.wire.shut:
            return
        if self.conn.state is State.CONNECTING:
            self.wire.abort()
            return
        reason = reason_for(reason)
        if self.conn.state is State.OPEN:
            self.conn.send_close(code, reason)
        self.wire.last(b"".join(self.conn.data_to_send()))
        self.end(code, reason)
        self._hear_again()
        self._bound(self.budgets.echo_s)

    def _closed_by_peer(self) -> None:
        """A close frame came: the echo of ours, or one to be echoed."""
        if not self.wire.shut:
            received = self.conn.close_rcvd
            assert received is not None
            self.wire.last(b"".join(self.conn.data_to_send()))
            self.end(received.code, received.reason)
        self._deaf = True
        self._finish(self.budgets.flush_s)

    def _fail(self, code: int, reason: str = "") -> None:
        """Close over a violation, without hearing more of this peer.

        What still comes is read and thrown away for ``flush_s``: closing over unread input makes
        the kernel send a reset, which may overtake the close frame. The half-close behind the frame
        makes a client that hears it go at once.
        """
        if self.conn.state is State.CONNECTING:
            self.wire.abort()
            return
        self._deaf = True
        self._parts = []
        self.conn.data_to_send()
        if not self.wire.shut:
            self.wire.last(close_frame(code, reason))
            self.end(code, reason)
            if not self.transport.is_closing() and self.transport.can_write_eof():
                self.transport.write_eof()
        self._hear_again()
        self._bound(self.budgets.flush_s)

    def _parser_error(self) -> None:
        sent = self.conn.close_sent
        if sent is None:
            self._fail(1002)
        elif sent.code == 1011:  # a defect of the parser, or of this use of it
            self._fail(CloseCode.INTERNAL)
        else:
            self._fail(sent.code, sent.reason)

    def _handshake_error(self, heard: bool) -> None:
        """Refuse what is no handshake; stock, such a connection hangs for ever."""
        if heard:  # a client must wait for the response (RFC 6455, 4.1)
            self.wire.abort()
        elif self.conn.handshake_exc is not None and not self.transport.is_closing():
            response = b"".join(self.conn.data_to_send())
            self.transport.write(response or _BAD_REQUEST)
            self.end(1006)
            self._deaf = True
            self._finish(self.budgets.flush_s)

    def _defect(self) -> None:
        """The one funnel for what should not have happened: log it, give this socket up."""
        log.exception("a socket is closed over a defect")
        self._fail(CloseCode.INTERNAL, "internal error")

    def _say_closed(self) -> None:
        receiver = self._receiver
        assert receiver is not None
        try:
            receiver.closed(self._code)
        except Exception:
            log.exception("a receiver failed while it was told the end")

    def _finish(self, within: float) -> None:
        """Close the transport, and abort it where that does not get through."""
        self.transport.close()
        self._bound(within)

    def _bound(self, within: float) -> None:
        """Abort after ``within``; uvicorn leaves the transport open while this timer runs."""
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(within, self.wire.abort)

    def _met(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _between_messages(parser: object, conn: Any) -> bool:
    """Whether websockets' parser waits for the first byte of a message."""
    if conn.reader.buffer or conn.current_size is not None:
        return False
    while isinstance(parser, GeneratorType) and parser.gi_yieldfrom is not None:
        parser = parser.gi_yieldfrom
    return isinstance(parser, GeneratorType) and parser.gi_code is StreamReader.at_eof.__code__


def _shared_buffer(state: ServerState, size: int) -> memoryview:
    """The buffer of all sockets of one server, and so of one loop."""
    found = getattr(state, "ayes_buffer", None)
    if not isinstance(found, memoryview) or len(found) != size:
        found = memoryview(bytearray(size))
        state.ayes_buffer = found  # type: ignore[attr-defined]  # ours, on uvicorn's object
    return found
