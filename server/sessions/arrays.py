"""Answers joined into JSON arrays, for clients that send arrays themselves (decision 8)."""

from __future__ import annotations

#: Bytes of answers in one array; a longer one is split. Small beside what a socket may buffer, so
#: that one client's answers never wait for memory.
MAX_ARRAY_BYTES = 32_768


def batched(messages: list[bytes], longest: int) -> list[bytes]:
    """Join messages into arrays of at most ``longest`` messages and ``MAX_ARRAY_BYTES``."""
    frames: list[bytes] = []
    group: list[bytes] = []
    size = 0
    for message in messages:
        if group and (size + len(message) > MAX_ARRAY_BYTES or len(group) >= longest):
            frames.append(_array(group))
            group, size = [], 0
        group.append(message)
        size += len(message)
    frames.append(_array(group))
    return frames


def _array(messages: list[bytes]) -> bytes:
    return messages[0] if len(messages) == 1 else b"[" + b",".join(messages) + b"]"
