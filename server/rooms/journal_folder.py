"""The journal of a room, folded: for those who come back from further away than is at hand.

Steps that were committed do not change any more, so a folded of them is folded once and kept as
bytes. Stretches between round positions (*pages*) serve everybody who passes there; the way of one
client, put together from them, serves all who start at the same position.
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
from persistence.queries import reading
from persistence.queries.reading import Stored
from protocol import merge_patch
from protocol.errors import ErrorCode, RetryableError
from server.limits.cooldown import Cooldown

#: Steps of a page: what the event loop does in one go for somebody who comes back, some 4 ms.
FOLD_PAGE_STEPS = 256
#: Bytes of folded stretches that are kept, the longest unused going first.
MAX_FOLDED_BYTES = 16 * 1024 * 1024

#: Stretches that are made or wait for it; the next one is ``busy``. 200 of them, each from a place
#: of its own 5,600 to 9,000 steps of votes away, were made after 0.9 s; a request may take ten.
MAX_FOLD_JOBS = 256
#: Asked of who came when there were so many.
FOLD_RETRY_DELAY_MS = 2_000

_patches = msgspec.json.Decoder(Patches)


class FoldedRange(NamedTuple):
    """The steps after one position up to another as one patch for each audience, encoded."""

    member: bytes
    admin: bytes
    """Beside ``member``."""
    applicant: bytes
    membership_changed: frozenset[str]
    """Users whose membership changed on the way."""

    def patch(self, audience: Audience) -> dict[str, Any]:
        """What ``audience`` is told of it; the caller's own."""
        if audience == "applicant":
            return _decoded(self.applicant)
        patch = _decoded(self.member)
        return merge_patch.compose(patch, _decoded(self.admin)) if audience == "admin" else patch

    def weight(self) -> int:
        """Its bytes, roughly."""
        return sum(map(len, (self.member, self.admin, self.applicant, *self.membership_changed)))


class JournalGap(Exception):
    """The journal does not hold these steps, or not any more: a restore began the event anew."""


#: Event, epoch, and the folded of it: after, to.
_Key = tuple[str, str, int, int]


class _Job:
    """A folded that is being made."""

    def __init__(self) -> None:
        self.waiting = 0
        """How many wait for it."""
        self.reading = False
        """Whether the database is being asked for it."""
        self.task: asyncio.Task[FoldedRange]

    def leave(self) -> None:
        """End it, where nobody waits for it any more; what is being read just now is read.

        A connection that is cut in the middle costs more than a page: PostgreSQL starts a process
        for the next one, and whoever comes and goes could have that over and over.
        """
        if not self.waiting and not self.reading:
            self.task.cancel()


class JournalFolder:
    """Folds the journal for those who come back, one piece of work at a time."""

    def __init__(self, database: Database, cooldown: Cooldown) -> None:
        self._database = database
        self._cooldown = cooldown
        self._kept: OrderedDict[_Key, FoldedRange] = OrderedDict()
        self._bytes = 0
        self._jobs: dict[_Key, _Job] = {}
        self._tasks: set[asyncio.Task[FoldedRange]] = set()

    async def stop(self) -> None:
        """End what is being read, whether somebody waits for it or not."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def load(
        self, event: str, epoch: str, after: int, to: int, charge: Callable[[float], None]
    ) -> FoldedRange:
        """The steps ``after``+1 … ``to``, folded; ``charge`` hears what that takes of the loop.

        Raises ``JournalGap``, ``busy``, and what the database raises.
        """
        key = (event, epoch, after, to)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
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
            # Shielded: who asks first may go away before who asks second.
            return await asyncio.shield(job.task)
        finally:
            job.waiting -= 1
            if not job.waiting and self._jobs.get(key) is job:
                # Nobody is left to have it: its place is for somebody who waits.
                del self._jobs[key]
                job.leave()

    def _made(self, key: _Key, task: asyncio.Task[FoldedRange]) -> None:
        self._tasks.discard(task)
        job = self._jobs.get(key)
        if job is not None and job.task is task:
            del self._jobs[key]
        # Who asked may be gone, and nobody left to take an exception.
        if not task.cancelled() and task.exception() is None:
            self._keep(key, task.result())

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
        for start, end in _pages(after, to):
            page = partial(self._add_page, job, made, event, epoch, start, end)
            await self._cooldown.run(page, charge)
        return made.folded()

    async def _add_page(
        self, job: _Job, made: _Fold, event: str, epoch: str, start: int, end: int
    ) -> None:
        key = (event, epoch, start, end)
        page = self._kept.get(key)
        if page is None:
            stored = await self._read(job, event, epoch=epoch, after=start, to=end)
            if len(stored) != end - start:
                raise JournalGap
            page = _folded(_patches.decode(line.patches) for line in stored)
            self._keep(key, page)
        made.add_range(page)

    async def _read(
        self, job: _Job, event: str, *, epoch: str, after: int, to: int
    ) -> list[Stored]:
        job.reading = True
        try:
            return await reading.steps(self._database, event, epoch=epoch, after=after, to=to)
        finally:
            job.reading = False
            # Nobody may be left; then this page is kept, and the next one not begun.
            job.leave()


def _pages(after: int, to: int) -> Iterator[tuple[int, int]]:
    """The way from ``after`` to ``to``, cut at round positions."""
    while after < to:
        end = min(after - after % FOLD_PAGE_STEPS + FOLD_PAGE_STEPS, to)
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
    """A folded as it grows."""

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
