"""The generated secret that signs tokens if the operator gives none, in the data directory."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from persistence.embedded.data_directory import sync_folder
from persistence.private_files import NotPrivateError, check_folder, open_private
from server.config.loading import MIN_SECRET_BYTES
from server.config.start_error import StartError

SECRET_FILE = "auth_secret"  # noqa: S105 - the name of a file
#: Bytes that are read of the secret's file; the rest is ignored, so a wrong file costs no memory.
#: Far above the length that HS256 uses, since longer keys are hashed (RFC 2104, 2).
MAX_SECRET_BYTES = 65_536


def kept_secret(data_dir: Path) -> str:
    """Return the secret in ``data_dir``; make it the first time.

    Raises ``StartError`` if the file is too short: a full disk or a power cut can leave it empty,
    and an empty key is known to everyone. Also if another account can write or read the file: it
    could sign tokens for every user.
    """
    path = data_dir / SECRET_FILE
    try:
        try:
            return _read(path)
        except FileNotFoundError:
            _make(path)
        return _read(path)
    except NotPrivateError as err:
        raise StartError(str(err)) from err


def _read(path: Path) -> str:
    check_folder(path.parent)
    with os.fdopen(open_private(path, os.O_RDONLY, secret=True), "rb") as file:
        secret = file.read(MAX_SECRET_BYTES).strip()
    if len(secret) < MIN_SECRET_BYTES:
        raise StartError(
            f"{path} holds {len(secret)} bytes; a secret has at least {MIN_SECRET_BYTES}. Bring it "
            "back from a backup, or remove it: a new one is made, and all users sign in again"
        )
    try:
        return secret.decode()
    except UnicodeDecodeError:
        raise StartError(
            f"{path} is no text. Bring it back from a backup, or remove it: a new one is made, and "
            "all users sign in again"
        ) from None


def _make(path: Path) -> None:
    """Make the secret's file atomically, synced to disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{secrets.token_hex(4)}")
    fresh.touch(mode=0o600, exist_ok=False)
    try:
        with fresh.open("w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        # Linked, not renamed: if two servers start at once, the first secret wins.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(fresh)
    finally:
        fresh.unlink()
    sync_folder(path.parent)
