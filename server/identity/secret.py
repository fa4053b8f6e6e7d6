"""The secret that signs tokens if none is given: made once, kept in the data directory."""

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
#: Bytes that are read of the secret's file, so that a wrong file costs no memory. Far above what
#: HS256 can use: longer keys are hashed (RFC 2104, 2).
MAX_SECRET_BYTES = 65_536


def kept_secret(data_dir: Path) -> str:
    """The secret that is kept in ``data_dir``, made there the first time.

    Raises ``StartError`` if what is there is no secret: a file that a full disk or a power cut left
    empty would be a key that everybody knows. Also if another user could have put it there, or can
    read it: that user could sign tokens for everybody.
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
