"""Data directories of the embedded PostgreSQL."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from persistence.embedded.postgres import EmbeddedPostgres
from tests.parts import QUICK, folder


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty folder, to make data directories in."""
    with folder() as path:
        yield path


@pytest.fixture(scope="session")
def _made() -> Iterator[Path]:
    with folder() as path:
        home = path / "ayes"
        postgres = EmbeddedPostgres(home, settings=QUICK)
        postgres.start()
        postgres.stop()
        yield home


@pytest.fixture
def home(_made: Path, place: Path) -> Path:
    """A data directory that has a database, made earlier and not running."""
    # cp keeps the owners; no function of the standard library does.
    subprocess.run(["cp", "-a", _made, place / "ayes"], check=True, timeout=30)
    return place / "ayes"
