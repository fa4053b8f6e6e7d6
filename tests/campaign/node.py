"""A node of the campaign: the unmodified server, with points at which it can be killed.

Only the campaign starts this test double. It wraps functions of the server before the server runs,
and takes orders on its standard input. The server itself knows nothing of it. ``python -m
tests.campaign.node [BUG]`` plants one of the bugs of ``tests.campaign.bugs``.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from handlers.lanes.decide import StepRecord
from persistence.journal.transaction import Free, Transaction
from server import process
from server.config import loading
from server.node import Node
from server.rooms.registry import RoomRegistry

#: Points at which a node can be ordered to die, in the order of a command's way.
POINTS = ("after the lock", "after the write", "after COMMIT", "after the ack")
#: Seconds until the acks have left the process; nothing else has happened by then.
ACKS_LEAVE_SECONDS = 0.02


class Orders:
    """The orders that this node got."""

    def __init__(self) -> None:
        self.point = ""
        self.loop: asyncio.AbstractEventLoop | None = None

    def listen(self) -> None:
        """Take orders from standard input, in a thread; end of input ends the node."""
        # Read without a buffer: a waiting thread would hold the buffer's lock at the process's end.
        while data := os.read(sys.stdin.fileno(), 4_096):
            for line in data.decode().splitlines():
                order, _, detail = line.partition(" ")
                if order == "die":
                    self.point = detail
                elif order == "report" and self.loop is not None:
                    self.loop.call_soon_threadsafe(report, int(detail))
        # The campaign's process has ended.
        os.kill(os.getpid(), signal.SIGKILL)

    def pass_by(self, point: str) -> None:
        """Die here if ordered."""
        if self.point == point:
            os.kill(os.getpid(), signal.SIGKILL)


def report(number: int) -> None:
    """Print what this process holds, in one line of JSON that names the question's ``number``."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    held = {
        "number": number,
        "tasks": len(asyncio.all_tasks()),
        "files": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "resident KiB": int(resident.split()[1]),
    }
    print(json.dumps(held), flush=True)  # noqa: T201 - the answer to an order


def put_points(orders: Orders) -> None:
    """Wrap the functions that a command passes through."""

    def dying(point: str, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(work)
        async def wrapped(*arguments: Any, **named: Any) -> Any:
            result = await work(*arguments, **named)
            locked = result.positions if isinstance(result, Free) else result
            if locked or point != "after the lock":
                orders.pass_by(point)
            return result

        return wrapped

    for name, point in (
        ("lock", "after the lock"),
        ("lock_free", "after the lock"),
        ("write", "after the write"),
        ("commit", "after COMMIT"),
    ):
        setattr(Transaction, name, dying(point, getattr(Transaction, name)))

    publish = RoomRegistry.publish

    def publishing(
        self: RoomRegistry,
        event_id: str,
        epoch: str,
        steps: Sequence[StepRecord],
        committed_at: float,
    ) -> None:
        # The acks were just given, and leave with the loop's next turns. A message published from
        # here on would come from a process that counts as dead.
        if orders.point != "after the ack":
            publish(self, event_id, epoch, steps, committed_at)
        elif orders.loop is not None:
            orders.loop.call_later(ACKS_LEAVE_SECONDS, orders.pass_by, "after the ack")

    RoomRegistry.publish = publishing  # type: ignore[method-assign]

    start = Node.start

    async def starting(self: Node) -> None:
        orders.loop = asyncio.get_running_loop()
        await start(self)

    Node.start = starting  # type: ignore[method-assign]


def main() -> int:
    """Run the server; its exit status."""
    orders = Orders()
    if sys.argv[1:]:
        from tests.campaign.deletion_bugs import ALL_BUGS

        ALL_BUGS[sys.argv[1]].plant()
    put_points(orders)
    threading.Thread(target=orders.listen, name="orders", daemon=True).start()
    return process.run(loading.load())


if __name__ == "__main__":
    sys.exit(main())
