"""Answers put together into JSON arrays, for clients that send arrays themselves (decision 8)."""

from __future__ import annotations

#: Bytes of answers put into one frame.
BATCH_BYTES = 32_768


def batched(messages: list[bytes], longest: int) -> list[bytes]:
    """Messages put together into arrays, within the batch's and a frame's bounds."""
    frames: list[bytes] = []
    group: list[bytes] = []
    size = 0
    for message in messages:
        if group and (size + len(message) > BATCH_BYTES or len(group) >= longest):
            frames.append(_array(group))
            group, size = [], 0
        group.append(message)
        size += len(message)
    frames.append(_array(group))
    return frames


def _array(messages: list[bytes]) -> bytes:
    return messages[0] if len(messages) == 1 else b"[" + b",".join(messages) + b"]"
