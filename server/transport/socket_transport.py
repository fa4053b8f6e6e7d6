"""The direct path between a session and its socket, past ASGI.

``GuardedWebSocket`` puts it into the ASGI scope as ``scope["extensions"]["ayes.socket"]``. ASGI
opens the connection and reports its end. Messages in between pass through here without a queue, a
task or a copy.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from server.transport.frames import PING
from server.transport.stall_detector import StallDetector, abort_with_reset

if TYPE_CHECKING:
    from server.limits.fair_scheduler import Runnable
    from server.transport.budgets import Budgets

EXTENSION: Final = "ayes.socket"
"""The transport's name among the extensions of an ASGI scope."""


class Receiver(Protocol):
    """Takes the messages of a socket. Never called from inside a call of its ``SocketTransport``.

    An exception from one of these methods is logged with its traceback and closes this socket with
    4004. Other sockets are not affected.
    """

    def text(self, payload: bytes) -> None:
        """Take one whole text message, as valid UTF-8.

        It stays bytes: ASCII is verified without being decoded, and limits count bytes.
        """

    def binary(self) -> None:
        """Note that a binary message came; its payload is dropped."""

    def alive(self) -> None:
        """Note that at least one frame came, control frames included. Called once per read."""

    def writable(self) -> None:
        """Resume room frames: unsent output has fallen below ``room_bytes`` again."""

    def closed(self, code: int) -> None:
        """Release everything: the socket has ended with ``code``.

        Called exactly once, as the last call, whichever side closed. The code is 1006 if there was
        no close frame, 1005 if it had no code.
        """


class Owner(Protocol):
    """The connection that a ``SocketTransport`` writes for, as its protocol class."""

    loop: asyncio.AbstractEventLoop
    budgets: Budgets

    def attach(self, receiver: Receiver) -> None:
        """See ``SocketTransport.attach``."""

    def charge(self, messages: int) -> None:
        """See ``SocketTransport.charge``."""

    def defer(self, waiting: Runnable) -> None:
        """See ``SocketTransport.defer``."""

    def mark_identified(self) -> None:
        """See ``SocketTransport.mark_identified``."""

    def close(self, code: int, reason: str) -> None:
        """See ``SocketTransport.close``."""

    def fail(self, code: int, reason: str, *, offends: bool) -> None:
        """See ``SocketTransport.fail``."""

    def end(self, code: int) -> None:
        """Report the end of the socket to the application."""


class SocketTransport:
    """The output of one socket. No call waits, and none raises because the client is gone."""

    __slots__ = (
        "_ack_bytes",
        "_answer_end",
        "_answer_size",
        "_output_bytes",
        "_owner",
        "_room_bytes",
        "_room_end",
        "_room_size",
        "_stall_detector",
        "_transport",
        "_written",
        "deflates",
        "failed",
        "is_closed",
        "is_paused",
    )

    def __init__(self, owner: Owner, transport: asyncio.Transport) -> None:
        budgets = owner.budgets
        self._owner = owner
        self._transport = transport
        self._output_bytes = budgets.output_bytes
        self._ack_bytes = budgets.ack_bytes
        self._room_bytes = budgets.room_bytes
        self._written = 0
        self._room_end = 0
        self._room_size = 0
        self._answer_end = 0
        self._answer_size = 0
        self.is_paused = False
        """Whether ``room_bytes`` are unsent, so that no frame of a room may be written."""
        self.is_closed = False
        """Whether a close frame was sent or received, or the connection is lost."""
        self.failed = False
        """Whether the socket was closed over a violation by its client."""
        self.deflates = False
        """Whether the client reads the frames that ``server/transport/deflate.py`` makes."""
        self._stall_detector = StallDetector(owner.loop, budgets.stall_timeout_s, self)

    def attach(self, receiver: Receiver) -> None:
        """Deliver input to ``receiver`` from now on, in place of ASGI's ``receive()``.

        Call it once, after ``websocket.accept``. Messages that ASGI has queued are delivered first.
        ``websocket.disconnect`` still comes through ASGI, so that an endpoint can await
        ``receive()`` until the end. On a closed socket, ``receiver.closed`` is called.

        Raises ``RuntimeError`` before the accept and on the second call.
        """
        self._owner.attach(receiver)

    def charge(self, messages: int) -> None:
        """Charge for ``messages`` besides the first in the text that is being delivered.

        A client that sends large batches is not refused: its socket is throttled.
        """
        self._owner.charge(messages)

    def defer(self, waiting: Runnable) -> None:
        """Queue ``waiting`` with the throttled sockets; its ``run_slice`` is called once."""
        self._owner.defer(waiting)

    def send(self, data: bytes) -> None:
        """Write complete frames: acks, answers, control messages.

        Aborts the socket if more than ``ack_bytes`` are unsent, the latest room frame excluded. One
        write of more than ``room_bytes`` is excluded too while it is in flight: an answer of any
        size reaches a client that reads.
        """
        if len(data) > self._room_bytes and self._answer_end <= self.sent():
            self._answer_end, self._answer_size = self._written + len(data), len(data)
        self._write(data, self._ack_bytes)

    def can_send_room_frame(self) -> bool:
        """Return whether fewer than ``room_bytes`` are unsent."""
        return not (self.is_paused or self.is_closed)

    def send_room(self, *parts: bytes, answers: bytes = b"") -> int:
        """Write a shared frame of any size, if ``can_send_room_frame()``; uvloop copies no part.

        The latest room frame does not count against ``ack_bytes``; all earlier ones do.
        ``answers``: complete frames that go before it in the same write, and count.

        Returns the size of the frame; 0 on a closed socket, where nothing is written.
        """
        transport = self._transport
        if self.is_closed or transport.is_closing():
            return 0
        if len(parts) == 1 and not answers:
            (data,) = parts
            self._room_size = size = len(data)
            self._written = self._room_end = self._written + size
            transport.write(data)
        else:
            if len(answers) > self._room_bytes:
                self.send(answers)
                answers = b""
            self._room_size = size = sum(map(len, parts))
            self._written = self._room_end = self._written + len(answers) + size
            transport.writelines((answers, *parts) if answers else parts)
        if transport.get_write_buffer_size():
            self._check_unsent(self._ack_bytes)
        return size

    def unsent(self) -> int:
        """Return how many bytes the operating system has not taken yet."""
        return self._transport.get_write_buffer_size()

    def ping(self) -> None:
        """Send an empty ping; the answer shows as ``Receiver.alive``."""
        self._write(PING, self._ack_bytes)

    def close(self, code: int, reason: str = "") -> None:
        """Send a close frame after all earlier output, and end.

        If the client sends no close frame within ``close_timeout_s``, the socket is aborted. A
        reason over 123 bytes is cut. Does nothing on a closed socket.

        Raises ``websockets.ProtocolError`` for a code that no close frame may carry.
        """
        self._owner.close(code, reason)

    def fail(self, code: int, reason: str = "", *, offends: bool = True) -> None:
        """Close over a violation: discard all further input, end within ``flush_timeout_s``.

        With ``offends=False`` the client is not to blame, and ``failed`` stays as it is.
        """
        if not self.is_closed:
            self._owner.fail(code, reason, offends=offends)

    def mark_identified(self) -> None:
        """Keep the connection's place: its client is identified, so it gives way to no other."""
        self._owner.mark_identified()

    def abort(self) -> None:
        """End now, with a reset. Unsent output is dropped."""
        self._owner.end(1006)
        abort_with_reset(self._transport)

    # For the connection that owns it.

    def answer(self, data: bytes) -> None:
        """Write a pong. Aborts the socket if more than ``output_bytes`` are unsent."""
        self._write(data, self._output_bytes)

    def write_close(self, data: bytes) -> None:
        """Write a close frame, and nothing after it."""
        if not (self.is_closed or self._transport.is_closing()):
            self._written += len(data)
            self._transport.write(data)
        self.is_closed = True
        self.watch()

    def pause(self) -> None:
        """Stop room frames: ``room_bytes`` are unsent."""
        self.is_paused = True
        self._stall_detector.watch()

    def resume(self) -> None:
        """Resume room frames: fewer than ``room_bytes`` are unsent."""
        self.is_paused = False
        self._stall_detector.stop()
        self.watch()

    def watch(self) -> None:
        """Abort the connection if its unsent output makes no progress."""
        if self._transport.get_write_buffer_size():
            self._stall_detector.watch()

    def lost(self) -> None:
        """Stop all output: the connection is lost."""
        self.is_closed = True
        self._stall_detector.stop()

    def _write(self, data: bytes, limit: int) -> None:
        if self.is_closed or self._transport.is_closing():
            return
        self._written += len(data)
        self._transport.write(data)
        if self._transport.get_write_buffer_size():
            self._check_unsent(limit)

    def _check_unsent(self, limit: int) -> None:
        if not self._stall_detector.watching:
            self._stall_detector.watch()
        if self.is_paused and self._unsent_acks() > limit:
            self.abort()

    def sent(self) -> int:
        """Return how many bytes the operating system has taken."""
        return self._written - self._transport.get_write_buffer_size()

    def _unsent_acks(self) -> int:
        """Return the unsent bytes, the latest room frame and a large answer excluded."""
        unsent = self._transport.get_write_buffer_size()
        sent = self._written - unsent
        room = max(0, min(self._room_size, self._room_end - sent))
        answer = max(0, min(self._answer_size, self._answer_end - sent))
        return unsent - room - answer
