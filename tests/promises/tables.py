"""The contents of the tables, for a comparison with the clients' messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import asyncpg

from tests.promises.client import Message


async def rows(url: str, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    """The rows of a query, on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        found: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
    finally:
        await connection.close()
    return found


async def journal(url: str, event: str) -> list[asyncpg.Record]:
    """The accepted lines of an event, in order."""
    return await rows(
        url,
        "SELECT seq, user_id, command_id, command, encode(hash, 'hex') AS hash, at FROM journal"
        " WHERE event_id = $1 AND seq IS NOT NULL ORDER BY seq",
        event,
    )


async def agree_with_the_tables(url: str, event: str, acks: Iterable[Message]) -> None:
    """Every ack is in the journal at its position with its hash; tallies are counts of rows."""
    lines = await journal(url, event)
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert len({(line["user_id"], line["command_id"]) for line in lines}) == len(lines)
    by_seq = {line["seq"]: line for line in lines}
    for ack in acks:
        line = by_seq[ack["seq"]]
        assert (line["command_id"], line["hash"]) == (ack["id"], ack["hash"])
    wrong = await rows(
        url,
        "SELECT p.id, p.agree, count(v.user_id) AS held FROM proposals p"
        " LEFT JOIN votes v ON v.event_id = p.event_id AND v.proposal_id = p.id"
        " AND v.active AND v.revision = p.revision"
        " WHERE p.event_id = $1 GROUP BY p.id, p.agree HAVING p.agree <> count(v.user_id)",
        event,
    )
    assert wrong == []
    (event_row,) = await rows(
        url, "SELECT seq, encode(hash, 'hex') AS hash FROM events WHERE id = $1", event
    )
    assert (event_row["seq"], event_row["hash"]) == (lines[-1]["seq"], lines[-1]["hash"])


async def lines(url: str, event: str) -> list[asyncpg.Record]:
    """The journal of an event, refusals last."""
    connection = await asyncpg.connect(url)
    try:
        rows: list[asyncpg.Record] = await connection.fetch(
            "SELECT * FROM journal WHERE event_id = $1 ORDER BY seq NULLS LAST, at", event
        )
    finally:
        await connection.close()
    return rows


def same(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without the field that distinguishes a repeat."""
    return {key: value for key, value in answer.items() if key != "replayed"}
