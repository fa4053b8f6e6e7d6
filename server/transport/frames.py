"""WebSocket frames as bytes (RFC 6455, 5.2), made once and written to any number of sockets."""

from __future__ import annotations

import struct
from typing import Final

FIN_TEXT: Final = 0x81
"""The first byte of a text message in one frame, without extensions."""

PING: Final = b"\x89\x00"
"""An empty ping."""

#: A control frame holds 125 bytes (RFC 6455, 5.5), a close frame's code two of them.
MAX_REASON_BYTES: Final = 123

_SHORT: Final = struct.Struct("!BB").pack
_MEDIUM: Final = struct.Struct("!BBH").pack
_LONG: Final = struct.Struct("!BBQ").pack
_CLOSE: Final = struct.Struct("!BBH").pack


def frame(payload: bytes) -> bytes:
    """An unmasked, uncompressed text frame that holds ``payload``, which must be UTF-8.

    It is valid on a connection with permessage-deflate too (RFC 7692, 6: a message may go
    uncompressed, RSV1 clear).
    """
    return head(len(payload)) + payload


def framed(parts: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The same of a payload in parts, none of which is copied."""
    return (head(sum(map(len, parts))), *parts)


def head(size: int, first: int = FIN_TEXT) -> bytes:
    """What stands before an unmasked payload of ``size`` bytes."""
    if size < 126:
        return _SHORT(first, size)
    if size < 65_536:
        return _MEDIUM(first, 126, size)
    return _LONG(first, 127, size)


def payload_of(data: bytes) -> bytes:
    """The payload of one frame made by ``frame``."""
    length = data[1]
    return data[2 if length < 126 else 4 if length == 126 else 10 :]


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; a reason too long is cut between two characters."""
    text = reason.encode("utf-8", "replace")
    text = text[:MAX_REASON_BYTES].decode("utf-8", "ignore").encode()
    return _CLOSE(0x88, 2 + len(text), code) + text
