"""The statements, built with SQLAlchemy Core, compiled once and run on the driver itself.

SQLAlchemy's own execution costs a small transaction more than the transaction takes; its
constructs cost nothing once compiled.
"""

from __future__ import annotations

import functools
from typing import Any, cast

import asyncpg
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Text,
    bindparam,
    column,
    delete,
    func,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.schema import Column, Table

from persistence import tables as t

_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]  # so it is in SQLAlchemy


class Statement:
    """A compiled statement with named parameters."""

    def __init__(self, construct: ClauseElement) -> None:
        compiled = cast(SQLCompiler, construct.compile(dialect=_DIALECT))
        self.sql = str(compiled)
        # An ``IN`` list is filled in by SQLAlchemy at execution, which does not happen here.
        assert "POSTCOMPILE" not in self.sql, self.sql
        self.names: list[str] = list(compiled.positiontup or ())
        # Constants that Core made parameters of.
        self.constants: dict[str, Any] = {
            name: value for name, value in compiled.params.items() if value is not None
        }

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """The values in the order of the placeholders."""
        return [values[name] if name in values else self.constants.get(name) for name in self.names]

    async def rows(self, connection: asyncpg.Connection[Any], **values: Any) -> list[Any]:
        """All rows."""
        rows: list[Any] = await connection.fetch(self.sql, *self.arguments(values))
        return rows

    async def row(self, connection: asyncpg.Connection[Any], **values: Any) -> Any:
        """The first row, or ``None``."""
        return await connection.fetchrow(self.sql, *self.arguments(values))

    async def run(self, connection: asyncpg.Connection[Any], **values: Any) -> str:
        """Run it for its effect; the command tag."""
        tag: str = await connection.execute(self.sql, *self.arguments(values))
        return tag


def many(name: str, type_: Any) -> Any:
    """A parameter that is an array."""
    return bindparam(name, type_=ARRAY(type_))


def any_of(col: ColumnElement[Any], name: str, type_: Any = Text) -> ColumnElement[bool]:
    """``col = ANY(:name)``."""
    return col == func.any(many(name, type_))


EVENT = bindparam("event", type_=Text)

# The hot path, in the order of a transaction.

#: First of every command transaction. Plain FOR UPDATE would also block foreign keys' checks.
LOCK_EVENT = Statement(
    select(t.events.c.epoch, t.events.c.seq, t.events.c.hash)
    .where(t.events.c.id == EVENT)
    .with_for_update(key_share=True)
)
#: The same for several events at once, but only those that are free, and none that is not there.
LOCK_FREE_EVENTS = Statement(
    select(t.events.c.id, t.events.c.epoch, t.events.c.seq, t.events.c.hash)
    .where(any_of(t.events.c.id, "ids"))
    .with_for_update(key_share=True, skip_locked=True)
)


def _asked() -> Any:
    """The (event, user, command id) asked for, as rows."""
    columns = (column(name, Text) for name in ("event_id", "user_id", "command_id"))
    return (
        func.unnest(many("events", Text), many("users", Text), many("ids", Text))
        .table_valued(*columns, name="asked")
        .render_derived()
    )


def _remembered() -> Any:
    asked = _asked()
    j = t.journal
    known = (
        select(
            j.c.event_id,
            j.c.user_id,
            j.c.command_id,
            j.c.seq,
            j.c.salt,
            j.c.fingerprint,
            j.c.answer,
            j.c.hash,
        )
        .where(
            j.c.event_id == asked.c.event_id,
            j.c.user_id == asked.c.user_id,
            j.c.command_id == asked.c.command_id,
        )
        .lateral("known")
    )
    clock = select(func.clock_timestamp().label("now")).subquery("clock")
    found = select(known).select_from(asked.join(known, true())).subquery("found")
    return select(clock.c.now, found).select_from(clock.outerjoin(found, true()))


#: The clock, read after the lock is held, beside what the journal knows of these ids.
CLOCK_AND_REMEMBERED = Statement(_remembered())


# Writing: one statement for all that a batch changed.

_KEYS: dict[str, tuple[str, ...]] = {
    "ballots": ("event_id", "user_id"),
    "comments": ("event_id", "id"),
    "entrance_codes": ("code",),
    "item_history": ("event_id", "item_id", "part", "version"),
    "items": ("event_id", "id"),
    "memberships": ("event_id", "user_id"),
    "options": ("event_id", "id"),
    "proposals": ("event_id", "id"),
    "votes": ("event_id", "proposal_id", "user_id"),
}
#: Rows of these are only ever added: a second one is a defect, or another node's.
_ADDED_ONLY = frozenset({"entrance_codes", "item_history"})
JOURNAL_COLUMNS = tuple(c.name for c in t.journal.columns if c.name != "event_id")


def written_columns(table: str) -> list[Column[Any]]:
    """The columns of ``table`` that a record fills; the event's id is one value for all."""
    return [c for c in t.metadata.tables[table].columns if c.name != "event_id"]


def _source(table: Table, columns: list[Column[Any]]) -> Any:
    """The new rows, as arrays unnested side by side."""
    return (
        func.unnest(*(many(f"{table.name}_{c.name}", c.type) for c in columns))
        .table_valued(*(column(c.name, c.type) for c in columns), name=f"new_{table.name}")
        .render_derived()
    )


def _put(table: Table) -> Any:
    """Insert rows, or replace those that are there."""
    columns = written_columns(table.name)
    source = _source(table, columns)
    names = [c.name for c in columns]
    values = [source.c[name] for name in names]
    if "event_id" in table.c:
        names, values = ["event_id", *names], [EVENT, *values]
    statement = insert(table).from_select(names, select(*values))
    if table.name in _ADDED_ONLY or table.name == "journal":
        return statement
    keys = _KEYS[table.name]
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=changed)


def _drop(table: Table) -> Any:
    """Delete the rows of these users."""
    return delete(table).where(
        table.c.event_id == EVENT, any_of(table.c.user_id, f"{table.name}_dropped")
    )


def _put_event() -> Any:
    """The whole row of the event: made, or changed beyond its position."""
    row = {c.name: bindparam(f"events_{c.name}", type_=c.type) for c in t.events.columns}
    statement = insert(t.events).values(row)
    return statement.on_conflict_do_update(
        index_elements=["id"],
        set_={name: statement.excluded[name] for name in row if name != "id"},
    )


def _make_event() -> Any:
    row = {c.name: bindparam(f"events_{c.name}", type_=c.type) for c in t.events.columns}
    return insert(t.events).values(row)


def _advance_event() -> Any:
    """Only the position: all that most steps change of the event's row."""
    return (
        update(t.events)
        .where(t.events.c.id == EVENT)
        .values(
            seq=bindparam("events_seq", type_=t.events.c.seq.type),
            hash=bindparam("events_hash", type_=t.events.c.hash.type),
        )
    )


_EVENT_WRITES = {"make": _make_event, "put": _put_event, "advance": _advance_event}


@functools.cache
def write(event: str, puts: frozenset[str], drops: frozenset[str]) -> Statement:
    """One statement that writes a batch: journal lines, changed rows, and the event's row.

    ``event`` is ``make``, ``put``, ``advance``, or ``none`` where nothing was accepted. Its parts
    are data-modifying CTEs on different tables, so their order does not matter.
    """
    parts = [_put(t.metadata.tables[name]).cte(f"put_{name}") for name in sorted(puts)]
    parts += [_drop(t.metadata.tables[name]).cte(f"drop_{name}") for name in sorted(drops)]
    journal = _put(t.journal)
    if event == "none":
        return Statement(journal.add_cte(*parts))
    main = _EVENT_WRITES[event]()
    return Statement(main.add_cte(journal.cte("put_journal"), *parts))
