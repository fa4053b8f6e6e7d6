"""Reads the frames of one WebSocket: counts them, assembles messages, and delivers those.

Whole text frames are read here, which are nearly all input. From the first byte of any other frame,
the rest of a read goes through websockets' parser, which knows every rule of RFC 6455. No frame is
read by both, and only the parser judges a frame that is wrong.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol, cast

from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State
from websockets.server import ServerProtocol

from protocol.closes import CloseCode
from server.transport.budgets import Budgets
from server.transport.frames import FIN_PONG, FIN_TEXT, FrameBoundaries, frame_size, head

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the compiled part
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    import asyncio

    from server.transport.socket_transport import Receiver, SocketTransport


#: Bytes of a frame that are charged like one more frame. A frame of the published 64 KiB is charged
#: like five, one of the hard cap of 1 MiB like 65.
BYTES_PER_CHARGE = 16_384

#: Compressed bytes that are charged like one more frame, if compression was negotiated. Inflating
#: them takes up to 0.1 ms, even if they inflate to nothing.
DEFLATED_BYTES_PER_CHARGE = 1_024

#: Bytes in a slice of small frames from a throttled socket: 24 of the smallest text messages.
THROTTLED_SLICE_BYTES = 512

_END_OF_REQUEST: Final = b"\r\n\r\n"


class FrameHandler(Protocol):
    """The connection whose input is read. It acts on everything but messages."""

    socket: SocketTransport
    loop: asyncio.AbstractEventLoop

    def handle_handshake(self, events: list[Event]) -> None:
        """Answer the handshake, or end the connection."""

    def enqueue(self, payload: bytes, *, is_text: bool) -> None:
        """Queue a message for ASGI's ``receive``."""

    def handle_close_frame(self, payload: bytes) -> None:
        """Act on a close frame."""

    def parser_failed(self) -> None:
        """Close with the error that websockets' parser found."""

    def fail(self, code: int, reason: str = "") -> None:
        """Close over a violation."""


class FrameReader:
    """The input of one socket."""

    __slots__ = (
        "_at_once",
        "_boundaries",
        "_budgets",
        "_conn",
        "_controls_left",
        "_frames_left",
        "_handler",
        "_has_request",
        "_is_text",
        "_parts",
        "_rates",
        "_refilled_at",
        "_request_end",
        "discarding",
        "receiver",
    )

    def __init__(self, handler: FrameHandler, conn: ServerProtocol, budgets: Budgets) -> None:
        self._handler = handler
        self._conn = conn
        self._budgets = budgets
        self._has_request = False
        self._request_end = b""
        self._boundaries = FrameBoundaries()
        self._parts: list[bytes] = []
        self._is_text = False
        self._frames_left = budgets.frame_burst
        self._at_once = budgets.frames_at_once
        self._controls_left = budgets.controls_per_second
        self._refilled_at = handler.loop.time()
        self._rates = _rates(budgets)
        self.receiver: Receiver | None = None
        self.discarding = False
        """Whether all further input is discarded."""

    def feed(self, data: bytes, *, more: bool) -> int:
        """Read ``data``, deliver the messages that are complete, return how many bytes were used.

        All bytes are used, unless these made the socket throttled, or ``more`` input follows: then
        a frame that is cut in two is left, to be fed again as a whole. Raises what the receiver
        raises.
        """
        if self.discarding:
            return len(data)
        self._refill()
        taken = 0
        if self._boundaries.between_messages and self.receiver is not None:
            was_over_budget = self._at_once < 0
            if self._handler.socket.is_closed:
                taken = self._skip_text_frames(data)
            else:
                taken = self._read_text_frames(self.receiver, data)
            if taken == len(data) or self.discarding:
                return len(data)
            if taken and (more or (self._at_once < 0) is not was_over_budget):
                return taken
        if self._conn.state is State.CONNECTING:
            self._read_request(data)
        else:
            self._parse(data[taken:])
        return len(data)

    def next_slice_bytes(self, rest: memoryview) -> int:
        """Return how many bytes of ``rest`` to feed next.

        A frame is not cut, nor the rest of one: in small pieces it would cost the parser many times
        as much as the copy of the whole.
        """
        if self._boundaries.missing:
            return self._boundaries.missing
        if self.receiver is None or not self._boundaries.between_messages:
            return self._budgets.slice_bytes
        size = THROTTLED_SLICE_BYTES if self.is_throttled() else self._budgets.slice_bytes
        return max(size, frame_size(rest, 0, len(rest)))

    def is_throttled(self) -> bool:
        """Return whether the socket has spent so much of its burst that it takes turns."""
        if self._at_once >= 0:
            return False
        self._refill()
        return self._at_once < 0

    def open(self, conn: ServerProtocol) -> None:
        """Read frames with ``conn`` from now on: the handshake is over."""
        self._conn = conn

    def stop(self) -> None:
        """Discard the message that is being assembled, and all further input."""
        self.discarding = True
        self._parts = []

    def deliver(self, payload: bytes, *, is_text: bool) -> None:
        """Deliver a message to the receiver, or to ASGI's queue. Close 1007 if it is not UTF-8."""
        if is_text and not (payload.isascii() or _is_utf8(payload)):
            self._handler.fail(1007, "invalid UTF-8")
        elif self.receiver is None:
            self._handler.enqueue(payload, is_text=is_text)
        elif is_text:
            self.receiver.text(payload)
        else:
            self.receiver.binary()

    def charge(self, messages: int) -> None:
        """See ``SocketTransport.charge``."""
        self._at_once -= messages

    def _refill(self) -> None:
        now = self._handler.loop.time()
        passed = now - self._refilled_at
        self._refilled_at = now
        # At every read: the budgets' properties, and calls of ``min``, would take twice as long.
        rate, burst, most_at_once, most_controls = self._rates
        gained = passed * rate
        frames = self._frames_left + gained
        self._frames_left = burst if frames > burst else frames
        at_once = self._at_once + gained
        self._at_once = most_at_once if at_once > most_at_once else at_once
        controls = self._controls_left + passed * most_controls
        self._controls_left = most_controls if controls > most_controls else controls

    def _read_request(self, data: bytes) -> None:
        """Read the opening handshake.

        A byte after the request ends the connection: a client must wait for the response (RFC 6455,
        4.1). So the first frame begins with the first byte after the handshake.
        """
        seen = self._request_end + data
        end = seen.find(_END_OF_REQUEST)
        if self._has_request or 0 <= end < len(seen) - len(_END_OF_REQUEST):
            self._handler.socket.abort()
            return
        self._has_request = end >= 0
        self._request_end = seen[1 - len(_END_OF_REQUEST) :]
        self._conn.receive_data(data)
        self._handler.handle_handshake(self._conn.events_received())

    def _read_text_frames(self, receiver: Receiver, data: bytes) -> int:
        """Deliver the whole, unfragmented text frames at the beginning of ``data``.

        Returns how many bytes they were. All other frames are left to the parser, and those that
        are unmasked or over the budget.
        """
        start, end = 0, len(data)
        left = self._frames_left
        socket = self._handler.socket
        was_over_budget = self._at_once < 0
        while left >= 1 and start < end:
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
        """Count, and do not deliver, the whole text frames at the beginning of ``data``.

        The socket is closed, and the client sent them before it read the close frame.
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
        """Read ``data`` with websockets' parser, and count its frames."""
        conn, handler = self._conn, self._handler
        if conn.extensions:
            cost = len(data) / DEFLATED_BYTES_PER_CHARGE
            self._frames_left -= cost
            self._at_once -= cost
        self._boundaries.feed(data)
        conn.receive_data(data)
        conn.data_to_send()  # dropped: pongs and close frames are written here, in their order
        events = conn.events_received()
        for event in events:
            self._on_frame(cast("Frame", event))
            if self.discarding:
                return
        if conn.parser_exc is not None:
            handler.parser_failed()
        elif events and self.receiver is not None and not handler.socket.is_closed:
            self.receiver.alive()

    def _on_frame(self, event: Frame) -> None:
        opcode = event.opcode
        payload = cast("bytes", event.data)
        if opcode is Opcode.CLOSE:
            self._handler.handle_close_frame(payload)
        elif opcode is Opcode.PING or opcode is Opcode.PONG:
            self._controls_left -= 1
            if self._controls_left < 0:
                self._handler.fail(CloseCode.FLOOD, "too many control frames")
            elif opcode is Opcode.PING:
                self._handler.socket.answer(head(len(payload), FIN_PONG) + payload)
        else:
            cost = 1 + len(payload) // BYTES_PER_CHARGE
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


@lru_cache(maxsize=8)
def _rates(budgets: Budgets) -> tuple[float, float, float, float]:
    """Return a socket's frames a second and most, those at once, and its control frames."""
    return (
        budgets.frame_rate,
        budgets.frame_burst,
        budgets.frames_at_once,
        budgets.controls_per_second,
    )


def _text_at(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return where the payload of a text frame at ``start`` begins and ends.

    Zeros unless the frame is whole, masked, unfragmented and below 64 KiB.
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


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
