"""The cost of a vote, compared with that of the alternatives.

    python -m benchmarks.performance            about half an hour; writes docs/performance.md
    python -m benchmarks.performance --quick    about five minutes; writes nothing
    python -m benchmarks.performance --page     the page and its plots from the saved results

It starts the server and its peers, and brings the peers' packages into a directory of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import Any

import uvloop

from benchmarks.machine import Machine
from benchmarks.peers.installing import MissingError, Peers, installed, versions
from benchmarks.performance import page
from benchmarks.performance.frames import measure_frames
from benchmarks.performance.parts import measure_parts
from benchmarks.performance.plan import QUICK, Plan
from benchmarks.performance.rooms import measure_rooms
from benchmarks.performance.sockets import measure_sockets
from benchmarks.performance.sweeps import measure_sweeps
from benchmarks.report import Report, Row
from persistence.embedded.binaries import find_binaries

TRIALS: dict[str, Callable[[Peers, Plan], Awaitable[Any]]] = {
    "rooms": measure_rooms,
    "frames": measure_frames,
    "sockets": measure_sockets,
    "parts": measure_parts,
    "sweeps": measure_sweeps,
}


async def run(trials: list[str], plan: Plan, name: str | None) -> int:
    """Run ``trials``, show and save what they found; how many failed."""
    peers = await installed()
    machine = Machine.here(await _postgresql())
    report = Report("Performance", {}, [machine.line()])
    found: dict[str, Any] = {"parts": [], "sweeps": []}
    tables: list[tuple[str, Row]] = []
    failed = 0
    for trial in trials:
        begun = time.monotonic()
        try:
            results = await TRIALS[trial](peers, plan)
        except Exception:
            failed += 1
            traceback.print_exc()
            continue
        if trial == "parts":
            found["parts"] = results
        elif trial == "sweeps":
            found["sweeps"] = [sweep.as_json() for sweep in results]
        else:
            tables += [(trial, row) for row in results]
        print(f"{trial}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    report.rows = [row for _, row in tables]
    report.heading = {
        "machine": machine.as_json(),
        "versions": await versions(peers),
        "plan": asdict(plan),
        **found,
    }
    report.show()
    for load in found["parts"]:
        print(load)
    if name and not failed:
        content = report.heading | {
            "rows": [{"trial": trial, **row.as_json()} for trial, row in tables]
        }
        print(f"saved: {report.write(name, content).name}")
        if set(trials) == set(TRIALS):
            print("written:", *(path.name for path in page.write(page.saved(name))))
    return failed


async def _postgresql() -> str:
    """The version of the PostgreSQL that comes with the server."""
    program = find_binaries(None).program("postgres")
    process = await asyncio.create_subprocess_exec(
        program, "--version", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return output.decode().split()[-1]


def main() -> int:
    """Read the arguments and run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.performance", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about five minutes; not saved")
    parser.add_argument("--only", help=f"some of {', '.join(TRIALS)}, separated by commas")
    parser.add_argument("--starts", type=int, help="starts of each program")
    parser.add_argument("--save", metavar="NAME", help="results/NAME.json (default: performance)")
    parser.add_argument("--page", action="store_true", help="only write the page")
    given = parser.parse_args()
    if given.page:
        print("written:", *(path.name for path in page.write(page.saved())))
        return 0
    trials = given.only.split(",") if given.only else list(TRIALS)
    if unknown := set(trials) - set(TRIALS):
        parser.error(f"no such trial: {', '.join(sorted(unknown))}")
    plan = QUICK if given.quick else Plan()
    if given.starts:
        plan = replace(plan, starts=given.starts)
    whole = not (given.quick or given.only)
    try:
        return uvloop.run(run(trials, plan, given.save or ("performance" if whole else None)))
    except MissingError as err:
        print(err, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
