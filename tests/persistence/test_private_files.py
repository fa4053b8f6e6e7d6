"""Other users' folders and files are refused before a byte is read or written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from persistence.embedded.account import EmbeddedPostgresError
from persistence.embedded.data_directory import make_home, take_lock
from persistence.embedded.log import MAX_LOG_BYTES, PostgresLog
from persistence.private_files import NotPrivateError, check_folder, open_private

PRECIOUS = "a line of somebody's file\n" * 3


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data directory of our own."""
    home = tmp_path / "ayes"
    home.mkdir(mode=0o711)
    return home


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file outside the data directory that must stay as it is."""
    path = tmp_path / "victim"
    path.write_text(PRECIOUS)
    path.chmod(0o600)
    return path


def become_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, the existing files belong to another user."""
    user = os.geteuid() + 12_345
    monkeypatch.setattr(os, "geteuid", lambda: user)


@pytest.mark.parametrize("name", ["lock", "postgres.log"])
@pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "folder"])
def test_a_prepared_name_leads_to_no_other_file(
    home: Path, victim: Path, name: str, kind: str
) -> None:
    prepared = home / name
    match kind:
        case "link":
            prepared.symlink_to(victim)
        case "hard link":
            prepared.hardlink_to(victim)
        case "pipe":
            os.mkfifo(prepared)
        case _:
            prepared.mkdir()
    with pytest.raises(OSError, match=name):
        take_lock(home) if name == "lock" else PostgresLog(home).open()
    assert victim.read_text() == PRECIOUS


def test_a_link_that_leads_nowhere_makes_no_file_there(home: Path, tmp_path: Path) -> None:
    (home / "lock").symlink_to(tmp_path / "new")
    with pytest.raises(NotPrivateError, match="is a link"):
        take_lock(home)
    assert not (tmp_path / "new").exists()


def test_a_log_that_is_cut_cuts_no_other_file(home: Path, victim: Path) -> None:
    log = PostgresLog(home)
    os.close(log.open())
    os.truncate(home / "postgres.log", MAX_LOG_BYTES + 1)
    # The attack comes between the look at the length and the cut.
    (home / "postgres.log.new").symlink_to(victim)
    log.bound()
    assert victim.read_text() == PRECIOUS
    assert (home / "postgres.log").stat().st_size == 0
    (home / "postgres.log").unlink()
    (home / "postgres.log").symlink_to(victim)
    log.bound()
    assert victim.read_text() == PRECIOUS


def test_another_users_folder_is_no_data_directory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    become_another(monkeypatch)
    if home.stat().st_uid == 0:
        # Root's folders are readable by every user.
        os.chown(home, 23_456, -1)
    with pytest.raises(NotPrivateError, match=r"belongs to user .*chown -R"):
        make_home(home)


def test_a_folder_that_everybody_may_write_to_is_no_data_directory(home: Path) -> None:
    for mode in (0o777, 0o1777, 0o703):
        home.chmod(mode)
        with pytest.raises(NotPrivateError, match="chmod o-w"):
            make_home(home)
    home.chmod(0o775)
    make_home(home)


def test_another_users_file_is_not_taken_for_ours(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "auth_secret").write_text("planted")
    (home / "auth_secret").chmod(0o600)
    become_another(monkeypatch)
    with pytest.raises(NotPrivateError, match="belongs to user"):
        open_private(home / "auth_secret", os.O_RDONLY, secret=True)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_secret_that_others_may_read_is_refused(home: Path, mode: int) -> None:
    (home / "auth_secret").write_text("s" * 48)
    (home / "auth_secret").chmod(mode)
    with pytest.raises(NotPrivateError, match="chmod 600"):
        open_private(home / "auth_secret", os.O_RDONLY, secret=True)
    (home / "auth_secret").chmod(0o600)
    os.close(open_private(home / "auth_secret", os.O_RDONLY, secret=True))


def test_the_refusal_reaches_the_operator_in_words(home: Path) -> None:
    from persistence.embedded.postgres import EmbeddedPostgres

    home.chmod(0o777)
    with pytest.raises(EmbeddedPostgresError, match="everybody may write to"):
        EmbeddedPostgres(home).start()


def test_a_folder_that_is_not_there_is_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        check_folder(tmp_path / "none")
