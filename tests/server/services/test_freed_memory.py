"""Freed memory is returned to the system, and an idle server does no work for it."""

from __future__ import annotations

import gc
import weakref

from server.services.freed_memory import (
    MAX_TRIM_INTERVAL_S,
    MIN_GROWTH_BYTES,
    TRIM_CHECK_INTERVAL_S,
    FreedMemory,
)

MIB = 1 << 20


class Heap:
    """Resident memory, whose free part a trim returns."""

    def __init__(self) -> None:
        self.used = 100 * MIB
        self.free = 0
        self.trims = 0
        self.memory = FreedMemory(resident=lambda: self.used + self.free, trim=self.trim)

    def trim(self) -> None:
        self.free = 0
        self.trims += 1


async def test_a_server_at_rest_trims_nothing() -> None:
    heap = Heap()
    for _ in range(100):
        await heap.memory.look()
    assert heap.trims <= 1


async def test_memory_that_grew_is_trimmed_at_once() -> None:
    heap = Heap()
    await heap.memory.look()
    trims = heap.trims
    heap.free += 2 * MIN_GROWTH_BYTES
    await heap.memory.look()
    assert heap.trims == trims + 1
    assert heap.free == 0


async def test_memory_that_is_freed_later_is_given_back_too() -> None:
    heap = Heap()
    await heap.memory.look()
    heap.used += 64 * MIB
    await heap.memory.look()
    heap.used -= 64 * MIB
    heap.free = 64 * MIB
    for _ in range(4):
        await heap.memory.look()
    assert heap.free == 0


async def test_trims_that_give_nothing_back_become_rare() -> None:
    heap = Heap()
    await heap.memory.look()
    heap.used += 64 * MIB
    looks = 1_000
    for _ in range(looks):
        await heap.memory.look()
    assert heap.trims < 10 + looks * TRIM_CHECK_INTERVAL_S / MAX_TRIM_INTERVAL_S


class Knot:
    """An object that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


async def test_unreachable_objects_are_collected_when_memory_has_grown() -> None:
    heap = Heap()
    await heap.memory.look()
    gc.disable()
    try:
        knot = weakref.ref(Knot())
        heap.used += 64 * MIB
        await heap.memory.look()
        assert knot() is None
    finally:
        gc.enable()
