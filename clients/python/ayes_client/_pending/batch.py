"""Many commands: bounded on both sides, each with its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from ayes_client._pending.flight import Entry
from ayes_client.command import Ack, Command, Outcome
from ayes_client.errors import AyesError


async def send_all(
    give: Callable[[Command], Awaitable[Entry]], commands: Iterable[Command], in_flight: int
) -> AsyncIterator[Outcome]:
    """Give ``commands``, at most ``in_flight`` beyond what was taken; outcomes as they land."""
    landed: asyncio.Queue[Outcome] = asyncio.Queue()
    source = iter(commands)
    flying = 0
    more = True
    while True:
        while more and flying < in_flight:
            command = next(source, None)
            if command is None:
                more = False
                break
            flying += 1
            try:
                entry = await give(command)
            except AyesError as err:
                landed.put_nowait(Outcome(command, None, err))
            else:
                entry.future.add_done_callback(_landing(landed, command))
        if not flying:
            return
        outcome = await landed.get()
        flying -= 1
        yield outcome


def _landing(
    landed: asyncio.Queue[Outcome], command: Command
) -> Callable[[asyncio.Future[Ack]], None]:
    def land(future: asyncio.Future[Ack]) -> None:
        error = future.exception()
        if error is None:
            landed.put_nowait(Outcome(command, future.result(), None))
        elif isinstance(error, AyesError):
            landed.put_nowait(Outcome(command, None, error))

    return land
