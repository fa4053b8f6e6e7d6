"""Reading a socket one slice at a time, so that other sockets take their turn in between."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from server.limits.fair_scheduler import FairScheduler

#: Seconds between two reads of input that is discarded, which limits a closed socket to about
#: 5 MB/s. An honest client has less in transit when it is closed; faster reads would let a few
#: attackers keep a processor busy with copying.
_DISCARD_INTERVAL_S = 0.05
#: Bytes that asyncio reads at once from a throttled socket, whose slices then come from memory. One
#: small read per turn would take ten times as long to drain a flood of large frames.
READ_BUFFER_BYTES = 65_536


class SlicedReading(WebSocketsSansIOProtocol, asyncio.BufferedProtocol):
    """uvicorn's WebSocket protocol, read in slices.

    asyncio reads into one buffer that all sockets share, once per iteration of the loop; the rest
    stays with the operating system. uvloop reads any size, and the excess waits here. The slices of
    a throttled socket take turns with those of all other throttled sockets.
    """

    _buffer: memoryview
    _slice_bytes: int
    _rest: memoryview
    throttled: FairScheduler

    def configure_reading(
        self, buffer: memoryview, slice_bytes: int, throttled: FairScheduler
    ) -> None:
        """Read into ``buffer``, in slices of ``slice_bytes``."""
        self._buffer = buffer
        self._slice_bytes = slice_bytes
        self._rest = memoryview(b"")
        self.throttled = throttled

    def feed_slice(self, data: bytes, *, more: bool) -> int:
        """Process a slice of input, and return how many of its bytes were used. Must not raise.

        The rest is fed again with later input. A rest is allowed only if the socket has become
        throttled, or if ``more`` input follows.
        """
        raise NotImplementedError

    def is_discarding(self) -> bool:
        """Return whether all further input is discarded."""
        raise NotImplementedError

    def is_throttled(self) -> bool:
        """Return whether the socket is over its budget, and takes turns."""
        raise NotImplementedError

    def next_slice_bytes(self, rest: memoryview) -> int:
        """Return how many bytes of ``rest`` are the next slice."""
        raise NotImplementedError

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer for the next read; ``buffer_updated`` empties it at once."""
        return self._buffer if self.is_throttled() else self._buffer[: self._slice_bytes]

    def buffer_updated(self, nbytes: int) -> None:
        """Process ``nbytes`` that asyncio read into the buffer."""
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Process ``data`` if it is one slice, else queue it and pause reading.

        uvloop takes a class that is also an ``asyncio.Protocol`` for one without a buffer, and
        brings up to 256,000 bytes here. uvicorn calls this with the handshake.
        """
        if self._rest:  # the transport went on reading although it was paused
            self._rest = memoryview(bytes(self._rest) + data)
            return
        if len(data) <= self._slice_bytes and not self.is_throttled():
            taken = self.feed_slice(data, more=False)
            data = data[taken:]
            if not data or self.transport.is_closing():
                return
        # Without the pause uvloop would read up to 32 times more before other sockets' turn.
        self.transport.pause_reading()
        self._rest = memoryview(data)
        self._schedule_slice()

    def drop_unread(self) -> None:
        """Drop the queued input of a lost connection."""
        self._rest = memoryview(b"")

    def run_slice(self) -> None:
        """Process one slice of the queued input, and schedule the next one."""
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
            self.throttled.wait(self)
        else:
            self.loop.call_soon(self.run_slice)
