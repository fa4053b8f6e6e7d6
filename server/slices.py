"""Reading a socket one slice at a time, so that the others have their turn in between."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

#: Between two reads of input that is thrown away. 25 MB/s, each in one copy, are enough to hear an
#: honest client out within ``flush_s``, and little against what is said to the others.
_DISCARD_S = 0.01


class SlicedReading(WebSocketsSansIOProtocol, asyncio.BufferedProtocol):
    """uvicorn's WebSocket protocol, given no more than a slice at a time.

    asyncio reads into one buffer that all sockets share, once a turn of the loop, and the rest
    stays with the operating system. uvloop reads as it likes; what is too much waits here.
    """

    _buffer: memoryview
    _rest: memoryview

    def read_into(self, buffer: memoryview) -> None:
        """Read into ``buffer``, whose size is that of a slice."""
        self._buffer = buffer
        self._rest = memoryview(b"")

    def take(self, data: bytes) -> None:
        """Take in a slice of what was read. Must not raise."""
        raise NotImplementedError

    def is_deaf(self) -> bool:
        """Whether what is read is thrown away."""
        raise NotImplementedError

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport puts what it reads: one slice, used up before the next read."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """A slice was read."""
        self.take(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Much was read: uvloop knows no buffer of a protocol that is an ``asyncio.Protocol`` too,
        and brings up to 256,000 bytes. uvicorn comes here with the handshake."""
        if self._rest:  # reading went on all the same
            self._rest = memoryview(bytes(self._rest) + data)
        elif len(data) <= len(self._buffer):
            self.take(data)
        else:
            # Paused, or uvloop would read up to 32 times more before the others have their turn.
            self.transport.pause_reading()
            self._rest = memoryview(data)
            if self.is_deaf():
                self.loop.call_later(_DISCARD_S, self._take_slice)
            else:
                self.loop.call_soon(self._take_slice)

    def _take_slice(self) -> None:
        """Take one slice of the rest, and go on after the others had their turn."""
        if self.is_deaf():
            self._rest = memoryview(b"")
        if self._rest:
            size = len(self._buffer)
            data, self._rest = bytes(self._rest[:size]), self._rest[size:]
            self.loop.call_soon(self._take_slice)
            self.take(data)
        elif not (self.read_paused or self.transport.is_closing()):
            self.transport.resume_reading()


def shared_buffer(state: ServerState, size: int) -> memoryview:
    """The buffer of all sockets of one server, and so of one loop."""
    found = getattr(state, "ayes_buffer", None)
    if not isinstance(found, memoryview) or len(found) != size:
        found = memoryview(bytearray(size))
        state.ayes_buffer = found  # type: ignore[attr-defined]  # ours, on uvicorn's object
    return found
