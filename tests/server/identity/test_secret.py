"""The server's own secret is complete, or does not exist."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server.config.loading import MIN_SECRET_BYTES
from server.config.settings import Settings
from server.config.start_error import StartError
from server.identity.auth import authenticator_for
from server.identity.secret import SECRET_FILE, kept_secret
from tests.parts import ROOT


def test_a_secret_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(kept_secret, [folder] * 32))
    assert len(found) == 1
    assert len(found.pop()) >= MIN_SECRET_BYTES
    assert [path.name for path in folder.iterdir()] == [SECRET_FILE]
    assert (folder / SECRET_FILE).stat().st_mode & 0o777 == 0o600


def test_a_made_secret_is_synced_before_it_has_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut at any moment the secret is complete or missing."""
    synced: list[tuple[bool, bool]] = []
    sync: Callable[[int], None] = os.fsync

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path == tmp_path or path.parent == tmp_path:
            synced.append((path == tmp_path, (tmp_path / SECRET_FILE).exists()))
        sync(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    kept_secret(tmp_path)
    assert synced == [(False, False), (True, True)]


@pytest.mark.parametrize("found", [b"", b"\n", b"x" * 31, b" " * 40, b"\0" * 8, b"\xff" * 48])
def test_a_kept_secret_that_is_none_ends_the_start_with_what_to_do(
    tmp_path: Path, found: bytes
) -> None:
    _put(tmp_path, found)
    with pytest.raises(StartError, match="backup, or remove it"):
        authenticator_for(Settings(data_dir=tmp_path))
    assert (tmp_path / SECRET_FILE).read_bytes() == found


def test_the_commands_say_so_without_a_traceback(tmp_path: Path) -> None:
    _put(tmp_path, b"")
    told = subprocess.run(
        [sys.executable, "-m", "server.cli", "token", "--user", "ada"],
        cwd=ROOT,
        env=os.environ | {"AYES_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert told.returncode == 1
    assert told.stderr.startswith("ayes: ")
    assert "holds 0 bytes" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_secret_of_just_enough_bytes_is_taken(tmp_path: Path) -> None:
    _put(tmp_path, b"k" * MIN_SECRET_BYTES + b"\n")
    assert kept_secret(tmp_path) == "k" * MIN_SECRET_BYTES


def test_a_secret_that_others_can_read_or_wrote_ends_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person with access to any of them could sign tokens for every user."""
    secret = b"planted " * 8
    _put(tmp_path, secret).chmod(0o644)
    with pytest.raises(StartError, match="others may read"):
        kept_secret(tmp_path)
    (tmp_path / SECRET_FILE).rename(tmp_path / "elsewhere")
    (tmp_path / SECRET_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartError, match="is a link"):
        kept_secret(tmp_path)
    (tmp_path / SECRET_FILE).unlink()
    _put(tmp_path, secret)
    tmp_path.chmod(0o777)
    with pytest.raises(StartError, match="everybody may write to"):
        kept_secret(tmp_path)
    tmp_path.chmod(0o700)
    user = os.geteuid() + 12_345
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(StartError, match="belongs to user"):
        kept_secret(tmp_path)


def test_a_file_that_is_no_secret_is_not_read_to_its_end(tmp_path: Path) -> None:
    os.truncate(_put(tmp_path, b"k"), 1 << 40)
    assert len(kept_secret(tmp_path)) == 65_536


def _put(folder: Path, content: bytes) -> Path:
    path = folder / SECRET_FILE
    path.write_bytes(content)
    path.chmod(0o600)
    return path
