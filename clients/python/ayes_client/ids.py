"""Ids of commands. The same id takes effect once, however often it is sent."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
import uuid

#: Milliseconds by which the time in an id may be early.
FUZZ_MS = 60_000
_ID = re.compile(r"\A[A-Za-z0-9_-]{8,64}\Z")


def new_id() -> str:
    """Make an id: a UUIDv7 (RFC 9562 5.7), so that ids sort by time, to the minute.

    The journal shows ids, also of secret votes. With the exact time they would show how far this
    clock is from the server's, and so whose they are (RFC 9562 6.1 has such fuzzing).
    """
    milliseconds = time.time_ns() // 1_000_000 - secrets.randbelow(FUZZ_MS)
    number = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10), "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=number))


def id_from(*parts: str | bytes | int) -> str:
    """Make an id from ``parts``: the same parts give the same id, on any machine.

    For work that is done again from its source, such as the rows of a file. Parts are kept apart:
    ``("ab", "c")`` and ``("a", "bc")`` differ. A number stands for its decimal digits.
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:40]


def is_id(text: str) -> bool:
    """Return whether ``text`` can be an id: 8 to 64 of ``A-Z a-z 0-9 _ -``."""
    return _ID.match(text) is not None
