"""A real process, SIGTERM and SIGINT, at every step of its life: the first signal ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.parts import ROOT, folder
from tests.persistence.processes import using
from tests.server.halting import POINTS

#: Longest wait for the end.
PATIENCE = 40.0
#: Points at which the server has its own PostgreSQL; the others use the tests'.
EMBEDDED = {"database", "finalizer", "end"}
#: Points of the end, reached by a first signal.
OF_THE_END = {"drain", "stop", "end"}


@contextmanager
def halting(point: str, home: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    """The process, killed if it still runs at the end."""
    environment = os.environ | {"AYES_DATA_DIR": str(home), "AYES_PORT": "0"}
    environment.pop("AYES_DATABASE_URL", None)
    if point not in EMBEDDED:
        environment["AYES_DATABASE_URL"] = url
    with subprocess.Popen(
        [sys.executable, "-m", "tests.server.halting", point],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def reach(child: subprocess.Popen[str], beginning: str) -> None:
    """Wait for a line of its output."""
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(beginning):
            return
    raise AssertionError(f"it ended before {beginning!r}: {child.communicate()}")


def ends_well(child: subprocess.Popen[str], home: Path) -> None:
    """Check that it exits by itself, prints no error, and leaves no database behind."""
    _, said = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0, said
    # Python's own message about an exception in a finalizer is not the server's error.
    lines = [line for line in said.splitlines() if "ERROR" in line or "never awaited" in line]
    assert not lines, said
    assert not using(home)


def test_every_point_is_tried() -> None:
    assert set(POINTS) == {*STARTING, "serving", *OF_THE_END}


STARTING = ("database", "finalizer", "migration", "lock", "start", "callback")


@pytest.mark.parametrize(
    ("point", "number"),
    [
        *((point, signal.SIGTERM) for point in STARTING),
        *((point, signal.SIGINT) for point in ("database", "start")),
    ],
)
def test_a_signal_while_it_starts_ends_it(
    migrated_url: str, point: str, number: signal.Signals
) -> None:
    with folder() as home, halting(point, home, migrated_url) as child:
        reach(child, f"at {point}")
        child.send_signal(number)
        ends_well(child, home)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_it_serves_ends_it(migrated_url: str, number: signal.Signals) -> None:
    with folder() as home, halting("serving", home, migrated_url) as child:
        reach(child, "open http")
        child.send_signal(number)
        ends_well(child, home)


@pytest.mark.parametrize("point", sorted(OF_THE_END))
def test_more_signals_while_it_ends_cut_nothing_short(migrated_url: str, point: str) -> None:
    with folder() as home, halting(point, home, migrated_url) as child:
        reach(child, "open http")
        child.send_signal(signal.SIGTERM)
        reach(child, f"at {point}")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            child.send_signal(number)
        ends_well(child, home)
