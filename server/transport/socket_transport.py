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

    What one of these raises is logged with its traceback, once, and closes the socket with 4004;
    other sockets do not notice.
    """

    def text(self, payload: bytes) -> None:
        """One whole text message. It is valid UTF-8, and bytes: ASCII is verified without being
        decoded, and ``len`` is what the limits are about."""

    def binary(self) -> None:
        """A binary message came. What was in it is gone."""

    def alive(self) -> None:
        """At least one frame came, pings and pongs included. Called once for all that came
        together."""

    def writable(self) -> None:
        """Unsent output is below ``room_bytes`` again, after it was not."""

    def closed(self, code: int) -> None:
        """The socket is over: nothing more comes, nothing more is written. Exactly once, the last
        of all calls, whoever ended it; 1006 where there was no close frame, 1005 where there was
        no code in it."""


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
    """One socket's output. No call waits, and none raises because the peer is gone."""

    __slots__ = (
        "_ack_bytes",
        "_answer_end",
        "_answer_size",
        "_output_bytes",
        "_owner",
        "_paused",
        "_room_bytes",
        "_room_end",
        "_room_size",
        "_stall_detector",
        "_transport",
        "_written",
        "deflates",
        "failed",
        "is_closed",
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
        self._paused = False
        self.is_closed = False
        """Whether the socket is over: a close frame was sent or received, or the peer is gone."""
        self.failed = False
        """Whether the peer broke the rules, and the socket was closed for it."""
        self.deflates = False
        """Whether frames may be compressed, as ``server/transport/deflate.py`` does it."""
        self._stall_detector = StallDetector(owner.loop, budgets.stall_timeout_s, self)

    def attach(self, receiver: Receiver) -> None:
        """Hand what comes to ``receiver`` from now on, in place of ASGI's ``receive()``.

        To be called once, after ``websocket.accept``. What ASGI has queued already is handed over
        first. ``websocket.disconnect`` still comes through ASGI, so that an endpoint can await
        ``receive()`` until the end. On a socket that is over, ``receiver`` is told so.

        Raises ``RuntimeError`` before the accept and on the second call.
        """
        self._owner.attach(receiver)

    def charge(self, messages: int) -> None:
        """Count ``messages`` more than one in the text that is being handed over.

        Whoever says much at once is not refused for it, but waits for its turn (``FairScheduler``).
        """
        self._owner.charge(messages)

    def defer(self, waiting: Runnable) -> None:
        """Have ``FairScheduler`` call ``waiting.run_slice`` once."""
        self._owner.defer(waiting)

    def send(self, data: bytes) -> None:
        """Write ready-made frames: acks, answers, control messages.

        With more than ``ack_bytes`` unsent beside the room frame in flight, the socket is aborted.
        One write of more than ``room_bytes`` does not count while it is under way: an answer of any
        size reaches a client that reads.
        """
        if len(data) > self._room_bytes and self._answer_end <= self.sent():
            self._answer_end, self._answer_size = self._written + len(data), len(data)
        self._write(data, self._ack_bytes)

    def can_send_room_frame(self) -> bool:
        """Whether a room frame may be written now: less than ``room_bytes`` are unsent."""
        return not (self._paused or self.is_closed)

    def send_room(self, *parts: bytes) -> None:
        """Write a shared frame of any size, if ``can_send_room_frame()``; uvloop copies no part.

        Its bytes do not count against the limit for acks while it is the latest; written without
        asking, they count from the next room frame on.
        """
        if self.is_closed or self._transport.is_closing():
            return
        self._room_size = size = sum(map(len, parts))
        self._written = self._room_end = self._written + size
        if len(parts) == 1:
            self._transport.write(parts[0])
        else:
            self._transport.writelines(parts)
        if self._transport.get_write_buffer_size():
            self._check_unsent(self._ack_bytes)

    def unsent(self) -> int:
        """Bytes that the operating system has not taken yet."""
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
        """The peer has said who it is: its connection gives way to no other from now on."""
        self._owner.mark_identified()

    def abort(self) -> None:
        """End now, with a reset; unsent output is thrown away."""
        self._owner.end(1006)
        abort_with_reset(self._transport)

    # The guard's side.

    def answer(self, data: bytes) -> None:
        """Write what the peer made us say: pongs. Over ``output_bytes`` unsent, abort."""
        self._write(data, self._output_bytes)

    def write_close(self, data: bytes) -> None:
        """Write a close frame; nothing is written after it."""
        if not (self.is_closed or self._transport.is_closing()):
            self._written += len(data)
            self._transport.write(data)
        self.is_closed = True
        self.watch()

    def pause(self) -> None:
        """``room_bytes`` are unsent."""
        self._paused = True
        self._stall_detector.watch()

    def resume(self) -> None:
        """They are not any more, which is progress."""
        self._paused = False
        self._stall_detector.stop()
        self.watch()

    def watch(self) -> None:
        """Give the connection up where its unsent output does not move."""
        if self._transport.get_write_buffer_size():
            self._stall_detector.watch()

    def lost(self) -> None:
        """The connection is gone."""
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
        if self._paused and self._unsent_acks() > limit:
            self.abort()

    def sent(self) -> int:
        """Bytes that the operating system has taken."""
        return self._written - self._transport.get_write_buffer_size()

    def _unsent_acks(self) -> int:
        """Unsent bytes without those of the latest room frame, and of a large answer."""
        unsent = self._transport.get_write_buffer_size()
        sent = self._written - unsent
        room = max(0, min(self._room_size, self._room_end - sent))
        answer = max(0, min(self._answer_size, self._answer_end - sent))
        return unsent - room - answer
