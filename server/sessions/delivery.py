"""The large frames of one socket: each has a place from before it is made until it has left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.transport.large_answers import LARGE_BYTES, LargeAnswers, Place

if TYPE_CHECKING:
    from server.transport.socket_transport import SocketTransport


class Delivery:
    """Takes and gives back the places of a socket's large frames (``LargeAnswers``)."""

    __slots__ = ("_large", "_next", "_reserved", "_transport", "_under_way")

    def __init__(self, large: LargeAnswers, transport: SocketTransport) -> None:
        self._large = large
        self._transport = transport
        self._reserved: Place | None = None
        """For what the desk is about to make."""
        self._next: Place | None = None
        """For a diff that is written at once."""
        self._under_way: list[Place] = []

    async def reserve(self, user: str) -> None:
        """Wait for a place for the next answer."""
        if self._reserved is None:
            self._reserved = await self._large.place(user)

    def release(self) -> None:
        """Give back places that were not used."""
        for place in (self._reserved, self._next):
            if place is not None:
                place.end()
        self._reserved = self._next = None

    def admits(self, user: str, size: int) -> bool:
        """Whether a frame of ``size`` bytes may be written; if so, that is to be done at once."""
        if size < LARGE_BYTES:
            return True
        self._next = self._large.place_now(user)
        return self._next is not None

    def written(self, parts: tuple[bytes, ...]) -> None:
        """Count a frame that was just written, until the socket has room again."""
        if sum(map(len, parts)) < LARGE_BYTES:
            return
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
        """What was written has left, but for what a socket's buffer takes."""
        while self._under_way:
            self._under_way.pop().end()

    def close(self) -> None:
        """The socket is over."""
        self.release()
        self.writable()


def in_writes(frames: list[bytes]) -> list[bytes]:
    """``frames`` in order, as few writes; a large one alone: the transport does not count it."""
    joined = b"".join(frames)
    if len(joined) < LARGE_BYTES:
        return [joined]
    writes: list[bytes] = []
    small: list[bytes] = []
    for data in frames:
        if len(data) < LARGE_BYTES:
            small.append(data)
            continue
        if small:
            writes.append(b"".join(small))
            small = []
        writes.append(data)
    return [*writes, b"".join(small)] if small else writes
