"""The data that a child process is given: over its standard input, which then stays open."""

from __future__ import annotations

import pickle
from typing import BinaryIO, NamedTuple

from server.config.settings import Settings

_SIZE_BYTES = 4


class ChildStart(NamedTuple):
    """The settings of a child, and the file descriptors that it inherits."""

    settings: Settings
    number: int
    """From 1; in its log and its metrics."""
    processes: int
    """How many there are."""
    database_url: str
    folder: str
    """The folder of the sockets on which the children show their metrics to each other."""
    listener: int
    metrics_listener: int | None
    ready: int
    """A pipe: one byte once the child serves."""

    def encode(self) -> bytes:
        """Return the bytes for ``read_start``. Not for the environment: they hold secrets."""
        text = pickle.dumps(self)
        return len(text).to_bytes(_SIZE_BYTES) + text


def read_start(stream: BinaryIO) -> ChildStart:
    """Read what the supervisor has written; raises ``EOFError`` if it is gone."""
    size = stream.read(_SIZE_BYTES)
    text = stream.read(int.from_bytes(size))
    if len(size) < _SIZE_BYTES or not text:
        raise EOFError
    found: ChildStart = pickle.loads(text)  # noqa: S301 - from the process that started this one
    return found
