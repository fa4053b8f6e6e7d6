"""The measured process: batches of votes through the lanes of the tree it runs in.

Run as a file, with ``PYTHONPATH`` naming the tree whose code is measured. It uses of that tree what
any recent one has, and nothing of ``benchmarks``. Reads lines of JSON, and writes one for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import gc
import io
import itertools
import json
import os
import pstats
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import uvloop

from handlers.lanes.batch_end import BatchEnd
from handlers.lanes.decide import ENTROPY_BYTES, Answer, StepRecord, Submission
from handlers.lanes.lane import Batch
from handlers.lanes.lanes import Lanes
from handlers.step import Actor
from persistence.database.migrate import upgrade
from persistence.database.pool import Database
from persistence.event.limits import DomainLimits
from persistence.journal.transaction import Transaction
from protocol.codec import decode_frame
from protocol.fields import TextLimits

VOTERS = 100
EVENT = "measured"
#: A threshold that no tally here reaches.
NEVER = 100_000
#: The server's own: see ``GC_THRESHOLDS`` in ``server/process.py``.
THRESHOLDS = (50_000, 20, 50)
PARTS = ("read", "lock", "decide", "write", "commit", "answer")


class NoRooms:
    """Rooms without watchers."""

    def publish(
        self, event_id: str, epoch: str, steps: Sequence[StepRecord], committed_at: float
    ) -> None:
        """Drop the steps."""

    def request_resync(self, event_id: str) -> None:
        """Drop the request."""


class Clock:
    """Processor time of this process, and wall time, at the borders of the parts of a batch."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def mark(self) -> None:
        """Note that a part ends here, and the next one begins."""
        self.marks.append(time.process_time())

    def around(self, owner: type, name: str, *, before: bool, after: bool) -> None:
        """Mark each call of an async method of ``owner``."""
        method: Callable[..., Any] = getattr(owner, name)

        async def marked(*given: Any, **named: Any) -> Any:
            if before:
                self.mark()
            result = await method(*given, **named)
            if after:
                self.mark()
            return result

        setattr(owner, name, marked)


class Voting:
    """An event with its voters, and the batches of votes that they give."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._lanes = Lanes(database, NoRooms(), DomainLimits())
        self._clock = clock
        self._turn = 0
        self._proposal = ""
        self._expires = datetime.now(UTC) + timedelta(days=1)

    async def prepare(self) -> None:
        """Make the event, its members and the proposal."""
        made = await self._one("event.create", subject="Measured", policy=_policy())
        code = made["result"]["entrance_code"]
        for number in range(1, VOTERS):
            await self._one("membership.join", user=number, code=code)
        await self._one("event.start", event=EVENT)
        proposal = await self._one(
            "proposal.create",
            event=EVENT,
            kind="assumption",
            category="create",
            content="A premise that the group should build on",
        )
        self._proposal = proposal["result"]["proposal"]

    async def run(self, batches: int) -> None:
        """Give ``batches`` batches, each as the one before it is answered; see ``taken``."""
        self.taken: list[tuple[float, list[float]]] = []
        """Wall time of each, and the processor time at the borders of its parts."""
        self._left = batches
        self._done = asyncio.get_running_loop().create_future()
        self._give()
        await self._done

    def _give(self) -> None:
        frames, clock = self._frames(), self._clock
        entropy = [os.urandom(ENTROPY_BYTES) for _ in frames]
        self._left -= 1
        self._begun = time.perf_counter()
        clock.marks.clear()
        clock.mark()
        submissions = [
            self._submission(number, frame, entropy[number]) for number, frame in enumerate(frames)
        ]
        clock.mark()
        self._submit(submissions, self._given)

    def _given(self) -> None:
        """Note the end of a batch, and give the next, while its convoy has its connection."""
        self._clock.mark()
        self.taken.append((time.perf_counter() - self._begun, list(self._clock.marks)))
        refused = [answer for answer in self._raw if b'"type":"ack"' not in answer[:20]]
        if refused:
            self._done.set_exception(RuntimeError(f"refused: {refused[0]!r}"))
        elif self._left:
            self._give()
        else:
            self._done.set_result(None)

    def _frames(self) -> list[bytes]:
        """Return a vote of each member: cast and retracted in turns, so that each changes a row."""
        self._turn += 1
        kind, more = ("vote.cast", ',"revision":1') if self._turn % 2 else ("vote.retract", "")
        place = f'"event":"{EVENT}","proposal":"{self._proposal}"{more}'
        return [
            f'{{"type":"{kind}",{place},"id":"v-{number:03}-{self._turn:08x}"}}'.encode()
            for number in range(VOTERS)
        ]

    def _submission(self, number: int, frame: bytes, entropy: bytes) -> Submission:
        [command] = decode_frame(
            frame, limits=TextLimits(), message_bytes=65_536, longest_batch=100
        ).messages
        submission = Submission(
            command,  # type: ignore[arg-type]  # its answer is checked
            Actor(f"user-{number:03}", f"User {number}"),
            entropy=entropy,
            reply=self._reply,
            expires=self._expires,
        )
        submission.received = time.monotonic()
        return submission

    def _submit(self, submissions: Sequence[Submission], then: Callable[[], None]) -> None:
        self._raw: list[bytes] = []
        self._missing = len(submissions)
        self._then = then
        for submission in submissions:
            self._lanes.submit(EVENT, submission)

    def _reply(self, submission: Submission, answer: Answer) -> None:
        self._raw.append(answer.message)
        self._missing -= 1
        if not self._missing:
            self._then()

    async def _one(self, type: str, *, user: int = 0, **fields: Any) -> dict[str, Any]:
        self._turn += 1
        frame = json.dumps({"type": type, "id": f"prepare-{self._turn:06}", **fields}).encode()
        answered = asyncio.Event()
        self._submit([self._submission(user, frame, os.urandom(ENTROPY_BYTES))], answered.set)
        await answered.wait()
        [answer] = map(json.loads, self._raw)
        if answer["type"] != "ack":
            raise RuntimeError(f"refused: {answer}")
        return answer  # type: ignore[no-any-return]  # json.loads says nothing of it


def _policy() -> dict[str, Any]:
    never = {"auto": True, "rule": "count", "threshold": NEVER}
    return {"assumption": never, "membership_auto": True}


async def _measure(voting: Voting, batches: int) -> dict[str, Any]:
    """Return the lower decile of each part's processor time, in µs a vote."""
    taken: list[list[float]] = [[] for _ in PARTS]
    sums, walls = [], []
    await voting.run(batches)
    # The first one opens a connection.
    for wall, marks in voting.taken[1:]:
        if len(marks) != len(PARTS) + 1:
            raise RuntimeError(f"a batch came apart: {len(marks)} marks")
        for part, (begun, ended) in zip(taken, itertools.pairwise(marks), strict=True):
            part.append(ended - begun)
        sums.append(marks[-1] - marks[0])
        walls.append(wall)
    found = dict(zip(PARTS, map(_low, taken), strict=True))
    return found | {"sum": _low(sums), "wall": _low(walls)}


def _low(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) // 10] / VOTERS * 1e6


async def _profile(voting: Voting, batches: int) -> dict[str, Any]:
    profile = cProfile.Profile()
    profile.enable()
    await voting.run(batches)
    profile.disable()
    out = io.StringIO()
    pstats.Stats(profile, stream=out).sort_stats("tottime").print_stats(45)
    return {"profile": out.getvalue()}


async def _open(url: str, clock: Clock) -> tuple[Database, Voting]:
    database = Database(url, connections=10)
    await database.open()
    voting = Voting(database, clock)
    await voting.prepare()
    return database, voting


def main() -> None:
    """Prepare, then answer each line: how many batches, and whether to profile them."""
    url = sys.argv[1]
    upgrade(url)
    clock = Clock()
    clock.around(Batch, "decide", before=True, after=True)
    clock.around(Transaction, "write", before=False, after=True)
    clock.around(BatchEnd, "commit", before=False, after=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        database, voting = runner.run(_open(url, clock))
        gc.set_threshold(*THRESHOLDS)
        gc.freeze()
        with contextlib.suppress(KeyboardInterrupt):
            for line in sys.stdin:
                asked = json.loads(line)
                work = _profile if asked.get("profile") else _measure
                found = runner.run(work(voting, asked["batches"]))
                print(json.dumps(found), flush=True)
        runner.run(database.close())


if __name__ == "__main__":
    main()
