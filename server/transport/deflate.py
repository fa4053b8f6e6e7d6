"""Ready-made frames, compressed: permessage-deflate, RFC 7692, where ``AYES_COMPRESSION`` is on.

Only what many sockets are given is compressed, once for all of them. That takes a connection
without context takeover on the server's side (section 7.1.1.1), on which a frame says the same
whatever came before; no socket has a compressor of its own.
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
#: What a flushed block ends with, and a message leaves out (section 7.2.1).
_TAIL: Final = b"\x00\x00\xff\xff"
#: The window that frames are compressed with, which a client must have agreed to.
_WINDOW_BITS: Final = 15
#: The fastest of zlib's levels: it takes a third of the next ones' time on what rooms say.
_LEVEL: Final = 1
#: Bytes from which on a frame is compressed. A step is mostly ids and numbers: below this, it
#: hardly gets shorter, and fits a packet as it is.
MIN_DEFLATE_BYTES: Final = 1_024

#: Compressed bytes of one message from a client, twice the published size of a message. What they
#: inflate to does not bound them: blocks that say nothing take 0.1 µs a byte, a hard cap full of
#: them 100 ms, and what stands behind a last block (BFINAL) is kept until the message ends.
MAX_DEFLATED_BYTES: Final = 131_072


class _Inflating(PerMessageDeflate):
    """The extension, with a bound on what goes in beside the one on what comes out."""

    _taken = 0

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """See ``PerMessageDeflate``; ``PayloadTooBig`` beyond ``MAX_DEFLATED_BYTES`` too."""
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


#: What the server agrees to. Without context takeover a client's messages need no memory between
#: them either; each is inflated up to the hard cap on a message and no further (1009).
NEGOTIATION: Final = _Negotiation(server_no_context_takeover=True, client_no_context_takeover=True)


def takes_deflated(extensions: Sequence[Extension]) -> bool:
    """Whether a connection with ``extensions`` can be given what is compressed here."""
    return any(
        isinstance(extension, PerMessageDeflate)
        and extension.local_no_context_takeover
        and extension.local_max_window_bits == _WINDOW_BITS
        for extension in extensions
    )


def segment(payload: bytes) -> bytes:
    """``payload`` compressed on its own, to a whole number of bytes.

    Segments that stand one behind the other are one stream: none refers to what is before it.
    """
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -_WINDOW_BITS)
    return compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)


def deflated(*segments: bytes) -> tuple[bytes, ...]:
    """A text frame of ``segments``, in parts of which none but the last is copied."""
    assert segments[-1].endswith(_TAIL)
    size = sum(map(len, segments)) - len(_TAIL)
    return (head(size, _FIN_TEXT_DEFLATED), *segments[:-1], segments[-1][: -len(_TAIL)])
