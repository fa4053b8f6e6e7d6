"""Gives memory that is not used any more back to the operating system.

Objects that refer to each other stay until CPython's collector comes by, which looks at old ones
seldom: what a wave of broken connections held would stay for hours. CPython's allocator and glibc's
keep what was freed for the next time. So a server that was once made to use much memory would go on
using it, and be ended by whatever limits its memory.
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

#: Bytes from which on a block of memory is the system's own, and given back when it is freed. glibc
#: would raise this to 32 MiB after the first large snapshots, and put the next among small objects.
LARGE_BLOCK_BYTES = 256 * 1024
#: Seconds between two looks at the resident memory, and the shortest time between two trims. A trim
#: walks the whole heap, which took 60 ms for 200 MiB of small objects, with the heap locked.
TRIM_CHECK_INTERVAL_S = 5.0
#: Longest time between two trims of a heap that gives nothing back; it doubles up to this.
MAX_TRIM_INTERVAL_S = 80.0
#: Bytes by which resident memory has to have grown for the collector to run and the heap to be
#: trimmed; for a large process, the share of ``MIN_GROWTH_SHARE`` of it: a full collection stops
#: the event loop for some 50 ms per 100 MiB of small objects, so its cost stays in proportion.
MIN_GROWTH_BYTES = 8 * 1024 * 1024
MIN_GROWTH_SHARE = 1 / 8
#: Bytes that make a trim worth repeating soon.
MIN_TRIMMED_BYTES = 1024 * 1024

_STATM: Final = Path("/proc/self/statm")
_M_MMAP_THRESHOLD: Final = -3
"""Its number in glibc's ``malloc.h``."""


class FreedMemory:
    """Looks at the resident memory now and then, and trims the heap as long as that helps.

    If memory has grown since the last time, unreachable objects are collected first.

    ``resident`` tells bytes, and ``trim`` trims; both are the system's if not given.
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
        """Trim the heap if there may be something to give back."""
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
    """Bytes of this process that are in memory; ``None`` if the system does not say."""
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    import resource

    return pages * resource.getpagesize()


def keep_large_blocks_apart() -> None:
    """Set the bound of ``LARGE_BLOCK_BYTES`` for this process, if its C library has one."""
    mallopt = _c_function("mallopt", ctypes.c_int, ctypes.c_int)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)


def _trimmer() -> Callable[[], None] | None:
    """glibc's ``malloc_trim``, if this is glibc."""
    function = _c_function("malloc_trim", ctypes.c_size_t)
    if function is None:
        return None

    def trim() -> None:
        function(0)

    return trim


def _c_function(name: str, *arguments: Any) -> Callable[..., int] | None:
    """A function of the C library that returns an ``int``; only Linux's is asked."""
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
