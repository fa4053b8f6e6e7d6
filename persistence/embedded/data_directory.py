"""The server's data directory: create it, lock it, and find a folder for the socket."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path

from persistence.embedded.account import Account, EmbeddedPostgresError
from persistence.embedded.postmaster import SOCKET_NAME
from persistence.private_files import check_folder, open_private

if sys.platform != "win32":
    import fcntl

#: Bytes of a socket's path; for a longer one a shorter folder is used. Linux takes 107 bytes, macOS
#: 103.
MAX_SOCKET_PATH_BYTES = 103
#: Names that a directory of Ayes alone may contain.
OWN_NAMES = {"lock", "socket", "postgres", "auth_secret"} | {
    f"postgres.log{suffix}" for suffix in ("", ".1", ".new")
}


def make_home(home: Path) -> None:
    """Create the data directory and missing parents; an existing one stays as it is.

    Raises ``NotPrivateError`` if it belongs to another user, or every user may write to it.
    """
    missing = [folder for folder in (home, *home.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            # Whatever the umask: PostgreSQL's account must be able to enter, but not to list it.
            folder.chmod(0o711 if folder == home else 0o755)
    check_folder(home)


def take_lock(home: Path) -> int:
    """Lock the data directory; the lock ends with this process.

    Raises ``EmbeddedPostgresError`` if another process holds it, and ``NotPrivateError`` if the
    file is a link or another user's.
    """
    lock = open_private(home / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise EmbeddedPostgresError(
            f"another ayes server (pid {holder}) is using {home}. Stop it, or choose another data "
            "directory (AYES_DATA_DIR)"
        ) from None
    except BaseException:
        os.close(lock)
        raise
    return lock


def is_locked(home: Path) -> bool:
    """Whether a server holds the lock of this data directory now."""
    try:
        lock = os.open(home / "lock", os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def let_in(account: Account, home: Path) -> None:
    """Let the account enter the data directory.

    Only a directory of Ayes alone is opened for it; folders above never are. Raises
    ``EmbeddedPostgresError`` if the account cannot enter.
    """
    if account.other and not account.may_enter(home):
        names = {entry.name for entry in home.iterdir()}
        if account.may_enter(home.parent) and names <= OWN_NAMES:
            home.chmod(stat.S_IMODE(home.stat().st_mode) | 0o011)
    account.check_reach(home)


def socket_folder(home: Path, account: Account) -> Path:
    """Return a folder for the socket that only the account (and root) may enter.

    It is in the data directory, or in a temporary place if the path would be too long.

    Raises ``EmbeddedPostgresError`` if there is no such place.
    """
    folders = [home / "socket"]
    name = f"ayes-{hashlib.sha256(os.fsencode(os.path.realpath(home))).hexdigest()[:12]}"
    if os.geteuid() == 0:
        folders.append(Path("/run") / name)
    elif runtime := os.environ.get("XDG_RUNTIME_DIR"):
        folders.append(Path(runtime) / name)
    folders += [Path(tempfile.gettempdir()) / name, Path("/tmp") / name]  # noqa: S108 - checked below
    for folder in folders:
        # A comma would part two hosts in a URL.
        if len(os.fsencode(folder / SOCKET_NAME)) > MAX_SOCKET_PATH_BYTES or "," in str(folder):
            continue
        if not (folder.parent.is_dir() and os.access(folder.parent, os.W_OK)):
            continue
        if not account.may_enter(folder.parent):
            continue
        try:
            folder.mkdir(mode=0o700)
            account.give(folder)
        except FileExistsError:
            found = folder.lstat()
            private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
            if not private or found.st_uid != account.uid:
                raise EmbeddedPostgresError(
                    f"{folder}, where the database's socket goes, must be a folder that belongs to "
                    f"user {account.name!r} alone. Remove it"
                ) from None
        return folder
    raise EmbeddedPostgresError(
        f"there is no private place for the database's socket: {home} is too long a path "
        "or has a comma, and none of the usual places can be written to"
    )


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
