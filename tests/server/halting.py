"""A server that waits at a named point for a signal, and swallows every ``Exception`` there.

``python -m tests.server.halting POINT`` prints ``at POINT`` each time it is there. An exception
raised there by a signal's handler would be lost, as in code that logs every ``Exception`` and goes
on.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from persistence.database.instance_lock import InstanceLock
from persistence.embedded.postgres import EmbeddedPostgres
from server import process
from server.config import loading
from server.node import Node

#: Longest that it waits for the signal; the test gives up before.
HALT_S = 50.0
#: How long it stays in a step of the end, so that more signals can come.
END_S = 1.0


def say(point: str) -> None:
    """Report this point to the test."""
    sys.stdout.write(f"at {point}\n")
    sys.stdout.flush()


def halt(point: str, seconds: float = HALT_S) -> None:
    """Stay here for a while, in synchronous code."""
    say(point)
    with contextlib.suppress(Exception):
        time.sleep(seconds)


async def rest(point: str, seconds: float = HALT_S) -> None:
    """Stay here for a while, in the event loop."""
    say(point)
    with contextlib.suppress(Exception):
        await asyncio.sleep(seconds)


def before(owner: Any, name: str, point: str, seconds: float = HALT_S) -> None:
    """Halt before an async method or function of ``owner``."""
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def halted(*arguments: Any, **named: Any) -> Any:
        await rest(point, seconds)
        return await original(*arguments, **named)

    setattr(owner, name, halted)


def before_plain(owner: Any, name: str, point: str, seconds: float = HALT_S) -> None:
    """Halt before a synchronous method or function of ``owner``."""
    original: Callable[..., Any] = getattr(owner, name)

    def halted(*arguments: Any, **named: Any) -> Any:
        halt(point, seconds)
        return original(*arguments, **named)

    setattr(owner, name, halted)


class _Finalized:
    """Python ignores an exception raised while an object is finalized."""

    def __del__(self) -> None:
        say("finalizer")
        time.sleep(END_S)


def finalize_before_start() -> None:
    """Have a signal's exception ignored before any part is started."""
    original = EmbeddedPostgres.start

    def start(self: EmbeddedPostgres) -> str:
        _Finalized()
        return original(self)

    setattr(EmbeddedPostgres, "start", start)  # noqa: B010 - a method is no variable


def in_a_callback() -> None:
    """Halt in a callback of the loop, which swallows every exception raised in it."""
    original = Node.start

    async def start(self: Node) -> None:
        asyncio.get_running_loop().call_soon(halt, "callback", END_S)
        await asyncio.sleep(0)
        await original(self)

    setattr(Node, "start", start)  # noqa: B010 - a method is no variable


POINTS: dict[str, Callable[[], None]] = {
    "database": lambda: before_plain(EmbeddedPostgres, "_ready", "database"),
    "finalizer": finalize_before_start,
    "migration": lambda: before(process, "upgrade_async", "migration"),
    "lock": lambda: before(InstanceLock, "_wait_for_lock", "lock"),
    "start": lambda: before(Node, "start", "start"),
    "callback": in_a_callback,
    "serving": lambda: None,
    "drain": lambda: before(Node, "drain", "drain", END_S),
    "stop": lambda: before(Node, "stop", "stop", END_S),
    "end": lambda: before_plain(EmbeddedPostgres, "stop", "end", END_S),
}


if __name__ == "__main__":
    POINTS[sys.argv[1]]()
    sys.exit(process.run(loading.load({})))
