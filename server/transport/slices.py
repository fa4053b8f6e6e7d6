"""Reading a socket one slice at a time, so that the others have their turn in between."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from server.limits.fair_scheduler import FairScheduler

#: Between two reads of input that is thrown away. 5 MB/s are more than an honest client has on its
#: way when it is closed, and little against what is said to the others; at five times as much,
#: eight attackers kept both sides' processors busy with copying.
_DISCARD_INTERVAL_S = 0.05
#: Bytes that asyncio reads from an eager socket at once, which then has its slices from memory:
#: with one small read a turn it took 10 s to be rid of a flood of large frames.
_READ_BUFFER_BYTES = 65_536


class SlicedReading(WebSocketsSansIOProtocol, asyncio.BufferedProtocol):
    """uvicorn's WebSocket protocol, given no more than a slice at a time.

    asyncio reads into one buffer that all sockets share, once a turn of the loop, and the rest
    stays with the operating system. uvloop reads as it likes; what is too much waits here. A socket
    that is *eager* has its slices in ``FairScheduler``, which all that are eager share.
    """

    _buffer: memoryview
    _slice_bytes: int
    _rest: memoryview
    turns: FairScheduler

    def configure_reading(self, buffer: memoryview, slice_bytes: int, turns: FairScheduler) -> None:
        """Read into ``buffer``, and take ``slice_bytes`` at a time."""
        self._buffer = buffer
        self._slice_bytes = slice_bytes
        self._rest = memoryview(b"")
        self.turns = turns

    def feed_slice(self, data: bytes, *, more: bool) -> int:
        """Take in a slice of what was read; how much of it was taken. Must not raise.

        What is left comes again. Something is left only where the socket has become eager, or
        there is ``more`` to come behind it.
        """
        raise NotImplementedError

    def is_discarding(self) -> bool:
        """Whether what is read is thrown away."""
        raise NotImplementedError

    def is_throttled(self) -> bool:
        """Whether it says so much that it is to wait for its turn."""
        raise NotImplementedError

    def next_slice_bytes(self, rest: memoryview) -> int:
        """How many bytes of ``rest`` are the next slice."""
        raise NotImplementedError

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport puts what it reads, used up before the next read."""
        return self._buffer if self.is_throttled() else self._buffer[: self._slice_bytes]

    def buffer_updated(self, nbytes: int) -> None:
        """So much was read."""
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Much was read: uvloop knows no buffer of a protocol that is an ``asyncio.Protocol`` too,
        and brings up to 256,000 bytes. uvicorn comes here with the handshake."""
        if self._rest:  # reading went on all the same
            self._rest = memoryview(bytes(self._rest) + data)
            return
        if len(data) <= self._slice_bytes and not self.is_throttled():
            taken = self.feed_slice(data, more=False)
            data = data[taken:]
            if not data or self.transport.is_closing():
                return
        # Paused, or uvloop would read up to 32 times more before the others have their turn.
        self.transport.pause_reading()
        self._rest = memoryview(data)
        self._schedule_slice()

    def drop_unread(self) -> None:
        """The connection is gone: nothing of it is taken any more."""
        self._rest = memoryview(b"")

    def run_slice(self) -> None:
        """Take one slice of the rest, and go on after the others had their turn."""
        if self.is_discarding():
            self._rest = memoryview(b"")
        if self._rest:
            size = self.next_slice_bytes(self._rest)
            taken = self.feed_slice(bytes(self._rest[:size]), more=len(self._rest) > size)
            self._rest = self._rest[taken:]
        if self._rest:
            self._schedule_slice()
        elif not (self.read_paused or self.transport.is_closing()):
            self.transport.resume_reading()

    def _schedule_slice(self) -> None:
        if self.is_discarding():
            self.loop.call_later(_DISCARD_INTERVAL_S, self.run_slice)
        elif self.is_throttled():
            self.turns.wait(self)
        else:
            self.loop.call_soon(self.run_slice)


def shared_buffer(state: ServerState) -> memoryview:
    """The buffer of all sockets of one server, and so of one loop."""
    found = getattr(state, "ayes_buffer", None)
    if not isinstance(found, memoryview):
        found = memoryview(bytearray(_READ_BUFFER_BYTES))
        state.ayes_buffer = found  # type: ignore[attr-defined]  # ours, on uvicorn's object
    return found


def shared_turns(state: ServerState, loop: asyncio.AbstractEventLoop) -> FairScheduler:
    """The turns of all sockets of one server."""
    found = getattr(state, "ayes_turns", None)
    if not isinstance(found, FairScheduler):
        found = FairScheduler(loop)
        state.ayes_turns = found  # type: ignore[attr-defined]  # as above
    return found
