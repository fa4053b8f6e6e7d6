"""The locked transaction: everything a batch of commands does to an event happens in one.

    async with Transaction.begin(database) as transaction:
        position = await transaction.lock(event_id)
        now, known = await transaction.clock_and_remembered(keys)
        state = ...                     # kept from before if ``position`` agrees, else load()
        await transaction.fetch(state, needs)
        await transaction.write(lines, state, changed, ...)
        await transaction.commit()

The rows' locks come first and are the only ones. A transaction that waits for a lock holds no
other; one that takes several takes only those that are free: so no two can wait for each other.
Leaving the block without ``commit`` rolls back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import msgspec
import orjson

from persistence import loading, tables
from persistence import statements as s
from persistence.database import Database
from persistence.faults import fault_of
from persistence.records import Decided
from persistence.state import EventState, Need

#: (user, command id): what a command is known by in its event.
CommandKey = tuple[str, str]


class Position(NamedTuple):
    """Where the event's row stands."""

    epoch: str
    seq: int
    hash: bytes


class Line(NamedTuple):
    """A row of the journal, its fields in the order of the table's columns after ``event_id``."""

    user_id: str
    command_id: str
    seq: int | None
    command: str
    salt: bytes
    fingerprint: bytes
    payload: str
    answer: str
    patches: str | None
    at: datetime
    prev_hash: bytes | None
    hash: bytes | None


assert Line._fields == s.JOURNAL_COLUMNS

_event_columns = tuple(c.name for c in tables.events.columns)
_record_columns = {
    name: tuple(c.name for c in s.written_columns(name))
    for name in (
        "ballots",
        "comments",
        "entrance_codes",
        "item_history",
        "items",
        "memberships",
        "options",
        "proposals",
        "votes",
    )
}


class Transaction:
    """One transaction on one event, or on several; made by ``begin``."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def begin(cls, database: Database) -> AsyncIterator[Transaction]:
        """Open a transaction; it is rolled back on leaving unless committed."""
        async with database.connection() as connection:
            await connection.execute("BEGIN")
            try:
                yield cls(connection)
            except BaseException as err:
                # Cut by the pool rather than rolled back: a link that hangs would keep the answer
                # from everybody for as long as a statement may take.
                if isinstance(err, Exception) and fault_of(err) is None:
                    await _roll_back(connection)
                raise
            else:
                await _roll_back(connection)

    async def lock(self, event_id: str) -> Position | None:
        """Lock the event's row, waiting for it; ``None`` where there is no such event."""
        row = await s.LOCK_EVENT.row(self._connection, event=event_id)
        return Position(*row) if row else None

    async def lock_free(self, event_ids: Sequence[str]) -> dict[str, Position]:
        """Lock those of the events that are there and that nobody else holds; never waits."""
        rows = await s.LOCK_FREE_EVENTS.rows(self._connection, ids=event_ids)
        return {row["id"]: Position(row["epoch"], row["seq"], row["hash"]) for row in rows}

    async def clock_and_remembered(
        self, keys: Sequence[tuple[str, CommandKey]]
    ) -> tuple[datetime, dict[tuple[str, CommandKey], Decided]]:
        """The database's clock now, and which (event, key) of ``keys`` are answered already."""
        rows = await s.CLOCK_AND_REMEMBERED.rows(
            self._connection,
            events=[event for event, _ in keys],
            users=[user for _, (user, _) in keys],
            ids=[id for _, (_, id) in keys],
        )
        now: datetime = rows[0]["now"]
        known = {}
        for row in rows:
            fields = dict(row)
            del fields["now"]
            event = fields.pop("event_id")
            if event is not None:
                decided = Decided(**fields)
                known[event, (decided.user_id, decided.command_id)] = decided
        return now, known

    async def load(self, event_id: str) -> EventState:
        """The event as it stands."""
        return await loading.load(self._connection, event_id)

    async def fetch(self, state: EventState, needs: Iterable[Need]) -> None:
        """Bring into ``state`` what a command asked for."""
        await loading.fetch(self._connection, state, needs)

    async def write(
        self,
        lines: Sequence[Line],
        state: EventState,
        changed: dict[str, set[Any]],
        *,
        made: bool,
        event_changed: bool,
    ) -> None:
        """Write an event's batch in one statement.

        ``changed`` names, per table, the keys whose records in ``state`` are new. ``made``: the
        event has no row yet. ``event_changed``: more of its row than the position changed.
        """
        values: dict[str, Any] = {"event": state.id}
        for name, column in zip(s.JOURNAL_COLUMNS, zip(*lines, strict=True), strict=True):
            values[f"journal_{name}"] = column
        puts, drops = set(), set()
        for table, keys in changed.items():
            rows: dict[Any, Any] = getattr(state, table)
            if gone := [key for key in keys if rows[key] is None]:
                drops.add(table)
                values[f"{table}_dropped"] = gone
            if kept := [_row(table, key, rows[key]) for key in keys if rows[key] is not None]:
                puts.add(table)
                columns = _record_columns[table]
                for name, column in zip(columns, zip(*kept, strict=True), strict=True):
                    values[f"{table}_{name}"] = column
        accepted = any(line.seq is not None for line in lines)
        kind = "none"
        if accepted:
            kind = "make" if made else "put" if event_changed else "advance"
            values["events_seq"] = state.seq
            values["events_hash"] = state.hash
            if kind != "advance":
                values |= _event_values(state)
        statement = s.write(kind, frozenset(puts), frozenset(drops))
        await statement.run(self._connection, **values)

    async def commit(self) -> None:
        """COMMIT; returns once it is durable (``synchronous_commit=on``)."""
        await self._connection.execute("COMMIT")


async def _roll_back(connection: asyncpg.Connection[Any]) -> None:
    if not connection.is_closed() and connection.is_in_transaction():
        await connection.execute("ROLLBACK")


def _row(table: str, key: Any, record: Any) -> tuple[Any, ...]:
    if table == "entrance_codes":
        return (key,)
    values = [getattr(record, name) for name in _record_columns[table]]
    if table in ("proposals", "ballots"):
        return tuple(_json(value) for value in values)
    return tuple(values)


def _json(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _event_values(state: EventState) -> dict[str, Any]:
    event = state.event
    values = {f"events_{name}": getattr(event, name) for name in _event_columns}
    values["events_policy"] = msgspec.json.encode(event.policy).decode()
    values["events_results"] = _json(event.results)
    values["events_epoch"] = state.epoch
    values["events_seq"] = state.seq
    values["events_hash"] = state.hash
    return values
