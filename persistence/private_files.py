"""Files and folders that must belong to this process's user alone.

A folder that another user owns, or may write to, can contain prepared links and files. A link with
the right name would point the server at a file of that user's choice; a planted secret would let
that user sign tokens. So no function here follows a link, and everything is checked on the open
descriptor, where it can no longer be exchanged.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path


class NotPrivateError(OSError):
    """A file or folder belongs to another user. The message may be printed to an operator."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


def check_folder(folder: Path) -> None:
    """Refuse a folder that another user owns, or that every user may write to.

    Root's folders are accepted: root may do anything in any case. A folder that a group may write
    to is accepted too, since volumes are often given so; its files are checked one by one.

    Raises ``NotPrivateError``, and ``OSError`` if the folder cannot be read.
    """
    if sys.platform == "win32":
        return
    found = folder.stat()
    if found.st_uid not in (0, os.geteuid()):
        raise NotPrivateError(
            f"{folder} belongs to user {found.st_uid}, and this server runs as user "
            f"{os.geteuid()}. Run it as the owner, choose another folder (AYES_DATA_DIR), or take "
            f"this one over after a look at what is in it: chown -R {os.geteuid()} {folder}"
        )
    if found.st_mode & stat.S_IWOTH:
        raise NotPrivateError(
            f"everybody may write to {folder}. Look at what is in it, then: chmod o-w {folder}"
        )


def open_private(
    path: Path, flags: int, *, mode: int = 0o600, owner: int | None = None, secret: bool = False
) -> int:
    """Open ``path``, a plain file of ``owner`` (default: this process's user); follow no link.

    ``mode`` is for a new file. With ``secret``, no other user may be able to read it.

    Raises ``NotPrivateError`` for any other file, before a byte is read, written or truncated, and
    ``OSError`` as ``os.open`` does.
    """
    if sys.platform == "win32":
        return os.open(path, flags | os.O_BINARY, mode)
    # O_TRUNC would take effect before the checks. O_NONBLOCK: a pipe must not block the open.
    assert not flags & os.O_TRUNC
    safe = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags | safe, mode)
    except OSError as err:
        if path.is_symlink():
            raise NotPrivateError(f"{path} is a link, where only a file may be. Remove it") from err
        raise
    try:
        _check_file(
            path,
            os.fstat(descriptor),
            owner=os.geteuid() if owner is None else owner,
            secret=secret,
            writes=bool(flags & (os.O_WRONLY | os.O_RDWR)),
        )
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_file(
    path: Path, found: os.stat_result, *, owner: int, secret: bool, writes: bool
) -> None:
    # A second name does no harm to a file that is only read. A secret that is being created has two
    # names for a moment.
    is_linked = writes and found.st_nlink != 1
    if not stat.S_ISREG(found.st_mode) or is_linked:
        raise NotPrivateError(f"{path} must be a plain file with one name. Remove it")
    if found.st_uid != owner:
        raise NotPrivateError(
            f"{path} belongs to user {found.st_uid} instead of user {owner}. Remove it"
        )
    others = 0o077 if secret else 0o022
    if found.st_mode & others:
        may = "read" if secret else "write to"
        raise NotPrivateError(f"others may {may} {path}. Look at it, then: chmod 600 {path}")
