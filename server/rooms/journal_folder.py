"""Folds ranges of the journal into patches, for clients that are further behind than room memory.

Committed steps do not change, so a range of them is folded once and cached as bytes. Ranges between
multiples of ``FOLD_BLOCK_STEPS`` (*blocks*) serve all clients that pass them. A client's whole
range, composed of blocks, serves all clients that resume from its position.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import msgspec
import orjson

from handlers.audiences import Audience, Patches
from persistence.database.pool import Database
from persistence.queries import event_reads
from persistence.queries.event_reads import StoredStep
from protocol import merge_patch
from protocol.errors import ErrorCode, RetryableError
from server.limits.work_throttle import WorkThrottle

#: Steps of a block. Folding one takes some 4 ms of the event loop without a break.
FOLD_BLOCK_STEPS = 256
#: Bytes of cached ranges; beyond that the least recently used one is dropped.
MAX_FOLDED_BYTES = 16 * 1024 * 1024

#: Ranges that are being folded or wait for it; beyond that, ``busy``. Few enough to be folded well
#: within the time that a request may take.
MAX_FOLD_JOBS = 256
#: Milliseconds after which a client may ask again that got ``busy``.
FOLD_RETRY_DELAY_MS = 2_000

_patches = msgspec.json.Decoder(Patches)


class FoldedRange(NamedTuple):
    """A range of steps as one encoded patch per audience."""

    member: bytes
    admin: bytes
    """In addition to ``member``."""
    applicant: bytes
    membership_changed: frozenset[str]
    """Users whose membership changes in the range."""

    def patch(self, audience: Audience) -> dict[str, Any]:
        """Return a new decoded patch for ``audience``."""
        if audience == "applicant":
            return _decoded(self.applicant)
        patch = _decoded(self.member)
        return merge_patch.compose(patch, _decoded(self.admin)) if audience == "admin" else patch

    def weight(self) -> int:
        """Return its bytes, roughly."""
        return sum(map(len, (self.member, self.admin, self.applicant, *self.membership_changed)))


class JournalGap(Exception):
    """The journal does not hold these steps, for example after a restore."""


#: Event, epoch, and the positions after which a range begins and at which it ends.
_Key = tuple[str, str, int, int]


class _Job:
    """A range that is being folded."""

    def __init__(self) -> None:
        self.waiting = 0
        """Number of waiters."""
        self.reading = False
        """Whether a query is in flight."""
        self.task: asyncio.Task[FoldedRange]

    def leave(self) -> None:
        """Cancel the job if it has no waiters, unless a query is in flight.

        A cancelled query costs its pooled connection, and PostgreSQL a new process. Clients that
        come and go could cause that repeatedly.
        """
        if not self.waiting and not self.reading:
            self.task.cancel()


class JournalFolder:
    """Folds ranges of the journal, one block at a time over all clients, and caches them."""

    def __init__(self, database: Database, work_throttle: WorkThrottle) -> None:
        self._database = database
        self._work_throttle = work_throttle
        self._kept: OrderedDict[_Key, FoldedRange] = OrderedDict()
        self._bytes = 0
        self._jobs: dict[_Key, _Job] = {}
        self._tasks: set[asyncio.Task[FoldedRange]] = set()

    async def stop(self) -> None:
        """Cancel all jobs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def load(
        self, event: str, epoch: str, after: int, to: int, charge: Callable[[float], None]
    ) -> FoldedRange:
        """Return the steps ``after``+1 … ``to``, folded.

        ``charge`` receives the seconds of the loop that this takes. Raises ``JournalGap``,
        ``busy``, and the database's errors.
        """
        key = (event, epoch, after, to)
        cached = self._cached(key)
        if cached is not None:
            return cached
        job = self._jobs.get(key)
        if job is None:
            if len(self._jobs) >= MAX_FOLD_JOBS:
                raise RetryableError(ErrorCode.BUSY, retry_after_ms=FOLD_RETRY_DELAY_MS)
            job = self._jobs[key] = _Job()
            work = self._make(key, job, charge)
            job.task = asyncio.create_task(work, name="fold the journal")
            self._tasks.add(job.task)
            job.task.add_done_callback(lambda done: self._made(key, done))
        job.waiting += 1
        try:
            # Shielded: the first waiter may be cancelled while others wait.
            return await asyncio.shield(job.task)
        finally:
            job.waiting -= 1
            if not job.waiting and self._jobs.get(key) is job:
                # Free its place for ranges that have waiters.
                del self._jobs[key]
                job.leave()

    def _made(self, key: _Key, task: asyncio.Task[FoldedRange]) -> None:
        self._tasks.discard(task)
        job = self._jobs.get(key)
        if job is not None and job.task is task:
            del self._jobs[key]
        # An exception was raised in the waiters; without any, it is dropped.
        if not task.cancelled() and task.exception() is None:
            self._keep(key, task.result())

    def _cached(self, key: _Key) -> FoldedRange | None:
        """Return the cached range, which then is the most recently used."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def _keep(self, key: _Key, folded: FoldedRange) -> None:
        if key in self._kept:
            return
        self._kept[key] = folded
        self._bytes += folded.weight()
        while self._bytes > MAX_FOLDED_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.weight()

    async def _make(self, key: _Key, job: _Job, charge: Callable[[float], None]) -> FoldedRange:
        event, epoch, after, to = key
        made = _Fold()
        for start, end in _blocks(after, to):
            block = partial(self._add_block, job, made, event, epoch, start, end)
            await self._work_throttle.run(block, charge)
        return made.folded()

    async def _add_block(
        self, job: _Job, made: _Fold, event: str, epoch: str, start: int, end: int
    ) -> None:
        key = (event, epoch, start, end)
        block = self._cached(key)
        if block is None:
            stored = await self._read(job, event, epoch=epoch, after=start, to=end)
            if len(stored) != end - start:
                raise JournalGap
            block = _folded(_patches.decode(line.patches) for line in stored)
            self._keep(key, block)
        made.add_range(block)

    async def _read(
        self, job: _Job, event: str, *, epoch: str, after: int, to: int
    ) -> list[StoredStep]:
        job.reading = True
        try:
            return await event_reads.steps(self._database, event, epoch=epoch, after=after, to=to)
        finally:
            job.reading = False
            # Without waiters the block is still cached, and the next one not begun.
            job.leave()


def _blocks(after: int, to: int) -> Iterator[tuple[int, int]]:
    """Split a range at multiples of ``FOLD_BLOCK_STEPS``."""
    while after < to:
        end = min(after - after % FOLD_BLOCK_STEPS + FOLD_BLOCK_STEPS, to)
        yield after, end
        after = end


def _folded(steps: Iterable[Patches]) -> FoldedRange:
    made = _Fold()
    for patches in steps:
        made.add(patches)
    return made.folded()


def _decoded(patch: bytes) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(patch)
    return found


class _Fold:
    """A range as it grows."""

    def __init__(self) -> None:
        self._member: dict[str, Any] = {}
        self._admin: dict[str, Any] = {}
        self._applicant: dict[str, Any] = {}
        self._membership_changed: set[str] = set()

    def add(self, patches: Patches) -> None:
        merge_patch.compose(self._member, patches.member)
        merge_patch.compose(self._admin, patches.admin)
        merge_patch.compose(self._applicant, patches.applicant)
        changed = (user for user, own in patches.you.items() if "membership" in own)
        self._membership_changed.update(changed)

    def add_range(self, folded: FoldedRange) -> None:
        merge_patch.compose(self._member, _decoded(folded.member))
        merge_patch.compose(self._admin, _decoded(folded.admin))
        merge_patch.compose(self._applicant, _decoded(folded.applicant))
        self._membership_changed |= folded.membership_changed

    def folded(self) -> FoldedRange:
        return FoldedRange(
            orjson.dumps(self._member),
            orjson.dumps(self._admin),
            orjson.dumps(self._applicant),
            frozenset(self._membership_changed),
        )
