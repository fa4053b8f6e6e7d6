"""The secret that signs tokens if none is given: made once, kept in the data directory."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from persistence.data_directory import sync_folder
from server.settings import SHORTEST_SECRET
from server.start_error import StartError

NAME = "auth_secret"


def kept_secret(data_dir: Path) -> str:
    """The secret that is kept in ``data_dir``, made there the first time.

    Raises ``StartError`` if what is there is no secret: a file that a full disk or a power cut left
    empty would be a key that everybody knows.
    """
    path = data_dir / NAME
    try:
        return _read(path)
    except FileNotFoundError:
        _make(path)
    return _read(path)


def _read(path: Path) -> str:
    secret = path.read_bytes().strip()
    if len(secret) < SHORTEST_SECRET:
        raise StartError(
            f"{path} holds {len(secret)} bytes; a secret has at least {SHORTEST_SECRET}. Bring it "
            "back from a backup, or remove it: a new one is made, and everybody signs in again"
        )
    try:
        return secret.decode()
    except UnicodeDecodeError:
        raise StartError(
            f"{path} is no text. Bring it back from a backup, or remove it: a new one is made, and "
            "everybody signs in again"
        ) from None


def _make(path: Path) -> None:
    """Make a secret that outlasts a power cut, or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{secrets.token_hex(4)}")
    fresh.touch(mode=0o600, exist_ok=False)
    try:
        with fresh.open("w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # Linked, not renamed: if two servers start at once, the first one's secret stands.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(fresh)
    finally:
        fresh.unlink()
    sync_folder(path.parent)
