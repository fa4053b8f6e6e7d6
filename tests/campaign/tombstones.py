"""The remains of an event that an operator deleted: in the database, and its export."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from server.cli import audit
from tests.campaign.deleting import Deleted
from tests.campaign.stores import Postgres
from tests.campaign.venue import Venue
from tests.model.history import Deletion, Json, Violation

#: Tables with rows of an event, which a deletion empties.
TABLES = (
    *("events", "memberships", "options", "items", "item_history", "proposals", "votes"),
    *("ballots", "comments", "invitations"),
)
_STANDS = "SELECT seq, encode(hash, 'hex') AS hash FROM deleted_events WHERE event_id = $1"
#: The lines that are left, and whether they still say anything.
_LINES = """
SELECT seq, payload IS NOT NULL OR patches IS NOT NULL OR digests IS NOT NULL
         OR salt <> '' OR fingerprint <> '' AS says
FROM journal WHERE event_id = $1 ORDER BY seq
"""
_CODES = "SELECT code FROM entrance_codes WHERE event_id = $1"


async def _left(postgres: Postgres, event: str, code: str, top: int) -> list[Violation]:
    """2: the ids and answers of its ``top`` commands are left, and its code, and nothing else."""
    found: list[Violation] = []

    def wrong(what: str) -> None:
        found.append(Violation(2, None, f"of the deleted event {event}, {what}"))

    for table in TABLES:
        column = "id" if table == "events" else "event_id"
        query = f"SELECT count(*) AS rows FROM {table} WHERE {column} = $1"
        if rows := (await postgres.rows(query, event))[0]["rows"]:
            wrong(f"{table} has {rows} rows")
    lines = await postgres.rows(_LINES, event)
    if [line["seq"] for line in lines] != list(range(1, top + 1)):
        wrong(f"the journal has lines {[line['seq'] for line in lines]} of {top}")
    if talking := [line["seq"] for line in lines if line["says"]]:
        wrong(f"the journal still says what lines {talking} said")
    if code not in {row["code"] for row in await postgres.rows(_CODES, event)}:
        wrong("the entrance code is not kept")
    if [row["seq"] for row in await postgres.rows(_STANDS, event)] != [top]:
        wrong("no row says where it ended")
    return found


async def _exported(postgres: Postgres, event: str, exports: Path) -> list[Json]:
    """The lines of the export that the event was deleted with; of a try that failed, there may be
    others. Without one that ends where the event did, the longest verified one."""
    ends = {(row["seq"], row["hash"]) for row in await postgres.rows(_STANDS, event)}
    best: list[Json] = [{}, {"end": 0, "hash": ""}]
    for path in sorted(exports.glob(f"{event}-*.jsonl")):
        lines = await asyncio.to_thread(_verified, path)
        if lines and (lines[-1]["end"], lines[-1]["hash"]) in ends:
            return lines
        best = max(best, lines, key=lambda each: each[-1]["end"] if each else 0)
    return best


def _verified(path: Path) -> list[Json]:
    try:
        audit.verify_file(path)
    except audit.AuditError:
        return []  # Its writer was killed, or failed.
    return [json.loads(line) for line in path.read_text().splitlines()]


async def deletion_of(venue: Venue, deleted: Deleted, rows: Sequence[Json]) -> Deletion:
    """The deletion for the checker, with its export; ``rows``: the journal just before."""
    event, postgres = deleted.event, venue.postgres
    lines = await _exported(postgres, event.id, venue.nodes[0].exports)
    top = sum(row["seq"] is not None for row in rows)
    left = await _left(postgres, event.id, event.code, top)
    return Deletion(deleted.began, deleted.ended, lines, left)
