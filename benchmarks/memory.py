"""The memory that one user's worst load leaves in use in the server, minute after minute.

    python -m benchmarks.memory              two minutes; writes results/memory.json
    python -m benchmarks.memory --seconds 20 --rounds 1

The user makes events of long texts and subscribes to them on many sockets. It asks for large
answers over HTTP, reads none, and sends refused commands (``tests/attacks/memory.py``). After each
round all are gone; the run fails if more than 64 MiB beyond the start stay in use.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from benchmarks.crowd import folder
from benchmarks.machine import Machine
from benchmarks.pgbench import version
from benchmarks.report import Report, Row, Target
from benchmarks.server_process import PostgresAddress
from persistence.embedded.postgres import EmbeddedPostgres
from tests.attacks.memory import MIB, worst
from tests.attacks.stopping import is_defect
from tests.promises.running import killable

SECONDS = 60.0
ROUNDS = 2
#: MiB that may stay in use.
MAX_LEFT = 64


async def measure(url: str, directory: Path, seconds: float, rounds: int) -> list[Row]:
    """The memory during and after each round, against what was in use before the first."""
    left = Row("kept afterwards, beyond the start", "MiB", target=Target(MAX_LEFT, 32, "less"))
    peak = Row("in use meanwhile, beyond the start", "MiB")
    async with killable(url, directory) as server:
        start: int | None = None
        for number in range(rounds):
            found = await worst(server, server.process.pid, seconds, user=f"mallory-{number}")
            start = found.before if start is None else start
            left.add((found.after - start) / MIB, done=found.done)
            peak.add((found.peak - start) / MIB)
            print(f"round {number + 1}: {left.samples[-1].value:+.1f} MiB", file=sys.stderr)
        status = await server.terminate()
    wrong = [line for line in server.log if is_defect(line)]
    if wrong or status:
        raise RuntimeError(f"exit {status}; {wrong[:5]}")
    return [left, peak]


async def run(seconds: float, rounds: int, name: str | None) -> bool:
    """Measure, print the table, save it if there is a ``name``; whether the limit was kept."""
    with folder() as directory:
        postgres = EmbeddedPostgres(directory / "data")
        url = await asyncio.to_thread(postgres.start)
        try:
            machine = Machine.here(await version(PostgresAddress.under(directory)))
            rows = await measure(url, directory / "server", seconds, rounds)
        finally:
            await asyncio.to_thread(postgres.stop)
    report = Report("Memory", {"machine": machine.as_json()}, [machine.line()], rows)
    report.show()
    if name:
        print(f"saved: {report.save(name).name}")
    return max(sample.value for sample in rows[0].samples) <= MAX_LEFT


def main() -> int:
    """Read the arguments and run; 1 if too much was kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    is_full = (given.seconds, given.rounds) == (SECONDS, ROUNDS)
    held = asyncio.run(run(given.seconds, given.rounds, "memory" if is_full else None))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
