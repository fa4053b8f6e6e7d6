"""``ayes backup`` and ``ayes restore``, on an embedded database with a journal in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from persistence.database.migrate import upgrade
from persistence.embedded.postgres import EmbeddedPostgres
from server.cli.main import main
from tests.parts import folder
from tests.promises.running import running
from tests.promises.scenes import gathering


async def decide(url: str) -> tuple[str, str]:
    """Make a decided event on a server; return its id and epoch."""
    async with running(url) as server:
        scene = await gathering(server, 1)
        proposal = await scene.propose()
        await scene.vote(scene.members[0], proposal)
        [room] = await scene.watch(scene.admin)
        return scene.event, room.epoch


async def every_epoch(url: str) -> dict[str, str]:
    """Event → epoch."""
    connection = await asyncpg.connect(url)
    try:
        return {row["id"]: row["epoch"] for row in await connection.fetch("SELECT * FROM events")}
    finally:
        await connection.close()


@pytest.fixture
def data_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data directory of its own."""
    monkeypatch.delenv("AYES_DATABASE_URL", raising=False)
    with folder() as path:
        monkeypatch.setenv("AYES_DATA_DIR", str(path / "data"))
        yield path / "data"


def test_a_backup_is_restored_with_new_epochs_and_a_proof(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    embedded = EmbeddedPostgres(data_dir, settings={"fsync": "off"})
    file = tmp_path / "ayes.dump"
    url = embedded.start()
    try:
        upgrade(url)
        event, epoch = asyncio.run(decide(url))
        # While a server runs, a backup is made, and a restore is refused.
        assert main(["backup", str(file)]) == 0
        assert file.stat().st_mode & 0o077 == 0
        assert main(["backup", str(file)]) == 1
        assert "not replaced" in capsys.readouterr().err
        assert main(["restore", str(file)]) == 1
        capsys.readouterr()
        later, _ = asyncio.run(decide(url))
    finally:
        embedded.stop()
    broken = tmp_path / "broken.dump"
    broken.write_bytes(file.read_bytes()[:-2_000])
    assert main(["restore", str(broken)]) == 1
    assert main(["restore", str(tmp_path / "nowhere")]) == 1
    embedded.start()
    try:
        # Nothing has changed by then.
        assert main(["verify", later]) == 0
    finally:
        embedded.stop()
    capsys.readouterr()
    assert main(["restore", str(file)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 events restored")
    url = embedded.start()
    try:
        assert main(["verify", event]) == 0
        assert main(["verify", later]) == 1
        epochs = asyncio.run(every_epoch(url))
        assert set(epochs) == {event}
        assert epochs[event] != epoch
    finally:
        embedded.stop()


def test_a_database_of_ones_own_is_left_to_its_own_tools(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AYES_DATABASE_URL", "postgresql://localhost/ayes")
    for verb in ("backup", "restore"):
        assert main([verb, "ayes.dump"]) == 2
        assert "AYES_DATABASE_URL names one of your own" in capsys.readouterr().err
