"""The streams over HTTP that are open on this node, to be woken if one may have to end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Stream(Protocol):
    """One of them."""

    def wake(self) -> None:
        """Look whether the stream may go on."""

    def leave(self) -> None:
        """End the stream: the server goes away."""


class Streams:
    """The open streams, by user."""

    def __init__(self) -> None:
        self._of: dict[str, set[Stream]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def __iter__(self) -> Iterator[Stream]:
        for streams in list(self._of.values()):
            yield from tuple(streams)

    def begin(self, user: str, stream: Stream) -> None:
        """A stream of ``user`` is open."""
        self._of.setdefault(user, set()).add(stream)

    def end(self, user: str, stream: Stream) -> None:
        """It is over."""
        streams = self._of.get(user)
        if streams is not None:
            streams.discard(stream)
            if not streams:
                del self._of[user]

    def wake(self, user: str) -> None:
        """Have the streams of ``user`` look whether they may go on."""
        for stream in tuple(self._of.get(user, ())):
            stream.wake()
