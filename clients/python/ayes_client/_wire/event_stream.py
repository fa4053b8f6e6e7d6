"""Server-Sent Events (WHATWG HTML, 9.2), as the server sends them: one JSON message an event."""

from __future__ import annotations

from collections.abc import Iterator

#: Bytes of one event. A longer one ends the stream.
MAX_EVENT_BYTES = 64 * 1024 * 1024


class EventTooLarge(ValueError):
    """An event is longer than ``MAX_EVENT_BYTES``."""


class EventStream:
    """Takes the bytes of a stream, and returns the data of each whole event."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self.retry_ms: int | None = None
        """The wait that the server asked for, before the stream is opened again."""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take ``piece``, and yield the data of each event that it completes.

        Raises ``EventTooLarge``.
        """
        self._size += len(piece)
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            self._line += piece[start:end]
            start = end + 1
            data = self._take_line(bytes(self._line.removesuffix(b"\r")))
            self._line.clear()
            if data is not None:
                self._size = len(piece) - start
                yield data
        self._line += piece[start:]
        if self._size > MAX_EVENT_BYTES:
            raise EventTooLarge(f"an event has more than {MAX_EVENT_BYTES} bytes")

    def _take_line(self, line: bytes) -> bytes | None:
        if not line:
            data, self._data = b"\n".join(self._data), []
            return data or None
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"retry" and value.isdigit():
            self.retry_ms = int(value[:9])
        return None
