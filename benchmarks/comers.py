"""Sockets that come back after their server was restarted, in a process of their own.

    python -m benchmarks.comers

It reads lines of JSON on standard input. ``{"host", "port", "comers": [[token, event, epoch,
seq], ...], "to": {event: seq}}`` opens a socket for each at the same moment. Each says hello with
its position. The answer has the time that each took until it was ``resumed``, at the top of its
room. The server may turn a client away, since it admits fewer in one second. That client waits for
the time it was sent and tries again, as any client does; that time counts.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import uvloop

from benchmarks.child import Child, Words, serve, started
from benchmarks.load import Client, ClosedError, Message, RefusedError

#: Maximum of attempts of a socket; each waits up to twice as long as the one before.
TRIES = 8
#: A client's longest wait before its second try, if the server sent none.
FIRST_WAIT = 0.5


class Comer(Client):
    """A client that keeps the server's message if it is turned away."""

    retry_after = 0.0

    def _read_message(self, message: Message) -> None:
        if message["type"] == "bye":
            self.retry_after = message["retry_after_ms"] / 1000
        super()._read_message(message)


class Comers:
    """All clients, and the outcome of each."""

    def __init__(self) -> None:
        self._open: list[Comer] = []

    async def answer(self, question: Words) -> Words:
        """The order on a line of standard input."""
        begun = monotonic()
        seen: Counter[str] = Counter()

        async def come(token: str, event: str, epoch: str, seq: int) -> float:
            resume = {"event": event, "epoch": epoch, "seq": seq}
            answer = await self._come(question, token, resume, seen)
            seen[answer["type"]] += 1
            if answer["seq"] < question["to"][event]:
                raise RuntimeError(f"not whole: at {answer['seq']} of {question['to'][event]}")
            return monotonic() - begun

        waited = await asyncio.gather(*(come(*comer) for comer in question["comers"]))
        return {"waited": waited, "seen": seen}

    async def _come(self, where: Words, token: str, resume: Message, seen: Counter[str]) -> Message:
        wait = FIRST_WAIT
        for _ in range(TRIES):
            comer: Comer | None = None
            try:
                comer = await Comer.silent(where["host"], where["port"])
                answer = await _first(comer, token, resume)
                self._open.append(comer)
                return answer
            except (ClosedError, OSError):
                seen["sent away"] += 1
                told = comer.retry_after if comer is not None else 0.0
                await asyncio.sleep(told + random.uniform(0, wait))
                wait *= 2
        raise RefusedError({"code": "sent away", "message": f"{TRIES} times"})


async def _first(comer: Comer, token: str, resume: Message) -> Message:
    """The answer to a hello with a position: ``resumed``, or a snapshot if that is impossible."""
    answers = [comer._expect(kind) for kind in ("resumed", "snapshot")]
    comer.send({"type": "hello", "token": token, "resume": [resume]})
    try:
        await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        return next(future.result() for future in answers if future.done())
    finally:
        for future in answers:
            if not future.cancel():
                future.exception()  # both fail if the socket is closed


@asynccontextmanager
async def coming() -> AsyncIterator[Child]:
    """A process of clients, none connected yet."""
    async with started(sys.executable, "-m", "benchmarks.comers") as child:
        yield child


if __name__ == "__main__":
    uvloop.run(serve(Comers().answer))
