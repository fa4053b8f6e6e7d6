"""The cost of a vote, compared with PostgreSQL's own load generator.

    python -m benchmarks.votes            about ten minutes
    python -m benchmarks.votes --quick    about three

It starts what it needs: the server with a PostgreSQL of its own and an empty database, and pgbench
in that same PostgreSQL. See README.md for how to read the table.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace

import uvloop

from benchmarks import alone, growth, hot, spread
from benchmarks.machine import Machine
from benchmarks.pgbench import Peer, version
from benchmarks.report import Report, Row
from benchmarks.rig import QUICK, Plan, Rig
from benchmarks.server_process import running

TRIALS: dict[str, Callable[[Rig], Awaitable[list[Row]]]] = {
    "alone": alone.measure,
    "hot": hot.measure,
    "spread": spread.measure,
    "growth": growth.measure,
}


async def run(trials: list[str], plan: Plan, name: str | None) -> int:
    """Run ``trials``, show and save what they found; how many failed."""
    failed = 0
    async with running() as server:
        peer = Peer(server.postgres)
        await peer.prepare()
        machine = Machine.here(await version(server.postgres))
        settings = await peer.settings()
        report = Report(
            "Votes",
            {"machine": machine.as_json(), "postgresql": settings, "plan": asdict(plan)},
            [
                machine.line(),
                f"PostgreSQL, for both: {', '.join(f'{k}={v}' for k, v in settings.items())}",
                f"medians of {plan.rounds} rounds or more; the peer ran before and after each",
            ],
        )
        for trial in trials:
            begun = time.monotonic()
            try:
                report.rows += await TRIALS[trial](Rig(server, peer, plan))
            except Exception:
                failed += 1
                traceback.print_exc()
            print(f"{trial}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    report.show()
    if name and report.rows:
        print(f"saved: {report.save(name).name}")
    return failed


def main() -> int:
    """Read the arguments and run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.votes", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few seconds each; not saved")
    parser.add_argument("--only", help=f"some of {', '.join(TRIALS)}, separated by commas")
    parser.add_argument("--rounds", type=int, help="repetitions of each measurement")
    parser.add_argument("--seconds", type=float, help="length of each measurement")
    parser.add_argument("--save", metavar="NAME", help="results/NAME.json (default: votes)")
    given = parser.parse_args()
    plan = QUICK if given.quick else Plan()
    if given.rounds:
        plan = replace(plan, rounds=given.rounds)
    if given.seconds:
        plan = replace(plan, seconds=given.seconds, peer_seconds=given.seconds)
    trials = given.only.split(",") if given.only else list(TRIALS)
    if unknown := set(trials) - set(TRIALS):
        parser.error(f"no such trial: {', '.join(sorted(unknown))}")
    whole = not (given.quick or given.only)
    return uvloop.run(run(trials, plan, given.save or ("votes" if whole else None)))


if __name__ == "__main__":
    sys.exit(main())
