"""Attackers in a process of their own, spoken to in lines of JSON on standard input.

    python -m benchmarks.attackers

``{"port", "kind", "seconds", "sockets", "pause", "tokens"}`` attacks a server on loopback for so
long, a new connection ``pause`` seconds after one was ended. The answer has their ends:
``ends`` by close code, ``longest`` the seconds that one of them lasted at most, and how many never
did, ``failed``. ``kind`` is a flood or a trickle of ``tests/attacks/floods.py``, or ``idle``; or
``requests``, over HTTP with a bad token, one after another until the time is over.

``{"port", "kind": "questions", "name", "ground", "seconds", "tokens"}`` asks with a good token: the
flood ``name`` of ``tests/attacks/askers.py``. The answer counts what came back: ``counts``.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import uvloop

from benchmarks.child import Child, Words, serve, started
from tests.attacks.askers import KINDS, AskedAbout, ask_on
from tests.attacks.floods import FLOODS, TRICKLES, End, ends, flood, idle, trickle

#: Seconds between two bytes of a trickle.
GAP = 0.2
REQUEST = b"GET /v1/events HTTP/1.1\r\nhost: ayes\r\nauthorization: Bearer none\r\n\r\n"
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


async def answer(question: Words) -> Words:
    """Attack, and return the outcome."""
    if question["kind"] == "questions":
        return await ask_much(question)
    tokens = itertools.cycle(question["tokens"])
    until = monotonic() + question["seconds"]
    found: list[End] = []
    failed = 0

    async def go_on() -> None:
        nonlocal failed
        while monotonic() < until:
            try:
                if question["kind"] == "requests":
                    found.append(await ask(question["port"], until))
                    return
                found.append(await attack(question["port"], question["kind"], next(tokens)))
                await asyncio.sleep(question["pause"])
            except (TimeoutError, OSError):
                failed += 1
                await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as group:
        for _ in range(question["sockets"]):
            group.create_task(go_on())
    return {
        "ends": {str(code): count for code, count in ends(found).items()},
        "longest": max((end.seconds for end in found), default=0.0),
        "failed": failed,
    }


async def ask_much(question: Words) -> Words:
    """Ask over all connections of a flood of queries; return the counts of answers."""
    kind, ground = KINDS[question["name"]], AskedAbout(**question["ground"])
    until = monotonic() + question["seconds"]
    [token] = question["tokens"]
    found = await asyncio.gather(
        *(ask_on(question["port"], kind, ground, token, until) for _ in range(kind.connections))
    )
    return {"counts": sum(found, Counter())}


async def attack(port: int, kind: str, token: str) -> End:
    """Attack on one connection, until its end."""
    if kind in FLOODS:
        return await flood(port, token, *FLOODS[kind])
    if kind in TRICKLES:
        return await trickle(port, TRICKLES[kind], GAP)
    return await idle(port)


async def ask(port: int, until: float) -> End:
    """Ask over one connection, as fast as it answers; the end's code is the number of answers."""
    begun, count = monotonic(), 0
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while monotonic() < until:
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(_LENGTH.findall(head)[0]))
        count += 1
    writer.close()
    return End(count, monotonic() - begun, b"")


@asynccontextmanager
async def attackers() -> AsyncIterator[Child]:
    """A process of attackers, idle yet."""
    async with started(sys.executable, "-m", "benchmarks.attackers") as child:
        yield child


if __name__ == "__main__":
    uvloop.run(serve(answer))
