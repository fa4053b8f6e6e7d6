"""The peer: PostgreSQL's own load generator, running a vote's transaction with no server at all.

It works in a database of its own, in the PostgreSQL that the server under test runs, on the same
tables. So settings, disk and durability are the same by construction.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import create_mock_engine

from benchmarks.server_process import PostgresAddress
from persistence.database import tables
from persistence.embedded.binaries import find_binaries
from persistence.embedded.postmaster import SUPERUSER

DATABASE = "peer"
EVENTS = 1_000
VOTERS = 100

_CHOOSE = r"""
\set event random(1, :events)
\set voter random(1, :voters)
\set nonce random(1, 9000000000000000000)
BEGIN;
SELECT epoch, seq, hash FROM events WHERE id = 'event-' || :event::text FOR NO KEY UPDATE \gset
"""

_REMEMBERED = """
SELECT seq AS known_seq, salt, fingerprint, answer, hash AS known_hash FROM journal
 WHERE event_id = 'event-' || :event::text AND user_id = 'voter-' || :voter::text
   AND command_id = 'command-' || :nonce::text
"""

_PUT_VOTE = """
INSERT INTO votes (event_id, proposal_id, user_id, revision, active)
VALUES ('event-' || :event::text, 'proposal', 'voter-' || :voter::text, 1, true)
ON CONFLICT (event_id, proposal_id, user_id)
DO UPDATE SET revision = excluded.revision, active = NOT votes.active
"""

_PUT_TALLY = """
UPDATE proposals SET agree = (agree + 1) % 100
 WHERE event_id = 'event-' || :event::text AND id = 'proposal'
"""

_PUT_LINE = """
INSERT INTO journal (event_id, user_id, command_id, seq, command, salt, fingerprint, payload,
                     answer, patches, at, prev_hash, hash)
VALUES ('event-' || :event::text, 'voter-' || :voter::text, 'command-' || :nonce::text,
        :seq::bigint + 1, 'vote.cast', decode('000102030405060708090a0b0c0d0e0f', 'hex'),
        :hash::bytea,
        '{"event": "event-000000000000000000", "proposal": "proposal-000000000000", "revision": 1}',
        '{"applied": true, "result": {"agree": 12, "eligible": 100, "status": "pending"}}',
        '{"member": {"proposals": {"proposal-000000000000": {"agree": 12}}}, '
        '"you": {"votes": {"proposal-000000000000": 1}}}',
        :now::timestamptz, :hash::bytea, sha256(:hash::bytea))
"""

_PUT_POSITION = """
UPDATE events SET seq = :seq::bigint + 1, hash = sha256(:hash::bytea)
 WHERE id = 'event-' || :event::text
"""

#: One vote, statement by statement: the lock, the clock, has this id been answered, the vote, its
#: tally, the journal's line, the event's position. ``:events`` rows share the load.
VOTE = f"""{_CHOOSE}
SELECT clock_timestamp() AS now \\gset
{_REMEMBERED};
{_PUT_VOTE};
{_PUT_TALLY};
{_PUT_LINE};
{_PUT_POSITION};
COMMIT;
"""

#: The same in as few round trips as the server makes: five instead of nine.
LEAN_VOTE = f"""{_CHOOSE}
SELECT clock.now, known.* FROM (SELECT clock_timestamp() AS now) AS clock
  LEFT JOIN ({_REMEMBERED}) AS known ON true \\gset
WITH put_vote AS ({_PUT_VOTE}), put_tally AS ({_PUT_TALLY}), put_line AS ({_PUT_LINE})
{_PUT_POSITION};
COMMIT;
"""  # noqa: S608 - constants of this file

#: The least that waits for the disk: one row changed, committed on its own.
BARE_COMMIT = """
UPDATE users SET name = 'name' WHERE id = 'bare';
"""


@dataclass(frozen=True)
class PeerRun:
    """The results of pgbench; latencies in ms, of whole transactions."""

    rate: float
    p50: float
    p99: float

    def as_json(self) -> dict[str, float]:
        """For the saved results."""
        return {
            "rate": round(self.rate, 1),
            "p50_ms": round(self.p50, 3),
            "p99_ms": round(self.p99, 3),
        }


async def version(address: PostgresAddress) -> str:
    """PostgreSQL's version."""
    connection = await asyncpg.connect(address.url("postgres"))
    try:
        found: str = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return found


class Peer:
    """pgbench on one PostgreSQL; ``prepare`` first."""

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address
        self._program = find_binaries(None).program("pgbench")

    async def prepare(self) -> None:
        """Make the database with its tables and rows."""
        connection = await asyncpg.connect(self._address.url("postgres"))
        try:
            await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await connection.close()
        connection = await asyncpg.connect(self._address.url(DATABASE))
        try:
            await connection.execute(_schema())
            await connection.execute(_ROWS)
            await connection.execute("VACUUM ANALYZE")
        finally:
            await connection.close()
        await self.votes(clients=4, seconds=1)

    async def settings(self) -> dict[str, str]:
        """The settings of PostgreSQL that decide what a commit costs."""
        connection = await asyncpg.connect(self._address.url(DATABASE))
        try:
            rows: list[Any] = await connection.fetch(
                "SELECT name, current_setting(name) AS value FROM pg_settings"
                " WHERE name = ANY($1) ORDER BY name",
                ["fsync", "synchronous_commit", "full_page_writes", "wal_sync_method",
                 "shared_buffers", "max_wal_size", "commit_delay", "wal_compression"],
            )  # fmt: skip
        finally:
            await connection.close()
        return {row["name"]: row["value"] for row in rows}

    async def votes(
        self,
        *,
        clients: int,
        seconds: float,
        events: int = 1,
        lean: bool = False,
        rate: float | None = None,
    ) -> PeerRun:
        """Votes by ``clients`` connections over ``events`` rows, chosen at random.

        ``rate`` holds them to so many a second; without, each follows on the one before.
        """
        script = LEAN_VOTE if lean else VOTE
        paced = (f"--rate={rate:g}",) if rate else ()
        return await self._run(script, clients, seconds, *paced, events=events, voters=VOTERS)

    async def bare_commits(self, *, seconds: float) -> PeerRun:
        """The smallest commits, one after another on one connection."""
        return await self._run(BARE_COMMIT, 1, seconds)

    async def _run(
        self, script: str, clients: int, seconds: float, *options: str, **variables: int
    ) -> PeerRun:
        with tempfile.TemporaryDirectory(prefix="ayes-pgbench-") as name:
            directory = Path(name)
            (directory / "script.sql").write_text(script)
            process = await asyncio.create_subprocess_exec(
                self._program,
                *("--no-vacuum", "--protocol=prepared", f"--client={clients}"),
                *(f"--jobs={min(2, clients)}", f"--time={max(1, round(seconds))}", "--log"),
                *(f"--define={name}={value}" for name, value in variables.items()),
                *options,
                *("--file=script.sql", f"--host={self._address.host}"),
                *(f"--port={self._address.port}", f"--username={SUPERUSER}", DATABASE),
                cwd=directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            output, errors = await asyncio.wait_for(process.communicate(), seconds + 60)
            if process.returncode or b"aborted" in errors:
                raise RuntimeError(f"pgbench failed:\n{errors.decode()}")
            return PeerRun(_rate(output.decode()), *_latencies(directory))


def _rate(output: str) -> float:
    [line] = [line for line in output.splitlines() if line.startswith("tps = ")]
    return float(line.split()[2])


def _latencies(directory: Path) -> Sequence[float]:
    """p50 and p99 in ms.

    The third field of a line is the transaction's time in µs. Where a rate was given, that counts
    from the moment the transaction was due, and the seventh field is how late it began.
    """
    logs = [log.read_text() for log in directory.glob("pgbench_log.*")]
    lines = [line.split() for log in logs for line in log.splitlines()]
    times = [(int(line[2]) - (int(line[6]) if len(line) > 6 else 0)) / 1_000 for line in lines]
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return cuts[49], cuts[98]


def _schema() -> str:
    """The server's tables as SQL."""
    statements: list[str] = []

    def keep(statement: Any, *_: Any, **__: Any) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine = create_mock_engine("postgresql+asyncpg://", keep)
    tables.metadata.create_all(engine, checkfirst=False)
    return ";\n".join(statements)


_ROWS = f"""
INSERT INTO users (id, name) VALUES ('bare', 'name');
INSERT INTO events (id, subject, entrance_code, status, max_members, policy, policy_version,
                    criteria_rev, created_by, created_at, seq, epoch, hash, members, admins,
                    pending, ballots, proposals, comments, joins, items, resolutions,
                    comments_made, comment_floor)
SELECT 'event-' || n, 'A subject', 'C' || n, 'in_progress', 100, '{{}}', 1, 1, 'voter-1', now(), 0,
       'epoch', sha256('0'), {VOTERS}, 1, 1, 0, 1, 0, {VOTERS}, 0, 0, 0, 0
  FROM generate_series(1, {EVENTS}) AS n;
INSERT INTO proposals (event_id, id, number, kind, category, content, author, status, agree, voters,
                       revision, stale, created_at)
SELECT 'event-' || n, 'proposal', 1, 'assumption', 'create', 'A premise', 'voter-1', 'pending', 0,
       {VOTERS}, 1, false, now()
  FROM generate_series(1, {EVENTS}) AS n;
INSERT INTO votes (event_id, proposal_id, user_id, revision, active)
SELECT 'event-' || n, 'proposal', 'voter-' || v, 1, false
  FROM generate_series(1, {EVENTS}) AS n, generate_series(1, {VOTERS}) AS v;
"""  # noqa: S608 - constants of this file
