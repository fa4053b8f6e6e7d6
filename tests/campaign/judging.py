"""The judge: histories put together from what was recorded, and the checker run on them.

The checker runs in two processes of its own, which share a round's events.
``python -m tests.campaign.judging FILE…`` judges histories again that a campaign kept.
"""

from __future__ import annotations

import asyncio
import json
import math
import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.campaign.journals import read_journals
from tests.campaign.losses import Loss, histories, lasting
from tests.campaign.nodes import SMALL
from tests.campaign.round import Round
from tests.campaign.tombstones import deletion_of
from tests.model.checker import check
from tests.model.deleted import NAMING
from tests.model.history import History, Json, Operation, Stream
from tests.model.words import restore
from tests.promises.running import ROOT

#: The model's names of the limits that the nodes get.
LIMITS = {
    "shown_proposals": SMALL["resolved_shown"],
    "shown_comments": SMALL["comments_shown"],
    "pending": SMALL["pending_proposals"],
}
#: Longest that judging a round's events may take.
JUDGE_SECONDS = 900.0
#: Worker processes; each takes a second to start.
AT_ONCE = 2
#: Histories with violations that are kept of one round.
MAX_KEPT = 20


@dataclass
class Case:
    """An event of a round, and the faults of the database under it."""

    event: str
    history: History
    losses: list[Loss]

    def repeatable(self) -> list[Operation]:
        """The operations whose answers must be given again for ever."""
        found = lasting(self.event, self.history, self.losses)
        if self.history.deletion is None:
            return found
        # A deleted event keeps no refusals and no names, and what it answers is an ack.
        return [
            each
            for each in found
            if (each.answer or {}).get("type") == "ack" and each.command["type"] not in NAMING
        ]


async def cases_of(played: Round) -> list[Case]:
    """The case of each event of a round; to be read while nothing is wrong."""
    # With a primary that was lost, a deletion may be lost.
    lost_until = max((loss.at for loss in played.losses.found), default=-math.inf)
    deletions = [each for each in played.operator.deleted if each.made_at > lost_until]
    events = [event for event in played.events if event.id]
    events += [each.event for each in deletions]
    streams: dict[str, list[Stream]] = {event.id: [] for event in events}
    for line in played.lines():
        for id, stream in line.streams.items():
            if id in streams:
                streams[id].append(stream)
    rows: dict[str, list[Json]] = {}
    for some in batched([event.id for event in events]):
        rows |= await read_journals(played.venue.postgres, some)
    played.journal_lines = sum(map(len, rows.values()))
    for event in events:
        restore(rows[event.id], event.operations)
        for loss in played.losses.found:
            restore(loss.rows.get(event.id, []), event.operations)
    cases = [
        Case(
            event.id,
            History(
                operations=event.operations,
                streams=streams[event.id],
                rows=rows[event.id],
                final=event.final,
                limits=LIMITS,
                set_back=played.clock_set_back,
            ),
            [_of_one(loss, event.id) for loss in played.losses.found if event.id in loss.rows],
        )
        for event in events
    ]
    for case, each in zip(cases[len(cases) - len(deletions) :], deletions, strict=True):
        case.history.deletion = await deletion_of(played.venue, each, case.history.rows)
    return cases


def _of_one(loss: Loss, event: str) -> Loss:
    """The part of a loss about one event."""
    return Loss(
        {event: loss.rows[event]},
        {event: loss.epochs[event]},
        {event: loss.tops.get(event, 0)},
        loss.at,
    )


def batched(events: list[str], size: int = 500) -> Iterator[list[str]]:
    """``events`` in parts, each small enough for one query."""
    for start in range(0, len(events), size):
        yield events[start : start + size]


def verdict(case: Case) -> list[str]:
    """The violations in one event."""
    found: list[str] = []
    for history, wrong in histories(case.event, case.history, case.losses):
        found += map(str, wrong + check(history))
    return found


async def judge(name: str, cases: list[Case], folder: Path, *, apart: bool = True) -> list[str]:
    """The violations in a round's events; histories with violations are kept in ``folder``.

    ``apart`` judges them in processes of their own, which does not pay for a small history.
    """
    found = await _apart(folder / name, cases) if apart else [verdict(case) for case in cases]
    return [
        f"{name}, event {number}: {what}" for number, wrong in enumerate(found) for what in wrong
    ]


async def _apart(path: Path, cases: list[Case]) -> list[list[str]]:
    """The violations in each case, judged in processes of their own."""
    shares: list[list[int]] = [[] for _ in range(AT_ONCE)]
    work = [0] * AT_ONCE
    for number in sorted(range(len(cases)), key=lambda each: -len(cases[each].history.rows)):
        idlest = work.index(min(work))
        shares[idlest].append(number)
        work[idlest] += len(cases[number].history.rows)
    judged = await asyncio.gather(
        *(
            _process(path.with_name(f"{path.name}-{place}"), [cases[number] for number in share])
            for place, share in enumerate(shares)
            if share
        )
    )
    found: list[list[str]] = [[] for _ in cases]
    for share, wrongs in zip((share for share in shares if share), judged, strict=True):
        for number, wrong in zip(share, wrongs, strict=True):
            found[number] = wrong
    wrong_ones = [number for number, wrong in enumerate(found) if wrong]
    for number in wrong_ones[:MAX_KEPT]:
        kept = path.with_name(f"{path.name}-event-{number}.pickle")
        await asyncio.to_thread(_keep, kept, [cases[number]])
    return found


def _keep(path: Path, cases: list[Case]) -> None:
    path.write_bytes(pickle.dumps(cases))


async def _process(path: Path, cases: list[Case]) -> list[list[str]]:
    await asyncio.to_thread(_keep, path, cases)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.campaign.judging", str(path)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(JUDGE_SECONDS):
            out, errors = await child.communicate()
    except BaseException:
        child.kill()
        await child.wait()
        raise
    finally:
        path.unlink(missing_ok=True)
    try:
        found: list[list[str]] = json.loads(out)
    except ValueError:
        return [[f"the judge failed: {errors.decode()[-2_000:]}"] for _ in cases]
    return found


def main() -> int:
    """Judge files; return the violations of each as JSON."""
    found = []
    for name in sys.argv[1:]:
        cases: Any = pickle.loads(Path(name).read_bytes())  # noqa: S301 - the campaign's own
        found += [verdict(case) for case in cases]
    print(json.dumps(found))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
