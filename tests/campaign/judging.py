"""The judge: histories put together from what was recorded, and the checker run on them.

The checker runs in two processes of its own, which share a round's events.
``python -m tests.campaign.judging FILE…`` judges histories again that a campaign kept.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from tests.campaign.nodes import SMALL
from tests.campaign.round import Event, Round
from tests.model.checker import check
from tests.model.history import History, Json
from tests.model.words import restore
from tests.promises.running import ROOT

#: What the model calls the limits that the nodes are given.
LIMITS = {
    "shown_proposals": SMALL["resolved_shown"],
    "shown_comments": SMALL["comments_shown"],
    "pending": SMALL["pending_proposals"],
}
#: Longest that judging a round's events may take.
JUDGE_SECONDS = 900.0
#: Processes; each takes a second to begin.
AT_ONCE = 2

_JOURNAL = """
SELECT user_id, command_id, seq, command, payload::text, answer::text, patches::text, at,
       salt, fingerprint, prev_hash, hash
FROM journal WHERE event_id = $1 ORDER BY at
"""
_texts = msgspec.json.Decoder(dict[str, msgspec.Raw])


def row_of(record: asyncpg.Record) -> Json:
    """A line of the journal as the checker takes it."""
    texts = _texts.decode(record["patches"] or "{}")
    return {
        "user": record["user_id"],
        "id": record["command_id"],
        "seq": record["seq"],
        "command": record["command"],
        "payload": None if record["payload"] is None else json.loads(record["payload"]),
        "payload_text": record["payload"],
        "answer": json.loads(record["answer"]),
        "answer_text": record["answer"],
        "patches": {name: json.loads(bytes(text)) for name, text in texts.items()},
        "patches_text": {name: bytes(text).decode() for name, text in texts.items()},
        "at": record["at"],
        "salt": record["salt"],
        "fingerprint": record["fingerprint"],
        "prev_hash": record["prev_hash"],
        "hash": record["hash"],
    }


async def history_of(played: Round, event: Event) -> History:
    """All that is known of one event of a round."""
    records = await played.venue.postgres.rows(_JOURNAL, event.id)
    played.journal_lines += len(records)
    streams = [line.streams[event.id] for line in played.lines() if event.id in line.streams]
    rows = [row_of(record) for record in records]
    restore(rows, event.operations)
    return History(
        operations=event.operations,
        streams=streams,
        rows=rows,
        final=event.final,
        limits=LIMITS,
    )


async def histories_of(played: Round) -> list[History]:
    """What is known of each event of a round; to be asked for while nothing is wrong."""
    return [await history_of(played, event) for event in played.events]


async def judge(
    name: str, histories: list[History], folder: Path, *, apart: bool = True
) -> list[str]:
    """What is wrong with a round's histories; those with something wrong stay in ``folder``.

    ``apart``: in processes of their own, which a small history is not worth.
    """
    if not apart:
        found = [[str(violation) for violation in check(history)] for history in histories]
    else:
        found = await _apart(
            [folder / f"{name}-event-{number}.pickle" for number in range(len(histories))],
            histories,
        )
    return [
        f"{name}, event {number}: {what}" for number, wrong in enumerate(found) for what in wrong
    ]


async def _apart(paths: list[Path], histories: list[History]) -> list[list[str]]:
    """What is wrong with each; where nothing is, its file goes."""
    shares: list[list[int]] = [[] for _ in range(AT_ONCE)]
    work = [0] * AT_ONCE
    for number in sorted(range(len(histories)), key=lambda each: -len(histories[each].rows)):
        idlest = work.index(min(work))
        shares[idlest].append(number)
        work[idlest] += len(histories[number].rows)
        await asyncio.to_thread(_keep, paths[number], histories[number])
    shares = [share for share in shares if share]
    judged = await asyncio.gather(
        *(_process([paths[number] for number in share]) for share in shares)
    )
    found: list[list[str]] = [[] for _ in histories]
    for share, wrongs in zip(shares, judged, strict=True):
        for number, wrong in zip(share, wrongs, strict=True):
            found[number] = wrong
            if not wrong:
                paths[number].unlink()
    return found


def _keep(path: Path, history: History) -> None:
    path.write_bytes(pickle.dumps(history))


async def _process(paths: list[Path]) -> list[list[str]]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.campaign.judging", *map(str, paths)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(JUDGE_SECONDS):
        out, errors = await child.communicate()
    try:
        found: list[list[str]] = json.loads(out)
    except ValueError:
        return [[f"the judge failed: {errors.decode()[-2_000:]}"] for _ in paths]
    return found


def main() -> int:
    """Judge files; the violations of each as JSON."""
    found = []
    for name in sys.argv[1:]:
        history: Any = pickle.loads(Path(name).read_bytes())  # noqa: S301 - the campaign's own
        found.append([str(violation) for violation in check(history)])
    print(json.dumps(found))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
