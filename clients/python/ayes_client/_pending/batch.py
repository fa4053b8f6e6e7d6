"""Many commands, each with its outcome, and a bound on how many wait at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from ayes_client._pending.entry import Entry
from ayes_client.command import Ack, Command, Outcome
from ayes_client.errors import AyesError


async def send_all(
    give: Callable[[Command], Awaitable[Entry]], commands: Iterable[Command], in_flight: int
) -> AsyncIterator[Outcome]:
    """Give ``commands``, and yield each outcome as it comes.

    At most ``in_flight`` commands are given beyond the outcomes that the reader has taken.
    """
    outcomes: asyncio.Queue[Outcome] = asyncio.Queue()
    source = iter(commands)
    waiting = 0
    more = True
    while True:
        while more and waiting < in_flight:
            command = next(source, None)
            if command is None:
                more = False
                break
            waiting += 1
            try:
                entry = await give(command)
            except AyesError as err:
                outcomes.put_nowait(Outcome(command, None, err))
            else:
                entry.future.add_done_callback(_putting(outcomes, command))
        if not waiting:
            return
        outcome = await outcomes.get()
        waiting -= 1
        yield outcome


def _putting(
    outcomes: asyncio.Queue[Outcome], command: Command
) -> Callable[[asyncio.Future[Ack]], None]:
    def put(future: asyncio.Future[Ack]) -> None:
        error = future.exception()
        if error is None:
            outcomes.put_nowait(Outcome(command, future.result(), None))
        elif isinstance(error, AyesError):
            outcomes.put_nowait(Outcome(command, None, error))

    return put
