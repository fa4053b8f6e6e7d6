"""Data directories of the embedded PostgreSQL."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from persistence.embedded import EmbeddedPostgres
from tests.parts import QUICK, folder


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that PostgreSQL's account gets through, with nothing in it."""
    with folder() as path:
        path.chmod(0o711)
        yield path


@pytest.fixture(scope="session")
def _made() -> Iterator[Path]:
    with folder() as path:
        home = path / "ayes"
        path.chmod(0o711)
        postgres = EmbeddedPostgres(home, settings=QUICK)
        postgres.start()
        postgres.stop()
        yield home


@pytest.fixture
def home(_made: Path, place: Path) -> Path:
    """A data directory that has a database, made earlier and not running."""
    # cp keeps the owners, which nothing in the standard library does.
    subprocess.run(["cp", "-a", _made, place / "ayes"], check=True, timeout=30)
    return place / "ayes"
