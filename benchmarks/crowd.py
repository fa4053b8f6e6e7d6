"""The cost of ten thousand held sockets, and of two thousand that come back at once.

    python -m benchmarks.crowd             some three minutes
    python -m benchmarks.crowd --quick     about one; not saved

The sockets are subscribed and idle, in four rooms; memory is the server process's resident set. For
the return the server itself is stopped and started again, on the same database: its rooms are empty
when 2,000 sockets say hello at the same moment, each with a position it knew before. What that
costs PostgreSQL is read from ``pg_stat_statements``, transactions' own statements included.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import secrets
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import asyncpg
import uvloop

from benchmarks.comers import coming
from benchmarks.gathering import Gathering
from benchmarks.listeners import listening
from benchmarks.machine import Machine, resident_kib
from benchmarks.pgbench import version
from benchmarks.report import Report, Row, Target
from benchmarks.rig import close
from benchmarks.server_process import HOST, SETTINGS, PostgresAddress, ServerProcess
from benchmarks.sockets import SETTLE, STEPS_MISSED, opening, room
from benchmarks.voters import Ballot, Tally, Voter, drain
from persistence.embedded.postgres import EmbeddedPostgres

ROOMS = 4
#: Open files of a process: its sockets, and some more.
FILES_BESIDE = 500
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 3
    crowd: int = 10_000
    storm: int = 2_000


QUICK = Plan(rounds=1, crowd=2_000, storm=500)


class Place:
    """A PostgreSQL that counts statements, and the servers that run on it in turn."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._secret = secrets.token_urlsafe(48)
        self._postgres = EmbeddedPostgres(
            directory / "data", settings={"shared_preload_libraries": "pg_stat_statements"}
        )
        self.url = ""
        self.address: PostgresAddress

    async def start(self) -> None:
        """Start PostgreSQL."""
        self.url = await asyncio.to_thread(self._postgres.start)
        self.address = PostgresAddress.under(self._directory)
        connection = await asyncpg.connect(self.url)
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        await connection.close()

    async def stop(self) -> None:
        """Stop PostgreSQL."""
        await asyncio.to_thread(self._postgres.stop)

    async def statements(self) -> int:
        """The number of statements run in this database so far."""
        connection = await asyncpg.connect(self.url)
        try:
            count: int = await connection.fetchval(
                "SELECT sum(calls)::bigint FROM pg_stat_statements"
                " JOIN pg_database ON oid = dbid WHERE datname = current_database()"
            )
        finally:
            await connection.close()
        return count

    @asynccontextmanager
    async def serving(self, **settings: str) -> AsyncIterator[ServerProcess]:
        """A server of its own process; stopped with SIGTERM.

        ``settings`` are further environment variables.
        """
        environment = {name: value for name, value in os.environ.items() if name[:5] != "AYES_"}
        environment |= SETTINGS | {
            "AYES_DATABASE_URL": self.url,
            "AYES_DATA_DIR": str(self._directory / "server"),
            "AYES_PORT": "0",
            "AYES_AUTH_SECRET": self._secret,
            "AYES_DRAIN_SECONDS": "1",
        }
        environment |= settings
        log = self._directory / "server.log"
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server.cli", "serve"),
                env=environment,
                cwd=Path(__file__).parent.parent,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
            )
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), READY_TIMEOUT_S)
            if b"ready" not in line:
                raise RuntimeError(log.read_text(errors="replace")[-2_000:])
            port = int(line.rsplit(b":", 1)[1])
            yield ServerProcess(port, self._secret, process.pid, self.address, 0.0, log)
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)


async def crowd(server: ServerProcess, plan: Plan) -> list[Row]:
    """Resident memory with many sockets in four rooms."""
    whole = Row(f"{plan.crowd:,} sockets in {ROOMS} rooms, resident", "MiB")
    whole.target = Target(400, 250, "less")
    each = Row("one of them", "KiB", target=Target(30, 20, "less"))
    rooms = [await room(server, f"crowd-{n}", plan.crowd // ROOMS) for n in range(ROOMS)]
    await asyncio.sleep(SETTLE)
    before = resident_kib(server.pid)
    async with listening() as ours:
        for users, gathering, _ in rooms:
            await ours.ask(opening(server, gathering, users))
        # After a heartbeat and the presence of all members.
        await asyncio.sleep(SETTLE)
        after = resident_kib(server.pid)
    whole.add(after / 1024)
    each.add((after - before) / plan.crowd, before_mib=round(before / 1024, 1))
    close([admin for _, _, admin in rooms])
    return [whole, each]


@dataclass
class Known:
    """A room, its members, and their positions."""

    gathering: Gathering
    users: list[str]
    epoch: str
    seq: int
    top: int


async def prepare(place: Place, plan: Plan) -> list[Known]:
    """Rooms that all members left a little behind the top."""
    known = []
    async with place.serving() as server:
        for number in range(ROOMS):
            users, gathering, admin = await room(server, f"storm-{number}", plan.storm // ROOMS)
            answer = await admin.request("subscribe", event=gathering.event)
            voter = Voter(admin, [Ballot(gathering.event, gathering.proposals[0])])
            tally = Tally()
            for _ in range(STEPS_MISSED):
                voter.vote(tally)
            await drain([voter], tally)
            top = answer["seq"] + STEPS_MISSED
            known.append(Known(gathering, users, answer["epoch"], answer["seq"], top))
            close([admin])
    return known


async def storm(place: Place, plan: Plan) -> list[Row]:
    """All members come back to a server that has just started."""
    row = Row(f"{plan.storm:,} sockets resume at once after a restart, p99", "s")
    row.target = Target(5, 2, "less")
    middle = Row("the same, p50", "s")
    work = Row("SQL statements for each of them", "", target=Target(3, 1, "less"))
    known = await prepare(place, plan)
    for _ in range(plan.rounds):
        async with place.serving() as server, coming() as comers:
            tokens = {user: server.token(user) for room in known for user in room.users}
            question = {
                "host": HOST,
                "port": server.port,
                "comers": [
                    [tokens[user], room.gathering.event, room.epoch, room.seq]
                    for room in known
                    for user in room.users
                ],
                "to": {room.gathering.event: room.top for room in known},
            }
            before = await place.statements()
            answer = await comers.ask(question)
            statements = await place.statements() - before
            cuts = statistics.quantiles(answer["waited"], n=100, method="inclusive")
            row.add(cuts[98], seen=answer["seen"], longest=round(max(answer["waited"]), 3))
            middle.add(cuts[49])
            work.add(statements / len(answer["waited"]), statements=statements)
    return [row, middle, work]


async def run(plan: Plan, name: str | None) -> None:
    """Measure everything; print the table, and save it if there is a ``name``."""
    raise_limit(plan.crowd + FILES_BESIDE)
    with folder() as directory:
        place = Place(directory)
        await place.start()
        try:
            machine = Machine.here(await version(place.address))
            # The memory is measured, not the rate of connecting: over a thousand a second, here.
            async with place.serving(AYES_ADMISSIONS_PER_SECOND="100000") as server:
                rows = await crowd(server, plan)
            rows += await storm(place, plan)
        finally:
            await place.stop()
    heading = {"machine": machine.as_json(), "plan": asdict(plan)}
    report = Report("ConnectionRegistry", heading, [machine.line()], rows)
    report.show()
    if name:
        print(f"saved: {report.save(name).name}")


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary directory; as root, PostgreSQL runs as another user, who must get in."""
    with tempfile.TemporaryDirectory(prefix="ayes-bench-") as name:
        directory = Path(name)
        directory.chmod(0o711)
        yield directory


def raise_limit(files: int) -> None:
    """Let this process and its children have so many open files; exit if that is forbidden."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < files:
        raise SystemExit(f"{files} open files are needed, the system gives {hard}")
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sockets; nothing is saved")
    given = parser.parse_args()
    uvloop.run(run(QUICK if given.quick else Plan(), None if given.quick else "crowd"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
