"""WebSocket frames as bytes (RFC 6455, 5.2): how they are made, and where they begin and end."""

from __future__ import annotations

import struct
from typing import Final

FIN_TEXT: Final = 0x81
"""The first byte of a text message in one frame, without extensions."""
FIN_CLOSE: Final = 0x88
"""The first byte of a close frame."""
FIN_PONG: Final = 0x8A
"""The first byte of a pong."""

PING: Final = b"\x89\x00"
"""An empty ping."""

#: Bytes of a close reason; a longer one is cut. A control frame holds 125 bytes (RFC 6455, 5.5),
#: of which the close code takes two.
MAX_REASON_BYTES: Final = 123

_SHORT: Final = struct.Struct("!BB").pack
_MEDIUM: Final = struct.Struct("!BBH").pack
_LONG: Final = struct.Struct("!BBQ").pack
_CLOSE: Final = struct.Struct("!BBH").pack


def frame(payload: bytes) -> bytes:
    """Return an unmasked, uncompressed text frame with ``payload``, which must be UTF-8.

    It is valid on a connection with permessage-deflate too (RFC 7692, 6: a message may go
    uncompressed, RSV1 clear).
    """
    size = len(payload)
    # Nearly all frames have this size. They do without a call.
    if 126 <= size < 65_536:
        return _MEDIUM(FIN_TEXT, 126, size) + payload
    return head(size) + payload


def framed(parts: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return one unmasked text frame of a payload in parts, without a copy of them."""
    return (head(sum(map(len, parts))), *parts)


def head(size: int, first: int = FIN_TEXT) -> bytes:
    """Return the header of an unmasked frame with a payload of ``size`` bytes."""
    if size < 126:
        return _SHORT(first, size)
    if size < 65_536:
        return _MEDIUM(first, 126, size)
    return _LONG(first, 127, size)


def payload_of(data: bytes) -> bytes:
    """Return the payload of one frame made by ``frame``."""
    length = data[1]
    return data[2 if length < 126 else 4 if length == 126 else 10 :]


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame. A reason that is too long is cut between two characters."""
    text = reason.encode("utf-8", "replace")
    text = text[:MAX_REASON_BYTES].decode("utf-8", "ignore").encode()
    return _CLOSE(FIN_CLOSE, 2 + len(text), code) + text


def frame_size(data: bytes | memoryview, start: int, end: int) -> int:
    """Return the size of the frame that begins at ``start``, header and mask included.

    The frame itself may end behind ``end``. Zero if its length is not in ``data`` yet.
    """
    if start + 2 > end:
        return 0
    size = data[start + 1] & 0x7F
    header = 6 if data[start + 1] & 0x80 else 2
    if size >= 0x7E:
        width = 2 if size == 0x7E else 8
        if start + 2 + width > end:
            return 0
        header += width
        size = int.from_bytes(data[start + 2 : start + 2 + width])
    return header + size


class FrameBoundaries:
    """Follows a stream of frames by their headers, without I/O and without their payloads.

    It judges nothing: for a stream that breaks RFC 6455 the boundaries have no meaning.
    """

    __slots__ = ("_header", "_is_fragmented", "missing")

    def __init__(self) -> None:
        self._header = b""
        self._is_fragmented = False
        self.missing = 0
        """Bytes until the current frame ends; 0 between frames and inside a length field."""

    @property
    def between_frames(self) -> bool:
        """Whether the next byte begins a frame."""
        return not (self.missing or self._header)

    @property
    def between_messages(self) -> bool:
        """Whether the next byte begins a message, or a control frame outside of one."""
        return not (self.missing or self._header or self._is_fragmented)

    def feed(self, data: bytes) -> None:
        """Follow ``data``, which continues the stream."""
        start = min(self.missing, len(data))
        self.missing -= start
        if self._header:
            data, self._header = self._header + data, b""
        end = len(data)
        while start < end:
            size = frame_size(data, start, end)
            if not size:
                self._header = data[start:]
                return
            if data[start] & 0x0F < 0x08:  # a control frame may stand between two fragments
                self._is_fragmented = not data[start] & 0x80
            self.missing = max(0, size - (end - start))
            start += size
