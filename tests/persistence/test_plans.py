"""PostgreSQL finds rows by the whole key of an index, on tables without statistics.

The tables grow from empty with autovacuum off, so the planner knows as little as on the day after
an installation. Plans are generic, as the server's are.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from persistence.database import statements
from persistence.database.pool import SESSION
from persistence.database.statements import Statement, write
from persistence.database.tables import metadata
from persistence.event import loading, loading_together, outline
from persistence.journal import audit, pruning
from persistence.queries import ballots, due, event_reads, lists, people, prechecks
from tests.parts import apart, database

#: Events with many records, and the number of all events.
EVENTS = 12
ALL_EVENTS = 3_000
PEOPLE = 150
PROPOSALS = 60
LINES = 400

_GROW = f"""
INSERT INTO users (id, name) SELECT 'u' || n, 'u' || n FROM generate_series(1, {PEOPLE}) n;
INSERT INTO events (id, subject, entrance_code, status, max_members, policy, policy_version,
    criteria_rev, created_by, created_at, seq, epoch, hash, members, admins, pending, ballots,
    proposals, comments, joins, items, resolutions, comments_made, comment_floor)
  SELECT 'e' || e, 's', 'C' || e, 'in_progress', 100, '{{}}', 1, 1, 'u1', now(), {LINES}, 'x', '',
    {PEOPLE}, 1, 10, 0, {PROPOSALS}, 0, {PEOPLE}, 20, {PROPOSALS}, 200, 0
  FROM generate_series(1, {ALL_EVENTS}) e;
INSERT INTO entrance_codes (code, event_id)
  SELECT 'C' || e || '-' || n, 'e' || e
  FROM generate_series(1, {EVENTS}) e, generate_series(1, 20) n;
INSERT INTO memberships (event_id, user_id, name, status, role, requested_at, joined_at, joined_no,
    request_no)
  SELECT 'e' || e, 'u' || n, 'n', CASE WHEN n % 10 = 0 THEN 'pending' ELSE 'accepted' END,
    CASE WHEN n = 1 THEN 'admin' ELSE 'member' END, now(), now(), n,
    CASE WHEN n % 10 = 0 THEN n END
  FROM generate_series(1, {EVENTS}) e, generate_series(1, {PEOPLE}) n;
INSERT INTO options (event_id, id, content, position, deleted)
  SELECT 'e' || e, 'o' || n, 'c', n, n % 4 = 0
  FROM generate_series(1, {EVENTS}) e, generate_series(1, 20) n;
INSERT INTO items (event_id, id, kind, content, version, conclusion_version, position, deleted)
  SELECT 'e' || e, 'i' || n, 'criterion', 'c', 1, 0, n, n % 4 = 0
  FROM generate_series(1, {EVENTS}) e, generate_series(1, 100) n;
INSERT INTO item_history (event_id, item_id, part, version, content, user_id, at, seq)
  SELECT 'e' || e, 'i' || n, 'content', v, 'c', 'u1', now(), n
  FROM generate_series(1, {EVENTS}) e, generate_series(1, 100) n, generate_series(1, 3) v;
INSERT INTO proposals (event_id, id, number, kind, category, author, status, resolved_no, agree,
    voters, revision, stale, opens_at, expires_at, created_at)
  SELECT 'e' || e, 'p' || n, n, 'assumption', 'create', 'u1',
    CASE WHEN n <= 10 THEN 'pending' ELSE 'accepted' END, CASE WHEN n > 10 THEN n - 10 END,
    0, 0, 1, false, now(), now() + interval '1 hour', now()
  FROM generate_series(1, {EVENTS}) e, generate_series(1, {PROPOSALS}) n;
INSERT INTO votes (event_id, proposal_id, user_id, revision, active)
  SELECT 'e' || e, 'p' || p, 'u' || n, 1, true
  FROM generate_series(1, {EVENTS}) e, generate_series(1, 20) p, generate_series(1, 60) n;
INSERT INTO ballots (event_id, user_id, option_id, criterion_order, criteria_rev)
  SELECT 'e' || e, 'u' || n, 'o1', '[]', 1
  FROM generate_series(1, {EVENTS}) e, generate_series(1, {PEOPLE}) n;
INSERT INTO comments (event_id, id, number, proposal_id, author, content, version, created_at,
    deleted)
  SELECT 'e' || e, 'c' || n, n, 'p1', 'u1', 'c', 1, now(), n % 5 = 0
  FROM generate_series(1, {EVENTS}) e, generate_series(1, 300) n;
INSERT INTO journal (event_id, user_id, command_id, seq, command, salt, fingerprint, payload,
    answer, patches, at, prev_hash, hash)
  SELECT 'e' || e, 'u' || (n % {PEOPLE}), 'command-' || n, CASE WHEN n % 8 > 0 THEN n END,
    'vote.cast', '', '', '{{}}', '{{}}', '{{}}', now(), CASE WHEN n % 8 > 0 THEN ''::bytea END,
    CASE WHEN n % 8 > 0 THEN ''::bytea END
  FROM generate_series(1, {EVENTS}) e, generate_series(1, {LINES}) n;
"""


def collected() -> Iterator[tuple[str, Statement]]:
    """Every statement that a module defines."""
    modules = (
        *(
            statements,
            loading,
            loading_together,
            outline,
            event_reads,
            prechecks,
            due,
            lists,
            people,
            ballots,
        ),
        *(pruning, audit),
    )
    for module in modules:
        short = module.__name__.rpartition(".")[2]
        for name, value in sorted(vars(module).items()):
            if isinstance(value, Statement):
                yield f"{short}.{name}", value
    for name, parts in WRITES.items():
        yield f"write.{name}", write(frozenset(("journal", *parts)))


_RECORDS = (
    *("ballots", "comments", "entrance_codes", "item_history", "items"),
    *("memberships", "options", "proposals", "votes"),
)
#: Every table that a transaction can write at once.
WRITES = {
    "nothing but refusals": (),
    "a vote": ("votes", "tallies", "advanced"),
    "a vote that decides": ("votes", "proposals", "items", "item_history", "events"),
    "a goodbye": ("memberships", "votes", "tallies", "gone_ballots", "events"),
    "a request taken back": ("gone_memberships", "advanced"),
    "an event": ("made", "entrance_codes", "memberships", "options", "items", "item_history"),
    "everything": (
        *_RECORDS,
        *("events", "made", "advanced", "tallies", "gone_ballots", "gone_memberships"),
    ),
}


STATEMENTS = dict(collected())

#: Statement → index, and the columns that it must use together: the full key.
KEYS = {
    "statements.LOCK_EVENT": ("events_pkey", ("id",)),
    "statements.LOCK_FREE_EVENTS": ("events_pkey", ("id",)),
    "statements.EXISTING_EVENTS": ("events_pkey", ("id",)),
    "statements.CLOCK_AND_REMEMBERED": ("journal_pkey", ("event_id", "user_id", "command_id")),
    "loading.EVENT_ROW": ("events_pkey", ("id",)),
    "loading._MEMBERSHIPS": (None, ("event_id", "user_id")),
    "loading._ADMINS": ("memberships_admins_idx", ("event_id",)),
    "loading._WAITING": ("memberships_requests_idx", ("event_id",)),
    "loading._REQUESTS": ("memberships_requests_idx", ("event_id", "request_no")),
    "loading._REQUESTS_SHOWN": ("memberships_requests_idx", ("event_id", "request_no")),
    "loading._MEMBERS_SHOWN": ("memberships_joined_idx", ("event_id",)),
    "loading._PENDING": ("proposals_pending_idx", ("event_id",)),
    "loading_together._ROWS": ("events_pkey", ("id",)),
    "loading_together._PENDING": ("proposals_pending_idx", ("event_id",)),
    "loading_together._MEMBERSHIPS": (None, ("event_id", "user_id")),
    "loading_together._VOTES": (None, ("event_id", "proposal_id", "user_id")),
    "lists._ADMIN_NAMES": ("memberships_admins_idx", ("event_id",)),
    "people._MEMBERS": ("memberships_joined_idx", ("event_id", "joined_no")),
    "people._REQUESTS": ("memberships_requests_idx", ("event_id", "request_no")),
    "due._EXPIRED": ("proposals_expires_at_idx", ("expires_at <=", "ROW(")),
    "due._OPENED": ("proposals_opens_at_idx", ("opens_at <=", "ROW(")),
    "due._STARTS": ("events_starts_idx", ("starts_at <=",)),
    "due._ENDS": ("events_ends_idx", ("ends_at <=",)),
    "ballots._BALLOTS": ("ballots_pkey", ("event_id",)),
    "ballots._RECEIPT": ("ballots_pkey", ("event_id", "user_id")),
    "loading._OPTIONS": ("options_pkey", ("event_id", "id")),
    "loading._ITEMS": ("items_pkey", ("event_id", "id")),
    "loading._PROPOSALS": ("proposals_pkey", ("event_id", "id")),
    "loading._BALLOTS": ("ballots_pkey", ("event_id", "user_id")),
    "loading._COMMENTS": ("comments_pkey", ("event_id", "id")),
    "loading._VERSION": ("item_history_pkey", ("event_id", "item_id", "part", "version")),
    "loading._WITHDRAWN_BY": ("proposals_resolved_idx", ("event_id", "resolved_no")),
    "loading._RESOLVED": ("proposals_resolved_idx", ("event_id", "resolved_no")),
    "loading._CODES": ("entrance_codes_pkey", ("code",)),
    "loading._VOTES": (None, ("event_id", "proposal_id", "user_id")),
    "event_reads._TOPS": ("events_pkey", ("id",)),
    "prechecks._OPENED": ("entrance_codes_pkey", ("code",)),
    "prechecks._EVENT_ACCESS": (None, ("event_id", "user_id")),
    "event_reads._STEPS": (None, ("event_id", "seq")),
    "event_reads._DECIDED": ("journal_pkey", ("event_id", "user_id", "command_id")),
    "lists._OWN_MEMBERSHIP": (None, ("event_id", "user_id")),
    "write.a request taken back": (None, ("event_id", "user_id")),
    "write.a goodbye": ("ballots_pkey", ("event_id", "user_id")),
}


@pytest.fixture(scope="module")
def grown_url(postgres_url: str, template: str) -> Iterator[str]:
    """A database with a few thousand rows in several events, and no statistics."""
    with database(postgres_url, template) as url:
        quiet = [f"ALTER TABLE {name} SET (autovacuum_enabled = off)" for name in metadata.tables]

        async def grow() -> None:
            connection = await asyncpg.connect(url)
            for statement in quiet:
                await connection.execute(statement)
            await connection.execute(_GROW)
            analysed = await connection.fetchval(
                "SELECT count(*) FROM pg_stats WHERE schemaname = 'public'"
            )
            await connection.close()
            assert analysed == 0

        apart(lambda: asyncio.run(grow()))
        yield url


async def plan_of(connection: asyncpg.Connection[Any], statement: Statement) -> dict[str, Any]:
    """The generic plan."""
    for name, value in SESSION.items():
        await connection.execute(f"SET {name} = '{value}'")
    await connection.execute(f"PREPARE asked AS {statement.sql}")
    arguments = ", ".join(["NULL"] * len(statement.names))
    execute = f"EXECUTE asked({arguments})" if arguments else "EXECUTE asked"
    text = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {execute}")
    await connection.execute("DEALLOCATE asked")
    (found,) = json.loads(text)
    plan: dict[str, Any] = found["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All nodes of a plan."""
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


@pytest.fixture
async def planner(grown_url: str) -> Any:
    """A connection to the grown database."""
    connection = await asyncpg.connect(grown_url)
    yield connection
    await connection.close()


@pytest.mark.parametrize("name", sorted(STATEMENTS))
async def test_no_table_that_grows_is_read_from_end_to_end(
    planner: asyncpg.Connection[Any], name: str
) -> None:
    plan = await plan_of(planner, STATEMENTS[name])
    scanned = [
        node["Relation Name"]
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in metadata.tables
    ]
    assert not scanned, json.dumps(plan, indent=1)


def test_the_keys_are_of_statements_there_are() -> None:
    assert set(KEYS) <= set(STATEMENTS)


@pytest.mark.parametrize(
    ("index", "columns"), [("events_pkey", ("id",)), ("proposals_pkey", ("event_id", "id"))]
)
async def test_a_vote_finds_its_rows_by_their_keys(
    planner: asyncpg.Connection[Any], index: str, columns: tuple[str, ...]
) -> None:
    plan = await plan_of(planner, STATEMENTS["write.a vote"])
    conditions = [n["Index Cond"] for n in nodes(plan) if n.get("Index Name") == index]
    assert conditions, json.dumps(plan, indent=1)
    assert all(column in conditions[0] for column in columns)


@pytest.mark.parametrize("name", sorted(KEYS))
async def test_a_lookup_uses_the_full_key(planner: asyncpg.Connection[Any], name: str) -> None:
    index, columns = KEYS[name]
    plan = await plan_of(planner, STATEMENTS[name])
    found = [
        (node["Index Name"], node["Index Cond"])
        for node in nodes(plan)
        if "Index Cond" in node and "Index Name" in node
    ]
    assert any(
        (index is None or used == index) and all(column in condition for column in columns)
        for used, condition in found
    ), (found, json.dumps(plan, indent=1))
