"""The locked transaction: a batch of commands changes an event in exactly one.

    async with Transaction.begin(database) as transaction:
        position = await transaction.lock(event_id)
        now, known = await transaction.clock_and_remembered(keys)
        state = ...                     # the cached one if ``position`` agrees, else load()
        await transaction.fetch(state, needs)
        await transaction.write(batches)
        await transaction.commit()

The rows' locks are taken first, and no others are taken later. A transaction that waits for a lock
holds no other one. A transaction that takes several takes only free ones. So no two transactions
can wait for each other. Leaving the block without ``commit`` rolls back.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from time import monotonic
from typing import Any, NamedTuple, TypeAlias, get_args

import asyncpg
import msgspec
import orjson

from persistence.database import statements as s
from persistence.database import tables as t
from persistence.database.faults import NotCommitted, fault_of
from persistence.database.packing import join_fixed, pack, packer
from persistence.database.pool import Database
from persistence.event import loading, loading_together
from persistence.event.records import Decided, TableName
from persistence.event.state import EventState, Need
from persistence.event.terms import encode_terms
from protocol.policy import Terms

_COMMIT = s.timing("commit")

#: (user, command id): the key of a command in its event.
CommandKey = tuple[str, str]


class Position(NamedTuple):
    """The position of an event, and the hash of its last entry."""

    epoch: str
    seq: int
    hash: bytes


#: (event, key) → how the command was decided, for commands that the journal remembers.
Remembered: TypeAlias = dict[tuple[str, CommandKey], Decided]


class Free(NamedTuple):
    """Events whose locks were free; they are locked now."""

    positions: dict[str, Position]
    now: datetime
    known: Remembered


class JournalEntry(msgspec.Struct, frozen=True, gc=False):
    """A row of the journal, with its fields in the order of the table's columns."""

    event_id: str
    user_id: str
    command_id: str
    seq: int | None
    command: str
    salt: bytes
    fingerprint: bytes
    payload: str | None
    """``None`` in a final error."""
    answer: str
    patches: str | None
    at: datetime
    prev_hash: bytes | None
    hash: bytes | None


assert JournalEntry.__struct_fields__ == s.columns_of("journal")


class Written(NamedTuple):
    """The rows that a batch has to write for one event."""

    state: EventState
    entries: Collection[JournalEntry]
    changed: Mapping[str, set[Any]]
    """Table → keys whose records in ``state`` are to be written."""
    tallies: set[str]
    """Proposals of which only the tally changed; they are not in ``changed``."""
    made: bool
    """Whether the event has no row yet."""
    event_changed: bool
    """Whether more of the event's row changed than its position."""


#: The values of a record, in the order of its table's columns after ``event_id``. Those of an
#: entrance code are not a record's.
_RECORDS = {
    name: operator.attrgetter(*s.columns_of(name)[1:])
    for name in get_args(TableName)
    # Its row has another key, and is written apart.
    if name != "entrance_codes"
}
#: Tables that have JSON columns.
_WITH_JSON = frozenset({"ballots", "proposals"})
_tally = operator.attrgetter(*s.TALLY[2:])


class Transaction:
    """One transaction on one or several events; made by ``begin`` or ``on``."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def begin(cls, database: Database) -> AsyncIterator[Transaction]:
        """Open a transaction on a connection of the pool."""
        async with database.connection() as connection, cls.on(connection) as transaction:
            yield transaction

    @classmethod
    @asynccontextmanager
    async def on(cls, connection: asyncpg.Connection[Any]) -> AsyncIterator[Transaction]:
        """Open a transaction on ``connection``; it is rolled back on leaving unless committed."""
        await connection.execute("BEGIN")
        try:
            yield cls(connection)
        except BaseException as err:
            # The pool closes the connection instead. A rollback on a connection that hangs would
            # keep the answers back until the statement's timeout.
            if isinstance(err, Exception) and fault_of(err) is None:
                await _roll_back(connection)
            raise
        else:
            await _roll_back(connection)

    async def lock(self, event_id: str) -> Position | None:
        """Lock the event's row, waiting for it; return ``None`` if there is no such event."""
        row = await s.LOCK_EVENT.row(self._connection, event=event_id)
        return Position(*row) if row else None

    async def lock_free(
        self, event_ids: Sequence[str], keys: Sequence[tuple[str, CommandKey]]
    ) -> Free:
        """Lock those of the events that exist and whose locks are free; never wait.

        Also returns what ``clock_and_remembered`` returns for ``keys``, but from just before the
        lock was taken.
        """
        rows = await s.LOCK_FREE_EVENTS.rows(self._connection, wanted=event_ids, **_columns(keys))
        positions = {
            row["locked_id"]: Position(row["locked_epoch"], row["locked_seq"], row["locked_hash"])
            for row in rows
            if row["locked_id"] is not None
        }
        return Free(positions, rows[0]["now"], _known(rows))

    async def existing(self, event_ids: Sequence[str]) -> set[str]:
        """Return those of the events that exist, locked or not."""
        rows = await s.EXISTING_EVENTS.rows(self._connection, wanted=event_ids)
        return {row["id"] for row in rows}

    async def clock_and_remembered(
        self, keys: Sequence[tuple[str, CommandKey]]
    ) -> tuple[datetime, Remembered]:
        """Return the database's clock now, and how known ones of ``keys`` were decided.

        A key is a user with an idempotency id.
        """
        rows = await s.CLOCK_AND_REMEMBERED.rows(self._connection, **_columns(keys))
        return rows[0]["now"], _known(rows)

    @property
    def connection(self) -> asyncpg.Connection[Any]:
        """The connection it runs on, for an operator's acts (``rewriting``)."""
        return self._connection

    async def load(self, event_id: str) -> EventState:
        """Load the event as it is now."""
        return await loading.load(self._connection, event_id)

    async def load_together(self, event_ids: Sequence[str]) -> dict[str, EventState]:
        """Load several events as they are now, by their ids."""
        return await loading_together.load_together(self._connection, event_ids)

    async def fetch_together(self, wanted: Iterable[tuple[EventState, Iterable[Need]]]) -> None:
        """Load the memberships and votes that are named into the states of several events."""
        await loading_together.fetch_together(self._connection, wanted)

    async def fetch(self, state: EventState, needs: Iterable[Need]) -> None:
        """Load into ``state`` what a command asked for."""
        await loading.fetch(self._connection, state, needs)

    async def write(self, batches: Iterable[Written]) -> None:
        """Write all batches in one statement."""
        rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        entries: list[JournalEntry] = []
        for written in batches:
            entries += written.entries
            _gather_rows(rows, written)
        values = _journal_values(entries)
        for part, found in rows.items():
            # The part "made" writes a whole row of ``events``.
            columns = _COLUMNS.get(part) or s.columns_of("events" if part == "made" else part)
            packers = _PACKERS.get(part)
            for number, cells in enumerate(zip(*found, strict=True)):
                values[f"{part}_{columns[number]}"] = packers[number](cells) if packers else cells
        await s.write(frozenset(rows)).run(self._connection, **values)

    async def commit(self) -> None:
        """COMMIT; return once it is durable (``synchronous_commit=on``).

        Raises ``NotCommitted`` if the transaction had failed: PostgreSQL then answers with the tag
        ROLLBACK, and with no error.
        """
        began = monotonic()
        tag = await self._connection.execute("COMMIT")
        s.ran("commit", _COMMIT, began)
        if tag != "COMMIT":
            raise NotCommitted(f"COMMIT was answered with {tag}")


def _columns(keys: Sequence[tuple[str, CommandKey]]) -> dict[str, str | None]:
    return {
        "events": pack([event for event, _ in keys]),
        "users": pack([user for _, (user, _) in keys]),
        "ids": pack([id for _, (_, id) in keys]),
    }


def _known(rows: Iterable[asyncpg.Record]) -> Remembered:
    known = {}
    for row in rows:
        if row["event_id"] is not None:
            decided = Decided(**{name: row[name] for name in Decided.__struct_fields__})
            known[row["event_id"], (decided.user_id, decided.command_id)] = decided
    return known


async def _roll_back(connection: asyncpg.Connection[Any]) -> None:
    if not connection.is_closed() and connection.is_in_transaction():
        await connection.execute("ROLLBACK")


#: Parts that write some columns only.
_COLUMNS = {
    "advanced": s.POSITION,
    "tallies": s.TALLY,
    "gone_ballots": ("event_id", "user_id"),
    "gone_memberships": ("event_id", "user_id"),
}


#: Functions that pack the columns of a part, in their order.
_PACKERS = {
    "tallies": [packer(t.proposals.c[name].type) for name in s.TALLY],
    "votes": [packer(t.votes.c[name].type) for name in s.columns_of("votes")],
}
_JOURNAL_PACKERS = [
    (f"journal_{name}", operator.attrgetter(name), packer(t.journal.c[name].type))
    for name in s.JOURNAL_PACKED
]
_JOURNAL_WIDTHS = [
    (f"journal_{name}", operator.attrgetter(name), width)
    for name, width in s.JOURNAL_WIDTHS.items()
]
assert _PACKERS.keys() == s.PACKED


def _journal_values(entries: Sequence[JournalEntry]) -> dict[str, Any]:
    """Return the columns of ``entries``, which share one moment."""
    values: dict[str, Any] = {"journal_at": entries[0].at}
    for name, of, packed in _JOURNAL_PACKERS:
        values[name] = packed(list(map(of, entries)))
    for name, of, width in _JOURNAL_WIDTHS:
        values[name] = join_fixed(list(map(of, entries)), width)
    return values


def _gather_rows(rows: dict[str, list[tuple[Any, ...]]], written: Written) -> None:
    """Add the rows of one event, by the part of the statement that writes them."""
    state, event_id = written.state, written.state.id
    for table, keys in written.changed.items():
        records: dict[Any, Any] = getattr(state, table)
        values_of = _RECORDS.get(table)
        for key in keys:
            record = records[key]
            if record is None:
                rows[f"gone_{table}"].append((event_id, key))
            elif values_of is None:
                rows[table].append((key, event_id))
            elif table in _WITH_JSON:
                rows[table].append((event_id, *map(_json, values_of(record))))
            else:
                rows[table].append((event_id, *values_of(record)))
    for id in written.tallies:
        proposal = state.proposals[id]
        assert proposal is not None
        rows["tallies"].append((event_id, id, *_tally(proposal)))
    if all(entry.seq is None for entry in written.entries):
        return
    if written.made:
        rows["made"].append(_event_row(state))
    elif written.event_changed:
        rows["events"].append(_event_row(state))
    else:
        rows["advanced"].append((event_id, state.seq, state.hash))


def _json(value: Any) -> Any:
    if isinstance(value, Terms):
        return encode_terms(value)
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _event_row(state: EventState) -> tuple[Any, ...]:
    event = state.event
    changed = {
        "policy": msgspec.json.encode(event.policy).decode(),
        "results": _json(event.results),
        "epoch": state.epoch,
        "seq": state.seq,
        "hash": state.hash,
    }
    return tuple(
        changed[name] if name in changed else getattr(event, name)
        for name in s.columns_of("events")
    )
