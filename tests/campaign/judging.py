"""The judge: histories put together from what was recorded, and the checker run on them.

The checker runs in processes of its own, one an event, two at a time.
``python -m tests.campaign.judging FILE`` judges a history again that a campaign kept.
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
from tests.promises.running import ROOT

#: What the model calls the limits that the nodes are given.
LIMITS = {
    "shown_proposals": SMALL["resolved_shown"],
    "shown_comments": SMALL["comments_shown"],
    "pending": SMALL["pending_proposals"],
}
#: Longest that judging one event may take.
JUDGE_SECONDS = 600.0
AT_ONCE = 2

_JOURNAL = """
SELECT user_id, command_id, seq, command, payload::text, answer::text, patches::text, at,
       salt, prev_hash, hash
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
        "payload": json.loads(record["payload"]),
        "payload_text": record["payload"],
        "answer": json.loads(record["answer"]),
        "answer_text": record["answer"],
        "patches": {name: json.loads(bytes(text)) for name, text in texts.items()},
        "patches_text": {name: bytes(text).decode() for name, text in texts.items()},
        "at": record["at"],
        "salt": record["salt"],
        "prev_hash": record["prev_hash"],
        "hash": record["hash"],
    }


async def history_of(played: Round, event: Event) -> History:
    """All that is known of one event of a round."""
    records = await played.venue.postgres.rows(_JOURNAL, event.id)
    played.journal_lines += len(records)
    streams = [line.streams[event.id] for line in played.lines() if event.id in line.streams]
    return History(
        operations=event.operations,
        streams=streams,
        rows=[row_of(record) for record in records],
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
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, history: History) -> list[str]:
        path = folder / f"{name}-event-{number}.pickle"
        async with turn:
            if not apart:
                found = [str(violation) for violation in check(history)]
            else:
                await asyncio.to_thread(path.write_bytes, pickle.dumps(history))
                found = await _apart(path)
                if not found:
                    path.unlink()
            return [f"{name}, event {number}: {what}" for what in found]

    judged = await asyncio.gather(*(one(*each) for each in enumerate(histories)))
    return [what for found in judged for what in found]


async def _apart(path: Path) -> list[str]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.campaign.judging", str(path)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(JUDGE_SECONDS):
        out, errors = await child.communicate()
    try:
        found: list[str] = json.loads(out)
    except ValueError:
        return [f"the judge failed: {errors.decode()[-2_000:]}"]
    return found


def main() -> int:
    """Judge one file; the violations as JSON."""
    history: Any = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - the campaign's own
    print(json.dumps([str(violation) for violation in check(history)]))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
