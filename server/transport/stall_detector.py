"""Detects connections whose unsent output makes no progress, and aborts connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Final, Protocol

#: Checks of a connection with unsent output in each ``stall_timeout_s``. The connection ends
#: between one and one and a quarter of that time after its last progress.
STALL_CHECKS: Final = 4

_LINGER_ZERO: Final = struct.pack("ii", 1, 0)


def abort_with_reset(transport: asyncio.Transport) -> None:
    """End a connection now, and drop its unsent output. Never raises.

    With ``SO_LINGER`` 0 the kernel sends a reset and releases the socket. Otherwise it would keep
    the unread output, and the FIN after it, for minutes.
    """
    sock = transport.get_extra_info("socket")
    # A closing transport without output has closed its descriptor, which may be reused by now.
    if sock is not None and (transport.get_write_buffer_size() or not transport.is_closing()):
        with contextlib.suppress(OSError):  # already gone
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()


class Output(Protocol):
    """The output that is watched."""

    def unsent(self) -> int:
        """Return how many bytes the operating system has not taken yet."""

    def sent(self) -> int:
        """Return a number that grows if, and only if, the operating system takes bytes."""

    def abort(self) -> None:
        """End the connection."""


class StallDetector:
    """Aborts a connection whose unsent output has made no progress for ``stall_timeout_s``.

    A timer runs only while there is unsent output: an idle connection has none.
    """

    __slots__ = ("_every", "_last", "_loop", "_output", "_still", "_timer")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, stall_timeout_s: float, output: Output
    ) -> None:
        self._loop = loop
        self._every = stall_timeout_s / STALL_CHECKS
        self._output = output
        self._timer: asyncio.TimerHandle | None = None
        self._last = 0
        self._still = 0

    @property
    def watching(self) -> bool:
        """Whether a timer runs."""
        return self._timer is not None

    def watch(self) -> None:
        """Start the timer, unless it runs."""
        if self._timer is None:
            self._last = self._output.sent()
            self._still = 0
            self._timer = self._loop.call_later(self._every, self._look)

    def stop(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if not self._output.unsent():
            return
        sent = self._output.sent()
        self._still = 0 if sent > self._last else self._still + 1
        self._last = sent
        if self._still >= STALL_CHECKS:
            self._output.abort()
        else:
            self._timer = self._loop.call_later(self._every, self._look)
