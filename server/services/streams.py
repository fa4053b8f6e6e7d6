"""The open HTTP streams of this node, to be woken if one may have to end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Stream(Protocol):
    """An open stream, as the registry knows it."""

    def wake(self) -> None:
        """Check whether the stream may continue."""

    def leave(self) -> None:
        """End the stream, because the node drains."""


class Streams:
    """The open streams, by user."""

    def __init__(self) -> None:
        self._of: dict[str, dict[Stream, None]] = {}
        """Each user's streams, the oldest first."""

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def __iter__(self) -> Iterator[Stream]:
        for streams in list(self._of.values()):
            yield from tuple(streams)

    def begin(self, user: str, stream: Stream) -> None:
        """Register an open stream of ``user``."""
        self._of.setdefault(user, {})[stream] = None

    def end(self, user: str, stream: Stream) -> None:
        """Remove a stream that has ended."""
        streams = self._of.get(user)
        if streams is not None:
            streams.pop(stream, None)
            if not streams:
                del self._of[user]

    def end_newest(self, user: str, count: int) -> None:
        """End the last ``count`` streams of ``user``."""
        for stream in list(self._of.get(user, ()))[-count:] if count else ():
            stream.leave()

    def wake(self, user: str) -> None:
        """Let the streams of ``user`` check whether they may continue."""
        for stream in tuple(self._of.get(user, ())):
            stream.wake()
