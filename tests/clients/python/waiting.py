"""Waits for a client's callbacks and for states without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ayes_client import Client
from ayes_client.client import ClientCallbackName

#: Longest wait.
PATIENCE = 20.0
SECONDS = 30.0


async def until(client: Client, what: ClientCallbackName, there: Callable[[], bool]) -> None:
    """Wait until ``there``, testing it at each callback ``what`` of ``client``."""
    moved = asyncio.Event()
    remove = client.on(what, lambda _: moved.set())
    try:
        async with asyncio.timeout(PATIENCE):
            while not there():
                moved.clear()
                await moved.wait()
    finally:
        remove()


async def status(client: Client, wanted: str) -> None:
    """Wait until ``client`` has this status."""
    await until(client, "status", lambda: client.status == wanted)


async def eventually(there: Callable[[], bool]) -> None:
    """Wait for a state without a callback, such as a byte on the line or a child's output."""
    async with asyncio.timeout(PATIENCE):
        while not there():
            await asyncio.sleep(0.01)
