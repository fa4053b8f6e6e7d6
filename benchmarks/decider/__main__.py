"""The cost of deciding a vote, without sockets: processor time, part by part.

    python -m benchmarks.decider                       this tree alone
    python -m benchmarks.decider --against main~5      another commit beside it, in turns
    python -m benchmarks.decider --profile             where the time goes, by function

A hundred members vote in one event, all in one batch, through the real lanes, the driver and a
PostgreSQL of its own. A figure is the lower decile of the batches of one run: what the work costs
if nothing disturbs it. Processes of the same code differ by some percent for their whole life, so
each start has new ones; a ratio is the median over all runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import orjson

from benchmarks.machine import Machine
from benchmarks.report import RESULTS
from persistence.embedded.postgres import EmbeddedPostgres

HERE = Path(__file__).parents[2]
WORKER = Path(__file__).parent / "worker.py"
PARTS = ("read", "lock", "decide", "write", "commit", "answer", "sum", "wall")
#: Batches before the first run of a process, which are not counted.
WARM_BATCHES = 60


class Worker:
    """A process that votes with the code of one tree, in a database of its own."""

    def __init__(self, tree: Path, postgres: str, database: str) -> None:
        _sql(postgres, f'CREATE DATABASE "{database}"')
        url = _in_database(postgres, database)
        environment = {key: value for key, value in os.environ.items() if key[:5] != "AYES_"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(WORKER), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tree,
            env=environment | {"PYTHONPATH": str(tree), "PYTHONHASHSEED": "random"},
        )

    def ask(self, **question: Any) -> dict[str, Any]:
        """Send one line, and return what comes back."""
        process = self._process
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the worker ended with {process.wait()}")
        found: dict[str, Any] = json.loads(answer)
        return found

    def end(self) -> None:
        """End the process."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


def measure(trees: dict[str, Path], *, starts: int, rounds: int, batches: int) -> dict[str, Any]:
    """Return the runs of each tree, one after another: ``{name: [figures, …]}``."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in trees}
    with _postgres() as postgres:
        for start in range(starts):
            with ExitStack() as ends:
                workers = {}
                for name, tree in trees.items():
                    workers[name] = Worker(tree, postgres, f"{name}-{start}")
                    ends.callback(workers[name].end)
                for worker in workers.values():
                    worker.ask(batches=WARM_BATCHES)
                order = list(workers)
                for _ in range(rounds):
                    for name in order:
                        found[name].append(workers[name].ask(batches=batches))
                    order.reverse()
    return found


def show(found: dict[str, list[dict[str, float]]]) -> None:
    """Print the medians of the runs, and the medians of the ratios to the last tree."""
    print(f"{'us a vote':18}" + "".join(f"{part:>9}" for part in PARTS))
    names = list(found)
    for name in names:
        medians = (statistics.median(run[part] for run in found[name]) for part in PARTS)
        print(f"{name[:18]:18}" + "".join(f"{value:9.2f}" for value in medians))
    for name in names[:-1]:
        pairs = list(zip(found[name], found[names[-1]], strict=True))
        ratios = {p: [run[p] / base[p] for run, base in pairs if base[p]] for p in PARTS}
        print(f"{'ratio':18}" + "".join(f"{_median(ratios[p]):9.2f}" for p in PARTS))
        low, high = min(ratios["sum"]), max(ratios["sum"])
        print(f"  of the sum, lowest and highest of {len(pairs)} runs: {low:.2f}, {high:.2f}")


def _median(values: list[float]) -> float:
    return statistics.median(values) if values else float("nan")


@contextmanager
def _postgres() -> Iterator[str]:
    directory = Path(tempfile.mkdtemp(prefix="ayes-decider-"))
    directory.chmod(0o711)
    postgres = EmbeddedPostgres(directory / "data")
    try:
        yield postgres.start()
    finally:
        postgres.stop()
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def _tree_of(commit: str) -> Iterator[Path]:
    """The files of ``commit``, in a temporary directory."""
    directory = Path(tempfile.mkdtemp(prefix="ayes-tree-"))
    try:
        archive = subprocess.run(
            ["git", "archive", commit],
            cwd=HERE,
            check=True,
            stdout=subprocess.PIPE,
        )
        subprocess.run(["tar", "-x", "-C", directory], input=archive.stdout, check=True)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _sql(url: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def _in_database(url: str, database: str) -> str:
    """Return the URL of another database of the same PostgreSQL."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(database)}"))


def main() -> int:
    """Read the arguments and run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decider", description=__doc__)
    parser.add_argument("--against", metavar="COMMIT", action="append", default=[])
    parser.add_argument("--starts", type=int, default=3, help="processes of each tree (3)")
    parser.add_argument("--rounds", type=int, default=4, help="runs of each process (4)")
    parser.add_argument("--batches", type=int, default=150, help="batches of a run (150)")
    parser.add_argument("--profile", action="store_true", help="functions by their own time")
    parser.add_argument("--save", metavar="NAME", help="write results/NAME.json")
    given = parser.parse_args()
    with ExitStack() as ends:
        trees = {"this tree": HERE}
        for commit in given.against:
            trees[commit] = ends.enter_context(_tree_of(commit))
        if given.profile:
            with _postgres() as postgres:
                worker = Worker(HERE, postgres, "profiled")
                ends.callback(worker.end)
                worker.ask(batches=WARM_BATCHES)
                print(worker.ask(batches=given.batches, profile=True)["profile"])
            return 0
        found = measure(trees, starts=given.starts, rounds=given.rounds, batches=given.batches)
    show(found)
    if given.save:
        machine = Machine.here("embedded").as_json()
        path = RESULTS / f"{given.save}.json"
        content = {"machine": machine, "runs": found}
        path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
