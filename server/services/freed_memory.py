"""Returns unused memory to the operating system.

CPython collects old objects in reference cycles seldom, so the objects of a wave of broken
connections would stay for hours. Its allocator and glibc's keep freed memory for reuse. Without
this, a server that once needed much memory would keep it, until a memory limit ends the process.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from persistence.database.periodic import Periodic

#: Bytes from which a block is mapped on its own and returned to the system when it is freed. glibc
#: would raise this to 32 MiB after the first large snapshots, and mix the next with small objects.
MIN_MAPPED_BYTES = 256 * 1024
#: Seconds between two checks of resident memory, and between two trims at least. A trim walks the
#: whole heap with the heap locked.
TRIM_CHECK_INTERVAL_S = 5.0
#: Seconds between two trims of a heap that yields nothing; the interval doubles up to this.
MAX_TRIM_INTERVAL_S = 80.0
#: Growth of resident memory, in bytes, that causes a collection and a trim. For a large process,
#: ``MIN_GROWTH_SHARE`` applies.
MIN_GROWTH_BYTES = 8 * 1024 * 1024
#: The same growth as a share of the process's size, since a full collection stops the event loop in
#: proportion to it.
MIN_GROWTH_SHARE = 1 / 8
#: Bytes that a trim must return to be repeated soon.
MIN_TRIMMED_BYTES = 1024 * 1024

_STATM: Final = Path("/proc/self/statm")
_M_MMAP_THRESHOLD: Final = -3
"""The number of this option in glibc's ``malloc.h``."""


class FreedMemory:
    """Checks resident memory at intervals, and trims the heap while that helps.

    If memory has grown since the last check, unreachable objects are collected first. ``resident``
    returns bytes, and ``trim`` trims; the defaults are the system's.
    """

    def __init__(
        self,
        *,
        resident: Callable[[], int | None] | None = None,
        trim: Callable[[], None] | None = None,
    ) -> None:
        self._resident = resident or resident_bytes
        self._trim = trim or _trimmer()
        self._least: int | None = None
        self._latest = 0
        self._pause = 0.0
        self._waited = 0.0
        self.task = Periodic("memory", TRIM_CHECK_INTERVAL_S, self.look)

    async def look(self) -> None:
        """Trim the heap if it may contain unused memory."""
        now = self._resident()
        if self._trim is None or now is None:
            return
        self._least = now if self._least is None else min(self._least, now)
        self._waited += TRIM_CHECK_INTERVAL_S
        grew = now - self._latest >= max(MIN_GROWTH_BYTES, now * MIN_GROWTH_SHARE)
        if now - self._least < MIN_GROWTH_BYTES or not (grew or self._waited >= self._pause):
            return
        if grew:
            gc.collect()
        await asyncio.to_thread(self._trim)
        self._latest = self._resident() or now
        self._waited = 0.0
        helped = grew or now - self._latest >= MIN_TRIMMED_BYTES
        self._pause = (
            0.0 if helped else min(max(2 * self._pause, TRIM_CHECK_INTERVAL_S), MAX_TRIM_INTERVAL_S)
        )


def resident_bytes() -> int | None:
    """Return this process's resident bytes, or ``None`` if the system does not report them."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    import resource

    return pages * resource.getpagesize()


def keep_large_blocks_apart() -> None:
    """Apply ``MIN_MAPPED_BYTES`` to this process, if its C library supports that."""
    mallopt = _c_function("mallopt", ctypes.c_int, ctypes.c_int)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, MIN_MAPPED_BYTES)


def _trimmer() -> Callable[[], None] | None:
    """Return glibc's ``malloc_trim``, or ``None`` with another C library."""
    function = _c_function("malloc_trim", ctypes.c_size_t)
    if function is None:
        return None

    def trim() -> None:
        function(0)

    return trim


def _c_function(name: str, *arguments: Any) -> Callable[..., int] | None:
    """Return a function of the C library that returns an ``int``; ``None`` unless on Linux."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
    function.argtypes = arguments
    function.restype = ctypes.c_int
    found: Callable[..., int] = function
    return found
