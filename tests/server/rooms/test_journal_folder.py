"""The cache of folded ranges: the least recently used one is dropped first."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from persistence.queries import event_reads
from persistence.queries.event_reads import StoredStep
from server.limits.work_throttle import WorkThrottle
from server.rooms import journal_folder
from server.rooms.journal_folder import JournalFolder

BLOCK = 4


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The ranges that are read from the journal; each folds to a patch of the same size."""
    asked: list[tuple[int, int]] = []
    patches = {"member": {"name": "x" * 90}, "admin": {}, "applicant": {}, "you": {}}

    async def steps(
        database: Any, event_id: str, *, epoch: str, after: int, to: int
    ) -> list[StoredStep]:
        asked.append((after, to))
        return [
            StoredStep(seq, b"", orjson.dumps(patches).decode()) for seq in range(after + 1, to + 1)
        ]

    monkeypatch.setattr(event_reads, "steps", steps)
    monkeypatch.setattr(journal_folder, "FOLD_BLOCK_STEPS", BLOCK)
    return asked


async def test_a_block_that_is_used_again_outlives_newer_ones(
    read: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    database: Any = None
    folder = JournalFolder(database, WorkThrottle(idle_ratio=0))

    async def load(to: int) -> int:
        return (await folder.load("e", "p", 0, to, lambda seconds: None)).weight()

    size = await load(BLOCK + 1)
    # The shared block, a part of the next one, and the whole range are cached; one more fits.
    monkeypatch.setattr(journal_folder, "MAX_FOLDED_BYTES", 4 * size)
    # The test uses the shared block again, and adds two ranges.
    await load(BLOCK + 2)
    read.clear()
    await load(BLOCK + 3)
    assert read == [(BLOCK, BLOCK + 3)]
