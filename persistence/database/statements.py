"""SQL statements, built with SQLAlchemy Core, compiled once and run on the driver.

For a small transaction, SQLAlchemy's own execution costs more than the transaction itself. Its
constructs cost nothing once they are compiled.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final, TypeAlias
from typing import cast as typed

import asyncpg
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    LargeBinary,
    Text,
    bindparam,
    case,
    cast,
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
from sqlalchemy.sql.schema import Table

from persistence.database import tables as t
from persistence.database.histogram import STATEMENT_BOUNDS, Histogram
from persistence.database.packing import unpacked

#: Name of a statement → the seconds that its runs in this process took.
TIMINGS: Final[dict[str, Histogram]] = {}
#: Is called in the task that ran a statement, with its name, and when it began and ended
#: (``monotonic``). Never with what was asked. Must not raise.
StatementObserver: TypeAlias = Callable[[str, float, float], None]
_observers: Final[list[StatementObserver]] = []


def observe(observer: StatementObserver) -> Callable[[], None]:
    """Let ``observer`` hear of each statement; return the function that ends it."""
    _observers.append(observer)
    return lambda: _observers.remove(observer)


def ran(name: str, seconds: Histogram, began: float) -> None:
    """Note a statement that began at ``began`` (``time.monotonic()``) and has ended now."""
    ended = monotonic()
    seconds.observe(ended - began)
    for observer in _observers:
        observer(name, began, ended)


def timing(name: str) -> Histogram:
    """Return the histogram of the statements that are called ``name``."""
    return TIMINGS.setdefault(name, Histogram(STATEMENT_BOUNDS))


_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]  # so it is in SQLAlchemy


class Statement:
    """A compiled statement with named parameters; ``name`` is its name in the metrics.

    The values are given by the names of the parameters. Running it raises asyncpg's errors, and
    ``TypeError`` as ``arguments`` does.
    """

    def __init__(self, name: str, construct: ClauseElement) -> None:
        self.name = name
        self._seconds = timing(name)
        compiled = typed(SQLCompiler, construct.compile(dialect=_DIALECT))
        # SQLAlchemy expands an ``IN`` list at execution, which does not happen here.
        assert "POSTCOMPILE" not in str(compiled), str(compiled)
        placed: list[str] = list(compiled.positiontup or ())
        # Core turns constants into parameters; write them out again. A generic plan does not know a
        # parameter's value, and could use no partial index (``WHERE status = 'pending'``) for it.
        constants = {
            name: _literal(value) for name, value in compiled.params.items() if value is not None
        }
        numbers: dict[str, int] = {}

        def place(found: re.Match[str]) -> str:
            name = placed[int(found[1]) - 1]
            if name in constants:
                return constants[name]
            return f"${numbers.setdefault(name, len(numbers) + 1)}"

        self.sql = re.sub(r"\$(\d+)", place, str(compiled))
        self.names = list(numbers)
        self._parameters = frozenset(self.names)

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """Order ``values`` by the placeholders.

        Raises ``TypeError`` if a parameter is missing or unknown: a misspelt one would be NULL.
        """
        if values.keys() != self._parameters:
            odd = ", ".join(sorted(values.keys() ^ self._parameters))
            raise TypeError(f"missing or unknown parameters: {odd}")
        return [values[name] for name in self.names]

    async def rows(self, connection: asyncpg.Connection[Any], **values: Any) -> list[Any]:
        """Run the statement, and return all rows: ``asyncpg.Record``, with values by column."""
        began = monotonic()
        rows: list[Any] = await connection.fetch(self.sql, *self.arguments(values))
        ran(self.name, self._seconds, began)
        return rows

    async def row(self, connection: asyncpg.Connection[Any], **values: Any) -> Any:
        """Run the statement, and return the first row, or ``None``."""
        began = monotonic()
        row = await connection.fetchrow(self.sql, *self.arguments(values))
        ran(self.name, self._seconds, began)
        return row

    async def run(self, connection: asyncpg.Connection[Any], **values: Any) -> str:
        """Run the statement for its effect; return the command tag."""
        began = monotonic()
        tag: str = await connection.execute(self.sql, *self.arguments(values))
        ran(self.name, self._seconds, began)
        return tag


def _literal(value: str | int) -> str:
    """Return a constant as SQL."""
    if isinstance(value, str):
        assert "'" not in value
        return f"'{value}'"
    return str(int(value))


def many(name: str, type_: Any) -> Any:
    """Make a parameter that is an array."""
    return bindparam(name, type_=ARRAY(type_))


def record_columns(table: Table) -> list[ColumnElement[Any]]:
    """Return the columns that a record of ``table`` has: all but its event's id."""
    return [column for column in table.columns if column.name != "event_id"]


def any_of(col: ColumnElement[Any], name: str, type_: Any = Text) -> ColumnElement[bool]:
    """``col = ANY(:name)``."""
    return col == func.any(many(name, type_))


EVENT = bindparam("event", type_=Text)

# The hot path, in the order of a transaction.

#: First in every command transaction. A plain FOR UPDATE would also block the checks of foreign
#: keys.
LOCK_EVENT = Statement(
    "lock_event",
    select(t.events.c.epoch, t.events.c.seq, t.events.c.hash)
    .where(t.events.c.id == EVENT)
    .with_for_update(key_share=True),
)


def _asked() -> Any:
    """Return the (event, user, command id) to look up, as rows."""
    columns = (column(name, Text) for name in ("event_id", "user_id", "command_id"))
    return (
        func.unnest(*(unpacked(name, Text()) for name in ("events", "users", "ids")))
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
        # At most one row: it is a key. The limit keeps the planner from a join over all rows.
        .limit(1)
        .lateral("known")
    )
    return select(known).select_from(asked.join(known, true())).subquery("found")


def _clock() -> Any:
    return select(func.clock_timestamp().label("now")).subquery("clock")


def _clock_and_remembered() -> Any:
    clock, found = _clock(), _remembered()
    return select(clock.c.now, found).select_from(clock.outerjoin(found, true()))


def _lock_free() -> Any:
    clock, found = _clock(), _remembered()
    names = ("id", "epoch", "seq", "hash")
    locked = (
        select(*(t.events.c[name].label(f"locked_{name}") for name in names))
        .where(any_of(t.events.c.id, "wanted"))
        .with_for_update(key_share=True, skip_locked=True)
        .cte("locked")
    )
    beside = clock.outerjoin(locked, true()).outerjoin(
        found, found.c.event_id == locked.c.locked_id
    )
    return select(clock.c.now, locked, found).select_from(beside)


#: Lock several events, but only those whose lock is free; a missing event is no error. Also returns
#: the clock and any recorded answers, as they were just before the lock was taken. If the event is
#: still at the position of this node's cached state, nobody has written since, and both are valid.
LOCK_FREE_EVENTS = Statement("lock_free_events", _lock_free())
#: Find which of several events exist, locked or not.
EXISTING_EVENTS = Statement(
    "existing_events", select(t.events.c.id).where(any_of(t.events.c.id, "wanted"))
)
#: Read the clock and the recorded answers of these ids, after the lock is taken.
CLOCK_AND_REMEMBERED = Statement("clock_and_remembered", _clock_and_remembered())


# Writing: one statement for everything that a transaction changed, in all its events.

KEYS: dict[str, tuple[str, ...]] = {
    "ballots": ("event_id", "user_id"),
    "comments": ("event_id", "id"),
    "entrance_codes": ("code",),
    "events": ("id",),
    "invitations": ("event_id", "id"),
    "item_history": ("event_id", "item_id", "part", "version"),
    "items": ("event_id", "id"),
    "memberships": ("event_id", "user_id"),
    "options": ("event_id", "id"),
    "proposals": ("event_id", "id"),
    "votes": ("event_id", "proposal_id", "user_id"),
}
#: Tables to which rows are only added. A second row with the same key is a defect, or another
#: node's.
_ADDED_ONLY = frozenset({"entrance_codes", "item_history"})


@functools.cache
def columns_of(table: str) -> tuple[str, ...]:
    """Return the columns of ``table``, in the order in which rows are written."""
    columns = t.metadata.tables[table].columns
    return tuple(c.name for c in columns if c.info.get("appended", True))


def _source(table: Table, names: Sequence[str], part: str) -> Any:
    """Return the rows to write, as arrays unnested side by side: ``:<part>_<column>``.

    The columns of a part in ``PACKED`` are packed.
    """
    columns = [table.c[name] for name in names]
    array = unpacked if part in PACKED else many
    return (
        func.unnest(*(array(f"{part}_{c.name}", c.type) for c in columns))
        .table_valued(*(column(c.name, c.type) for c in columns), name=f"new_{part}")
        .render_derived()
    )


#: Bytes of the journal's columns of fixed width. The last two are NULL in a final error.
JOURNAL_WIDTHS = {"salt": 16, "fingerprint": 32, "prev_hash": 32, "hash": 32}
#: The journal's columns that are packed. All entries of a transaction have one moment (``at``).
JOURNAL_PACKED = tuple(
    name for name in columns_of("journal") if name not in {*JOURNAL_WIDTHS, "at"}
)


def _add_entries() -> Any:
    """Insert entries of the journal: ``:journal_<column>``."""
    columns = [t.journal.c[name] for name in JOURNAL_PACKED]
    new = (
        func.unnest(*(unpacked(f"journal_{c.name}", c.type) for c in columns))
        .table_valued(
            *(column(c.name, c.type) for c in columns), with_ordinality="place", name="new_journal"
        )
        .render_derived()
    )
    start = cast(new.c.place, Integer) - 1

    def value(name: str) -> Any:
        if name == "at":
            return bindparam("journal_at", type_=t.journal.c.at.type)
        if (width := JOURNAL_WIDTHS.get(name)) is None:
            return new.c[name]
        joined = bindparam(f"journal_{name}", type_=LargeBinary)
        found = func.substr(joined, start * width + 1, width)
        return found if name not in ("prev_hash", "hash") else case((new.c.seq.is_not(None), found))

    names = columns_of("journal")
    return insert(t.journal).from_select(list(names), select(*(value(name) for name in names)))


def _put(table: Table, *, part: str = "", new: bool = False) -> Any:
    """Insert rows, or replace existing ones; with ``new`` an existing one is an error."""
    names = columns_of(table.name)
    source = _source(table, names, part or table.name)
    statement = insert(table).from_select(list(names), select(*(source.c[n] for n in names)))
    if new or table.name in _ADDED_ONLY:
        return statement
    keys = KEYS[table.name]
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=changed)


def _drop(table: Table) -> Any:
    """Delete the rows of these users in these events."""
    part = f"gone_{table.name}"
    source = _source(table, ("event_id", "user_id"), part)
    return delete(table).where(
        table.c.event_id == source.c.event_id, table.c.user_id == source.c.user_id
    )


def _change(table: Table, key: Sequence[str], values: Sequence[str], part: str) -> Any:
    """Change a few columns of existing rows."""
    source = _source(table, (*key, *values), part)
    return (
        update(table)
        .where(*(table.c[name] == source.c[name] for name in key))
        .values({name: source.c[name] for name in values})
    )


#: Columns of the event's row that every step changes, and most steps change alone.
POSITION = ("id", "seq", "hash")
#: Columns of a proposal that a vote changes.
TALLY = ("event_id", "id", "agree", "against", "abstain", "voters")

#: Parts that votes write; their columns are ids and numbers.
PACKED = frozenset({"tallies", "votes"})
_PARTS: dict[str, Callable[[], Any]] = {
    "made": lambda: _put(t.events, part="made", new=True),
    "advanced": lambda: _change(t.events, POSITION[:1], POSITION[1:], "advanced"),
    "tallies": lambda: _change(t.proposals, TALLY[:2], TALLY[2:], "tallies"),
    "gone_ballots": lambda: _drop(t.ballots),
    "gone_memberships": lambda: _drop(t.memberships),
}


@functools.cache
def write(parts: frozenset[str]) -> Statement:
    """Return one statement that writes journal entries and ``parts``.

    A part is a table's name or one of ``_PARTS``. The parts are data-modifying CTEs on different
    rows, so their order does not matter.
    """
    made = [
        _PARTS[part]() if part in _PARTS else _put(t.metadata.tables[part])
        for part in sorted(parts - {"journal"})
    ]
    ctes = [statement.cte(f"part_{number}") for number, statement in enumerate(made)]
    return Statement("write", _add_entries().add_cte(*ctes))
