"""What one WebSocket brings: counted against its budgets, put together, and handed on.

Whole text frames, nearly all there is, are taken apart here. From the first byte of anything else,
a read goes through websockets' own parser, which knows all the rules; so a frame is never seen by
both, and what is wrong is always judged there.
"""

from __future__ import annotations

from types import GeneratorType
from typing import TYPE_CHECKING, Protocol, cast

from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from protocol.closes import CloseCode
from server.transport.budgets import Budgets
from server.transport.frames import FIN_TEXT

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled part
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    import asyncio

    from server.transport.socket_transport import Receiver, SocketTransport


#: A frame counts once more against its budget for each so many bytes: a published frame is 64 KiB
#: at most and counts five times, one of the hard cap of 1 MiB sixty-five times.
BYTES_PER_CHARGE = 16_384

#: Where compression was agreed to, input that goes through the parser counts once more against the
#: frames for each so many bytes as they came: inflating takes up to 0.1 ms for them, whatever they
#: inflate to, nothing included.
DEFLATED_BYTES_PER_CHARGE = 1_024

#: Bytes in a slice of small messages from an eager socket: 24 of the smallest, some 0.3 ms.
THROTTLED_SLICE_BYTES = 512


class FrameHandler(Protocol):
    """The connection whose input is read: it acts on what is no message of the application."""

    socket: SocketTransport
    loop: asyncio.AbstractEventLoop

    def handle_handshake(self, events: list[Event]) -> None:
        """Answer the handshake, or end the connection."""

    def enqueue(self, payload: bytes, *, is_text: bool) -> None:
        """Queue a message for ASGI's ``receive``."""

    def handle_close_frame(self) -> None:
        """Act on a close frame."""

    def parser_failed(self) -> None:
        """Close with the error that websockets' parser found."""

    def fail(self, code: int, reason: str = "") -> None:
        """Close over a violation."""


class FrameReader:
    """One socket's input."""

    __slots__ = (
        "_aligned",
        "_at_once",
        "_budgets",
        "_conn",
        "_controls_left",
        "_cut_bytes",
        "_frames_left",
        "_handler",
        "_is_text",
        "_parts",
        "_refilled_at",
        "discarding",
        "receiver",
    )

    def __init__(self, handler: FrameHandler, conn: ServerProtocol, budgets: Budgets) -> None:
        self._handler = handler
        self._conn = conn
        self._budgets = budgets
        self._aligned = False
        self._cut_bytes = 0
        self._parts: list[bytes] = []
        self._is_text = False
        self._frames_left = budgets.frame_burst
        self._at_once = budgets.frames_at_once
        self._controls_left = budgets.controls_per_second
        self._refilled_at = handler.loop.time()
        self.receiver: Receiver | None = None
        self.discarding = False
        """Whether everything that still comes is thrown away."""

    def feed(self, data: bytes, *, more: bool) -> int:
        """Take ``data`` apart and hand on what is whole; how many bytes were taken.

        All of them, unless these made the socket eager, or there is ``more`` behind them: then a
        frame cut in two is left, to come again as a whole. Raises what the receiver raises.
        """
        if self.discarding:
            return len(data)
        self._refill()
        taken = 0
        if self._aligned and self.receiver is not None:
            is_over_budget = self._is_over_budget()
            if self._handler.socket.is_closed:
                taken = self._skip_text_frames(data)
            else:
                taken = self._read_text_frames(self.receiver, data)
            if taken == len(data) or self.discarding:
                return len(data)
            if taken and (more or self._is_over_budget() is not is_over_budget):
                return taken
        self._parse(data[taken:])
        return len(data)

    def next_slice_bytes(self, rest: memoryview) -> int:
        """How many bytes of ``rest`` to feed next.

        A frame is not cut, nor what is left of one: piece by piece through the parser it costs a
        multiple, and as a whole little but its copy.
        """
        if not self._aligned:
            return self._cut_bytes or self._budgets.slice_bytes
        least = THROTTLED_SLICE_BYTES if self.is_throttled() else self._budgets.slice_bytes
        return max(least, _end_of(rest, 0, len(rest)))

    def is_throttled(self) -> bool:
        """Whether it has spent so much of its burst that it is to wait for its turn."""
        if not self._is_over_budget():
            return False
        self._refill()
        return self._is_over_budget()

    def attach(self, receiver: Receiver) -> None:
        """Hand messages to ``receiver`` from now on."""
        self.receiver = receiver
        self._aligned = between_messages(self._conn)

    def forget_handshake(self) -> None:
        """Begin with a new parser, where that makes no difference: the first one still holds the
        request, 2 KiB."""
        if between_messages(self._conn):
            self._conn.parser = self._conn.parse()
            next(self._conn.parser)

    def stop(self) -> None:
        """Throw away what came, and what still comes."""
        self.discarding = True
        self._parts = []

    def deliver(self, payload: bytes, *, is_text: bool) -> None:
        """Hand one message to the receiver, or to ASGI's queue; 1007 for text that is no UTF-8."""
        if is_text and not (payload.isascii() or _is_utf8(payload)):
            self._handler.fail(1007, "invalid UTF-8")
        elif self.receiver is None:
            self._handler.enqueue(payload, is_text=is_text)
        elif is_text:
            self.receiver.text(payload)
        else:
            self.receiver.binary()

    def _refill(self) -> None:
        budgets = self._budgets
        now = self._handler.loop.time()
        passed = now - self._refilled_at
        self._refilled_at = now
        frames = self._frames_left + passed * budgets.frame_rate
        self._frames_left = min(frames, budgets.frame_burst)
        at_once = self._at_once + passed * budgets.frame_rate
        self._at_once = min(at_once, budgets.frames_at_once)
        controls = self._controls_left + passed * budgets.controls_per_second
        self._controls_left = min(controls, budgets.controls_per_second)

    def charge(self, messages: int) -> None:
        """See ``SocketTransport.charge``."""
        self._at_once -= messages

    def _is_over_budget(self) -> bool:
        return self._at_once < 0

    def _read_text_frames(self, receiver: Receiver, data: bytes) -> int:
        """Hand over the whole, unfragmented text frames that ``data`` begins with.

        Returns how many bytes they were. What is not one of them, or over the budget, or unmasked,
        is left to the parser.
        """
        start, end = 0, len(data)
        left = self._frames_left
        socket = self._handler.socket
        was_over_budget = self._is_over_budget()
        while left >= 1:
            body, stop = _text_at(data, start, end)
            if not body:
                break
            payload = apply_mask(data[body:stop], data[body - 4 : body])
            if not (payload.isascii() or _is_utf8(payload)):
                self._handler.fail(1007, "invalid UTF-8")
                return stop
            start = stop
            cost = 1 + len(payload) // BYTES_PER_CHARGE
            left -= cost
            self._at_once -= cost
            receiver.text(payload)
            if socket.is_closed or (self._at_once < 0 and not was_over_budget):
                break
        self._frames_left = left
        if start and not socket.is_closed:
            receiver.alive()
        return start

    def _skip_text_frames(self, data: bytes) -> int:
        """Count the whole text frames that ``data`` begins with, which nobody will hear.

        Our close frame is on its way; what was sent before the client saw it stands before its own.
        """
        start, end = 0, len(data)
        while self._frames_left >= 1:
            body, stop = _text_at(data, start, end)
            if not body:
                break
            self._frames_left -= 1 + (stop - body) // BYTES_PER_CHARGE
            start = stop
        return start

    def _parse(self, data: bytes) -> None:
        """Let websockets take ``data`` apart, and count what it finds."""
        conn, handler = self._conn, self._handler
        if conn.extensions:
            cost = len(data) / DEFLATED_BYTES_PER_CHARGE
            self._frames_left -= cost
            self._at_once -= cost
        left = _end_of(data, 0, len(data)) if self._aligned else self._cut_bytes
        self._cut_bytes = max(0, left - len(data))
        conn.receive_data(data)
        events = conn.events_received()
        if conn.state is State.CONNECTING:
            handler.handle_handshake(events)
            return
        for event in events:
            self._on_frame(cast("Frame", event))
            if self.discarding:
                return
        if conn.parser_exc is not None:
            handler.parser_failed()
            return
        if conn.writes:
            handler.socket.answer(b"".join(conn.data_to_send()))
        if self.receiver is not None:
            self._aligned = between_messages(conn)
            if events and not handler.socket.is_closed:
                self.receiver.alive()

    def _on_frame(self, event: Frame) -> None:
        opcode = event.opcode
        if opcode is Opcode.CLOSE:
            self._handler.handle_close_frame()
        elif opcode is Opcode.PING or opcode is Opcode.PONG:
            self._controls_left -= 1
            if self._controls_left < 0:
                self._handler.fail(CloseCode.FLOOD, "too many control frames")
            elif opcode is Opcode.PING and self._conn.writes:
                # Its pong, before the answers to the messages behind it.
                self._handler.socket.answer(self._conn.writes.pop(0))
        else:
            cost = 1 + len(event.data) // BYTES_PER_CHARGE
            self._frames_left -= cost
            self._at_once -= cost
            if self._frames_left < 0:
                self._handler.fail(CloseCode.FLOOD, "too many frames")
            elif not self._handler.socket.is_closed:
                self._assemble(event)

    def _assemble(self, event: Frame) -> None:
        if event.opcode is not Opcode.CONT:
            self._is_text = event.opcode is Opcode.TEXT
        self._parts.append(cast("bytes", event.data))
        if len(self._parts) > self._budgets.max_fragments:
            self._handler.fail(CloseCode.PROTOCOL_VIOLATION, "too many fragments")
        elif event.fin:
            parts, self._parts = self._parts, []
            self.deliver(parts[0] if len(parts) == 1 else b"".join(parts), is_text=self._is_text)


def _text_at(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the payload of the whole, masked, unfragmented text frame at ``start`` begins and ends.

    Zeros where there is none.
    """
    if start + 6 > end or data[start] != FIN_TEXT:
        return 0, 0
    size = data[start + 1] - 0x80
    body = start + 6
    if size < 0 or size == 0x7F:
        return 0, 0
    if size == 0x7E:
        body += 2
        size = data[start + 2] << 8 | data[start + 3]
    stop = body + size
    return (body, stop) if stop <= end else (0, 0)


def _end_of(data: bytes | memoryview, start: int, end: int) -> int:
    """Where the frame at ``start`` is to end by its header, of whatever kind and size it is.

    Zero where its size is not there yet.
    """
    if start + 2 > end:
        return 0
    size = data[start + 1] & 0x7F
    body = start + (6 if data[start + 1] & 0x80 else 2)
    if size >= 0x7E:
        width = 2 if size == 0x7E else 8
        if start + 2 + width > end:
            return 0
        body += width
        size = int.from_bytes(data[start + 2 : start + 2 + width])
    return body + size


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def between_messages(conn: ServerProtocol) -> bool:
    """Whether the parser waits for the first byte of a message."""
    if conn.state is not State.OPEN or conn.reader.buffer or conn.current_size is not None:
        return False
    parser: object = conn.parser
    while isinstance(parser, GeneratorType) and parser.gi_yieldfrom is not None:
        parser = parser.gi_yieldfrom
    return isinstance(parser, GeneratorType) and parser.gi_code is StreamReader.at_eof.__code__
