"""A voter that costs little: it decodes no frame, and reads the same ones from every party."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.load import Client, frame
from benchmarks.voters import Ballot, LoadError, percentiles

#: Longest wait for the last answer after a run, and for the last watcher's last step.
DRAIN_TIMEOUT_S = 30.0

_ACK = b'{"type":"ack"'
_DIFF = b'{"type":"diff"'
_YOU = b'{"type":"you"'
_EFFECT = b'"applied":true,"replayed":false'
_SEQ = re.compile(rb'"seq":(\d+)')


@dataclass
class Run:
    """The answers of one run."""

    acks: int = 0
    low: int = 2**63
    high: int = 0
    diffs: int = 0
    measuring: bool = False
    latencies: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Check that every ack had an effect, and that the positions have no gap.

        Raises ``LoadError``.
        """
        if self.acks and self.high - self.low + 1 != self.acks:
            self.faults.append(f"{self.acks} acks from {self.low} to {self.high}")
        if self.faults:
            raise LoadError("; ".join(self.faults[:5]))


class Member(Client):
    """One member on one socket. ``start`` lets it vote; without, it only watches."""

    def __init__(self) -> None:
        super().__init__()
        self._run: Run | None = None
        self._ballot: Ballot | None = None
        self._prefix_of_votes = f"v-{os.urandom(6).hex()}-"
        self._turn = 0
        self._due = 0
        self._going = False
        self._sent: deque[float] = deque()
        self._last = b""
        self.after_read = self._send_due

    @property
    def outstanding(self) -> int:
        """Votes without an ack."""
        return len(self._sent)

    def watch(self, run: Run) -> None:
        """Count the frames of ``run``."""
        self._run = run

    def start(self, ballot: Ballot, inflight: int) -> None:
        """Vote, and keep ``inflight`` votes under way."""
        self._ballot = self._ballot or ballot
        self._going, self._due = True, inflight
        self._send_due()

    def stop(self) -> None:
        """Send no more."""
        self._going, self._due = False, 0

    def rest(self) -> None:
        """Count no more; answers are read as usual again."""
        self._run = None

    def position(self) -> int:
        """The position that the last diff led to."""
        found = _SEQ.search(self._last)
        return int(found[1]) if found else 0

    def _send_due(self) -> None:
        due = self._due
        if not due:
            return
        self._due = 0
        assert self._ballot is not None
        now = time.monotonic()
        frames = []
        for _ in range(due):
            frames.append(frame(self._ballot.next(f"{self._prefix_of_votes}{self._turn:x}")))
            self._turn += 1
            self._sent.append(now)
        self.write(frames[0] if due == 1 else b"".join(frames))

    def _read_frame(self, first: int, payload: bytes) -> None:
        run = self._run
        if run is None or first & 0xF > 7:
            super()._read_frame(first, payload)
        elif payload.startswith(_DIFF):
            run.diffs += 1
            self._last = payload
        elif payload.startswith(_ACK):
            self._take(run, payload)
        elif not payload.startswith(_YOU) and b'"error"' in payload[:20]:
            run.faults.append(payload[:300].decode())
            self.stop()
            self._sent.clear()

    def _take(self, run: Run, ack: bytes) -> None:
        sent = self._sent.popleft()
        run.acks += 1
        if run.measuring:
            run.latencies.append(time.monotonic() - sent)
        found = _SEQ.search(ack)
        if found is None or _EFFECT not in ack:
            run.faults.append(f"no effect: {ack[:300].decode()}")
            return
        seq = int(found[1])
        if seq < run.low:
            run.low = seq
        if seq > run.high:
            run.high = seq
        if self._going:
            self._due += 1


@dataclass(frozen=True)
class Measured:
    """One measured stretch; latencies in ms, processor time by who used it, in µs an ack."""

    rate: float
    p50: float
    p99: float
    diffs: float
    acks: int
    seconds: float
    used: dict[str, float]

    def us(self, *parts: str) -> float:
        """Processor time of these parties for one ack, in µs."""
        return sum(self.used[part] for part in parts) / max(1, self.acks) * 1e6

    def as_json(self) -> dict[str, float]:
        """For the saved results."""
        return {
            "rate": round(self.rate, 1),
            "p50_ms": round(self.p50, 3),
            "p99_ms": round(self.p99, 3),
            "diffs_a_second": round(self.diffs, 1),
            **{f"{part}_us": round(self.us(part), 1) for part in self.used},
        }


async def measure(
    voters: Sequence[Member],
    watchers: Sequence[Member],
    ballot: Callable[[], Ballot],
    used: Callable[[], dict[str, float]],
    *,
    inflight: int,
    seconds: float,
    warm: float = 0.5,
) -> Measured:
    """Let all vote for ``seconds``. Raises ``LoadError`` if an answer or a step is missing.

    ``used`` reads processor seconds. Voters may watch as well.
    """
    run = Run()
    gc.collect()
    gc.disable()
    try:
        for member in {*voters, *watchers}:
            member.watch(run)
        for voter in voters:
            voter.start(ballot(), inflight)
        await asyncio.sleep(warm)
        run.measuring = True
        cpu, acks, diffs, begun = used(), run.acks, run.diffs, time.monotonic()
        await asyncio.sleep(seconds)
        took, after = time.monotonic() - begun, used()
        acks, diffs, run.measuring = run.acks - acks, run.diffs - diffs, False
    finally:
        gc.enable()
        await _drain(voters, watchers, run)
    run.check()
    if len(run.latencies) < 2:
        raise LoadError(f"{run.acks} acks in {seconds} s")
    p50, p99 = percentiles(run.latencies)
    spent = {part: after[part] - cpu[part] for part in cpu}
    return Measured(acks / took, p50, p99, diffs / took, acks, took, spent)


async def _drain(voters: Sequence[Member], watchers: Sequence[Member], run: Run) -> None:
    for voter in voters:
        voter.stop()
    for _ in range(int(DRAIN_TIMEOUT_S * 100)):
        if run.faults or not (
            any(voter.outstanding for voter in voters)
            or any(watcher.position() < run.high for watcher in watchers)
        ):
            break
        await asyncio.sleep(0.01)
    else:
        run.faults.append("an answer or a step never came")
    for member in {*voters, *watchers}:
        member.rest()
