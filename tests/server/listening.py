"""Two nodes on one bus that record messages, for the tests of the bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

from server.bus.port import Bus, BusMessage
from server.bus.redis import RedisBus

#: Longest wait.
PATIENCE = 20.0


class Ear:
    """Records the messages that it receives."""

    def __init__(self) -> None:
        self.heard: list[BusMessage] = []
        self._moved = asyncio.Event()

    def __call__(self, told: BusMessage) -> None:
        self.heard.append(told)
        self._moved.set()

    async def hears(self, told: BusMessage) -> None:
        """Wait until this hint was received."""
        async with asyncio.timeout(PATIENCE):
            while told not in self.heard:
                self._moved.clear()
                await self._moved.wait()


#: Two buses, and the recorder of each.
Pair: TypeAlias = AbstractAsyncContextManager[tuple[Bus, Bus, Ear, Ear]]


def pair(url: str) -> Pair:
    """Two nodes on one Redis."""
    return pair_of(RedisBus(url, "test"), RedisBus(url, "test"))


@asynccontextmanager
async def pair_of(one: Bus, other: Bus) -> AsyncIterator[tuple[Bus, Bus, Ear, Ear]]:
    """Two nodes, started, and stopped at the end."""
    ears = Ear(), Ear()
    await one.start(ears[0])
    await other.start(ears[1])
    try:
        yield one, other, ears[0], ears[1]
    finally:
        await one.stop()
        await other.stop()


async def told(bus: Bus, ear: Ear, message: BusMessage) -> None:
    """Publish until it is received: the bus does not promise that a single message arrives."""
    async with asyncio.timeout(PATIENCE):
        while True:
            bus.publish(message)
            try:
                async with asyncio.timeout(0.5):
                    await ear.hears(message)
                    return
            except TimeoutError:
                continue
