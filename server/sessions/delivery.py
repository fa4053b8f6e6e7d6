"""The large frames of one socket, each counted against its user's share of memory.

A frame takes a place before it is made, and frees it once the socket has sent it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.transport.large_answers import MIN_LARGE_BYTES, LargeAnswers, Place

if TYPE_CHECKING:
    from server.transport.socket_transport import SocketTransport


class Delivery:
    """Takes and frees places in ``LargeAnswers`` for the frames of one socket."""

    __slots__ = ("_large", "_next", "_reserved", "_transport", "_under_way")

    def __init__(self, large: LargeAnswers, transport: SocketTransport) -> None:
        self._large = large
        self._transport = transport
        self._reserved: Place | None = None
        """For the answer that the request worker is about to make."""
        self._next: Place | None = None
        """For a diff that is written at once."""
        self._under_way: list[Place] = []

    async def reserve(self, user: str) -> None:
        """Wait for a place for the next answer."""
        if self._reserved is None:
            self._reserved = await self._large.place(user)

    def release(self) -> None:
        """Free the places that were not used."""
        for place in (self._reserved, self._next):
            if place is not None:
                place.end()
        self._reserved = self._next = None

    def admits(self, user: str, size: int) -> bool:
        """Whether a frame of ``size`` bytes may be written; if so, it has to be written at once."""
        if size < MIN_LARGE_BYTES:
            return True
        self._next = self._large.place_now(user)
        return self._next is not None

    def written(self, parts: tuple[bytes, ...]) -> None:
        """Count a large frame that was just written, until the socket has room again."""
        place, self._next = self._next, None
        if place is None:
            place, self._reserved = self._reserved, None
        if place is None:
            return
        if self._transport.can_send_room_frame():
            place.end()
        else:
            place.carry(parts, self._transport.abort)
            self._under_way.append(place)

    def writable(self) -> None:
        """Free the places of written frames: the socket has room again."""
        while self._under_way:
            self._under_way.pop().end()

    def close(self) -> None:
        """Free all places: the socket is closed."""
        self.release()
        self.writable()


def in_writes(frames: list[bytes]) -> list[bytes]:
    """Join ``frames`` into few writes, in order. A large frame stays alone: it is counted apart."""
    joined = b"".join(frames)
    if len(joined) < MIN_LARGE_BYTES:
        return [joined]
    writes: list[bytes] = []
    small: list[bytes] = []
    for data in frames:
        if len(data) < MIN_LARGE_BYTES:
            small.append(data)
            continue
        if small:
            writes.append(b"".join(small))
            small = []
        writes.append(data)
    return [*writes, b"".join(small)] if small else writes
