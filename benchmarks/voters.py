"""Voters: each casts and retracts, and sends the next command when an answer arrives.

Casting a vote twice would change nothing, so cast and retract take turns on each proposal, and
every command here changes a row.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.load import Client, Message, frame
from benchmarks.machine import CpuMeter, CpuTime

#: Longest wait for the last answers after a run.
DRAIN_TIMEOUT_S = 30.0


class LoadError(RuntimeError):
    """The run proves nothing: refused commands, lost sockets, missing answers."""


@dataclass
class Tally:
    """The answers of one run."""

    acks: int = 0
    measuring: bool = False
    latencies: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    #: Per event: how many acks, the lowest and the highest ``seq`` among them.
    spans: dict[str, list[int]] = field(default_factory=dict)

    def take(self, ack: Message) -> None:
        """Count an ack; an ack without an effect is a fault."""
        self.acks += 1
        if ack["applied"] is not True or ack["replayed"] is not False:
            self.faults["ack without effect"] += 1
        seq = ack["seq"]
        span = self.spans.get(ack["event"])
        if span is None:
            self.spans[ack["event"]] = [1, seq, seq]
            return
        span[0] += 1
        if seq < span[1]:
            span[1] = seq
        elif seq > span[2]:
            span[2] = seq

    def check(self) -> None:
        """Every step of an event has its ack, and every ack a step; raises ``LoadError``."""
        for count, low, high in self.spans.values():
            self.faults["steps without an ack"] += abs(high - low + 1 - count)
        if faults := +self.faults:
            raise LoadError(f"{dict(faults)} beside {self.acks} acks")


class Ballot:
    """A proposal that one voter votes on, with the frames' unchanging parts made once."""

    def __init__(self, event: str, proposal: str, revision: int = 1) -> None:
        place = f'"event":"{event}","proposal":"{proposal}"'
        self.event = event
        self._cast = f'{{"type":"vote.cast",{place},"revision":{revision},"id":"'.encode()
        self._retract = f'{{"type":"vote.retract",{place},"id":"'.encode()
        self._is_cast = False

    def next(self, id_: str) -> bytes:
        """The next command, under this id."""
        head = self._retract if self._is_cast else self._cast
        self._is_cast = not self._is_cast
        return b'%b%b"}' % (head, id_.encode())


class Voter:
    """One member on one socket, with a fixed number of commands in flight."""

    def __init__(self, client: Client, ballots: Sequence[Ballot]) -> None:
        self.client = client
        self._ballots = ballots
        self.turn = 0
        """Commands sent so far."""
        self._prefix = f"v-{os.urandom(6).hex()}-"
        self._sent: dict[str, float] = {}
        self._due = 0
        self._going = False
        self._batched = False
        self._tally = Tally()
        self.on_answer: Callable[[Message, float], None] | None = None
        client.listener = self._on_message
        client.after_read = self._send_due
        client.on_lost = self._on_lost

    @property
    def outstanding(self) -> int:
        """Commands without an answer yet."""
        return len(self._sent)

    def start(self, tally: Tally, *, inflight: int, batched: bool) -> None:
        """Begin; ``batched`` puts all that is due at once into one frame."""
        self._tally, self._batched, self._going = tally, batched, True
        self._due = inflight
        self._send_due()

    def stop(self) -> None:
        """Send no more."""
        self._going = False
        self._due = 0

    def vote(self, tally: Tally) -> str:
        """Send one command, outside ``start`` and ``stop``; its id."""
        self._tally = tally
        command, id_ = self._next()
        self.client.write(frame(command))
        return id_

    def _next(self) -> tuple[bytes, str]:
        turn = self.turn
        self.turn = turn + 1
        id_ = f"{self._prefix}{turn:x}"
        command = self._ballots[turn % len(self._ballots)].next(id_)
        self._sent[id_] = time.monotonic()
        return command, id_

    def _send_due(self) -> None:
        due = self._due
        if not due:
            return
        self._due = 0
        if due == 1:
            self.client.write(frame(self._next()[0]))
        elif self._batched:
            commands = b",".join([self._next()[0] for _ in range(due)])
            self.client.write(frame(b"[%b]" % commands))
        else:
            self.client.write(b"".join([frame(self._next()[0]) for _ in range(due)]))

    def _on_message(self, message: Message) -> None:
        tally, kind = self._tally, message["type"]
        if kind == "ack":
            sent = self._sent.pop(message["id"])
            tally.take(message)
            if tally.measuring:
                tally.latencies.append(time.monotonic() - sent)
        elif kind == "error":
            sent = self._sent.pop(message.get("id", ""), 0.0)
            tally.faults[message["code"]] += 1
        else:
            return
        if self._going:
            self._due += 1
        if self.on_answer:
            self.on_answer(message, sent)

    def _on_lost(self) -> None:
        self._tally.faults[str(self.client.closed)] += 1
        self.stop()
        self._sent.clear()


@dataclass(frozen=True)
class LoadRun:
    """One measured stretch; latencies in ms."""

    rate: float
    p50: float
    p99: float
    acks: int
    seconds: float
    cpu: CpuTime

    @property
    def server_us(self) -> float:
        """The server's processor time for one ack, in µs."""
        return self.cpu.server / max(1, self.acks) * 1e6

    @property
    def total_us(self) -> float:
        """The server's and PostgreSQL's processor time for one ack, in µs."""
        return (self.cpu.server + self.cpu.postgresql) / max(1, self.acks) * 1e6

    def as_json(self) -> dict[str, Any]:
        """For the saved results."""
        return {
            "rate": round(self.rate, 1),
            "p50_ms": round(self.p50, 3),
            "p99_ms": round(self.p99, 3),
            "seconds": round(self.seconds, 2),
            "server_cpu_us_per_ack": round(self.server_us, 1),
            "postgresql_cpu_us_per_ack": round(self.total_us - self.server_us, 1),
            "server_cpu_share": round(self.cpu.server / self.seconds, 2),
            "postgresql_cpu_share": round(self.cpu.postgresql / self.seconds, 2),
            "client_cpu_share": round(self.cpu.client / self.seconds, 2),
            "stolen_cpu_share": round(self.cpu.stolen / self.seconds, 2),
        }


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    """p50 and p99 in ms."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return cuts[49] * 1e3, cuts[98] * 1e3


class Meter(Protocol):
    """Reads processor time."""

    def read(self) -> CpuTime:
        """The times at this moment."""


async def drive(
    voters: Sequence[Voter],
    meter: Meter,
    *,
    inflight: int,
    seconds: float,
    warm: float = 0.5,
    batched: bool = False,
) -> LoadRun:
    """All voters at once, measured for ``seconds`` after ``warm``.

    Raises ``LoadError`` unless every command got its ack, and the acks' ``seq`` have no hole.
    """
    tally = Tally()
    gc.collect()
    gc.disable()
    try:
        for voter in voters:
            voter.start(tally, inflight=inflight, batched=batched)
        await asyncio.sleep(warm)
        tally.measuring = True
        cpu, acks, begun = meter.read(), tally.acks, time.monotonic()
        await asyncio.sleep(seconds)
        ended, acks, cpu = time.monotonic(), tally.acks - acks, meter.read() - cpu
        tally.measuring = False
    finally:
        gc.enable()
        await drain(voters, tally)
    return finished(tally, acks, ended - begun, cpu)


async def alternate(
    voter: Voter, meter: CpuMeter, *, count: int, gap: float
) -> tuple[LoadRun, list[tuple[int, float]]]:
    """One command at a time, ``gap`` seconds between an answer and the next.

    Also gives (``seq``, moment sent) of each.
    """
    tally = Tally(measuring=True)
    steps: list[tuple[int, float]] = []
    answered = asyncio.Event()

    def on_answer(message: Message, sent: float) -> None:
        steps.append((message.get("seq", 0), sent))
        answered.set()

    voter.on_answer = on_answer
    gc.collect()
    gc.disable()
    try:
        cpu, begun = meter.read(), time.monotonic()
        for _ in range(count):
            answered.clear()
            voter.vote(tally)
            await asyncio.wait_for(answered.wait(), DRAIN_TIMEOUT_S)
            if gap:
                await asyncio.sleep(gap)
        ended, cpu = time.monotonic(), meter.read() - cpu
    finally:
        gc.enable()
        voter.on_answer = None
    return finished(tally, tally.acks, ended - begun, cpu), steps


async def drain(voters: Sequence[Voter], tally: Tally) -> None:
    """Stop all and wait for outstanding answers."""
    for voter in voters:
        voter.stop()
    for _ in range(int(DRAIN_TIMEOUT_S * 100)):
        if not any(voter.outstanding for voter in voters):
            return
        await asyncio.sleep(0.01)
    tally.faults["never answered"] += sum(voter.outstanding for voter in voters)


def finished(tally: Tally, acks: int, seconds: float, cpu: CpuTime) -> LoadRun:
    """The result of a run; raises ``LoadError`` if there were answers other than acks."""
    tally.check()
    if len(tally.latencies) < 2:
        raise LoadError(f"{tally.acks} acks in {seconds:.1f} s")
    p50, p99 = percentiles(tally.latencies)
    return LoadRun(acks / seconds, p50, p99, acks, seconds, cpu)
