"""Compressed room frames: permessage-deflate (RFC 7692), if ``AYES_COMPRESSION`` is on.

Only frames that many sockets share are compressed, once for all of them. That needs connections
without context takeover on the server's side (section 7.1.1.1), on which a frame does not depend on
earlier ones. No socket has a compressor of its own.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

from websockets.exceptions import PayloadTooBig
from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.typing import ExtensionParameter

from server.transport.frames import head

#: The first byte of a text message in one frame, compressed: RSV1 set (section 6).
_FIN_TEXT_DEFLATED: Final = 0xC1
#: The end of a flushed block, which a message omits (section 7.2.1).
_TAIL: Final = b"\x00\x00\xff\xff"
#: The window of the compressor, which the client must have accepted.
_WINDOW_BITS: Final = 15
#: The fastest level of zlib. Room frames are hardly smaller at the next ones.
_LEVEL: Final = 1
#: Smallest frame, in bytes, that is compressed. A smaller one is mostly ids and numbers, which
#: hardly shrink, and fits one packet.
MIN_DEFLATE_BYTES: Final = 1_024

#: Compressed bytes of one message from a client; then close 1009. Twice the published size of a
#: message. The inflated size does not limit them: empty blocks inflate to nothing but take time,
#: and bytes after a last block (BFINAL) are kept in memory until the message ends.
MAX_DEFLATED_BYTES: Final = 131_072


class _Inflating(PerMessageDeflate):
    """The extension, with a limit on compressed input in addition to that on its output."""

    _taken = 0

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """See ``PerMessageDeflate``. Raises ``PayloadTooBig`` beyond ``MAX_DEFLATED_BYTES`` too."""
        if frame.rsv1 or (frame.opcode is Opcode.CONT and self.decode_cont_data):
            self._taken = len(frame.data) + (self._taken if frame.opcode is Opcode.CONT else 0)
            if self._taken > MAX_DEFLATED_BYTES:
                raise PayloadTooBig(self._taken, MAX_DEFLATED_BYTES)
        return super().decode(frame, max_size=max_size)


class _Negotiation(ServerPerMessageDeflateFactory):
    def process_request_params(
        self, params: Sequence[ExtensionParameter], accepted_extensions: Sequence[Extension]
    ) -> tuple[list[ExtensionParameter], PerMessageDeflate]:
        answer, agreed = super().process_request_params(params, accepted_extensions)
        return answer, _Inflating(
            agreed.remote_no_context_takeover,
            agreed.local_no_context_takeover,
            agreed.remote_max_window_bits,
            agreed.local_max_window_bits,
        )


#: The parameters that the server accepts. Without context takeover, input needs no memory between
#: messages either. A message is inflated up to the hard cap on its size; then close 1009.
NEGOTIATION: Final = _Negotiation(server_no_context_takeover=True, client_no_context_takeover=True)


def takes_deflated(extensions: Sequence[Extension]) -> bool:
    """Return whether a connection with ``extensions`` can read the frames that are made here."""
    return any(
        isinstance(extension, PerMessageDeflate)
        and extension.local_no_context_takeover
        and extension.local_max_window_bits == _WINDOW_BITS
        for extension in extensions
    )


def segment(payload: bytes) -> bytes:
    """Compress ``payload`` on its own, to a whole number of bytes.

    Segments can be joined to one stream, because none refers to the bytes before it.
    """
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -_WINDOW_BITS)
    return compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)


def deflated(*segments: bytes) -> tuple[bytes, ...]:
    """Return a text frame of ``segments``, in parts; only the last segment is copied."""
    assert segments[-1].endswith(_TAIL)
    size = sum(map(len, segments)) - len(_TAIL)
    return (head(size, _FIN_TEXT_DEFLATED), *segments[:-1], segments[-1][: -len(_TAIL)])
