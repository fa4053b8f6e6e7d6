"""``ayes upgrade-postgres``: a database that an older PostgreSQL made, under a newer one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import asyncpg
import pytest

from persistence.database.migrate import upgrade
from persistence.embedded import binaries
from persistence.embedded.binaries import Binaries, find_binaries, machine
from persistence.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError
from server.cli.main import main
from tests.server.cli.test_backup import data_dir, decide, every_epoch

__all__ = ["data_dir"]

QUICK = {"fsync": "off"}


@pytest.fixture(scope="module")
def older() -> Binaries:
    """The programs of an older PostgreSQL; ``AYES_TEST_EQUIPMENT`` can demand them."""
    newest = find_binaries(None).major
    found = next((each for each in machine() if each.major < newest), None)
    if found is None:
        missing = f"there is no PostgreSQL older than {newest} (Debian: postgresql)"
        if "PostgreSQL" in os.environ.get("AYES_TEST_EQUIPMENT", "").split(","):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@pytest.fixture
def made(data_dir: Path, older: Binaries) -> tuple[str, str]:
    """A database of the older version with one decided event; its id and its epoch."""
    embedded = EmbeddedPostgres(data_dir, settings=QUICK, programs=older.folder)
    url = embedded.start()
    try:
        upgrade(url)
        return asyncio.run(decide(url))
    finally:
        embedded.stop()


async def major(url: str) -> int:
    """The major version of the server at ``url``."""
    connection = await asyncpg.connect(url)
    try:
        return connection.get_server_version().major
    finally:
        await connection.close()


async def forge(url: str) -> None:
    """Change an entry of the journal."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            "UPDATE journal SET user_id = 'somebody' WHERE seq = (SELECT max(seq) FROM journal)"
        )
    finally:
        await connection.close()


def test_a_database_of_an_older_postgresql_is_brought_over_with_its_epoch(
    data_dir: Path, older: Binaries, made: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    event, epoch = made
    assert main(["upgrade-postgres"]) == 0
    said = capsys.readouterr().out
    assert f"1 events copied from PostgreSQL {older.major}" in said
    kept = data_dir / f"postgres-{older.major}-before"
    assert (kept / "PG_VERSION").read_text().strip() == str(older.major)
    embedded = EmbeddedPostgres(data_dir, settings=QUICK)
    url = embedded.start()
    try:
        assert asyncio.run(major(url)) == find_binaries(None).major
        assert asyncio.run(every_epoch(url)) == {event: epoch}
        assert main(["verify", event]) == 0
        # A server works with it: more is decided.
        asyncio.run(decide(url))
    finally:
        embedded.stop()
    assert main(["upgrade-postgres"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    assert not (data_dir / "upgrade").exists()


def test_nothing_changes_while_a_server_runs_or_if_a_journal_is_not_proved(
    data_dir: Path, older: Binaries, made: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    event, _ = made
    embedded = EmbeddedPostgres(data_dir, settings=QUICK)
    url = embedded.start()
    try:
        assert main(["upgrade-postgres"]) == 1
        assert "another ayes server" in capsys.readouterr().err
        assert main(["verify", event]) == 0
        asyncio.run(forge(url))
    finally:
        embedded.stop()
    assert main(["upgrade-postgres"]) == 1
    assert f"event {event} is not proved" in capsys.readouterr().err
    assert embedded.made_by() == older.major
    assert {path.name for path in data_dir.iterdir()} >= {"postgres", "lock"}
    assert not list(data_dir.glob("*before*")) + list(data_dir.glob("upgrade"))
    url = embedded.start()
    try:
        assert asyncio.run(major(url)) == older.major
    finally:
        embedded.stop()


def test_without_the_older_programs_the_error_says_what_to_do(
    data_dir: Path, made: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(binaries, "SOURCES", (binaries.wheel,))
    with pytest.raises(EmbeddedPostgresError, match="ayes upgrade-postgres"):
        EmbeddedPostgres(data_dir).start()
    with pytest.raises(EmbeddedPostgresError, match="has no programs"):
        EmbeddedPostgres(data_dir, programs=tmp_path).start()
