"""The embedded default: a private PostgreSQL under the server's data directory.

It listens on a unix socket alone, in a folder that only its own account and root may enter; that
folder is its password. Under the data directory: ``lock`` (who uses it), ``postgres`` (the
database), ``postgres.log``, ``socket``.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from persistence.postgres_account import Account, EmbeddedPostgresError, account_for
from persistence.postgres_binaries import Binaries, find_binaries, within_reach
from persistence.postmaster import (
    LOOK_INTERVAL,
    NO_SUCH_DATABASE,
    PORT,
    SOCKET_NAME,
    SUPERUSER,
    TAKEN,
    WELCOME,
    Postmaster,
    ask,
    signals_held,
)

if sys.platform != "win32":
    import fcntl

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "default_data_dir"]

log = logging.getLogger("ayes.postgres")

DATABASE = "ayes"
#: A longer path of a socket than this some systems refuse (Linux takes 107 bytes, macOS 103).
LONGEST_SOCKET_PATH = 103
#: The log is set aside at a start that finds it longer; with the one before, twice this at most.
LONGEST_LOG = 8 * 1024 * 1024
#: Below this many free bytes a failure is put down to a full disk: one segment of the log.
LITTLE_SPACE = 16 * 1024 * 1024

#: What holds at every start, whatever stands in the database's own files.
ALWAYS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "logging_collector": "off",
}
#: What a new database begins with; its operator may change it in ``postgresql.conf``.
AT_FIRST = {
    "max_connections": "60",
    "shared_buffers": "'128MB'",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_line_prefix": "'%m [%p] '",
    "log_checkpoints": "off",
}


def default_data_dir() -> Path:
    """Where data is kept if nobody says: ``/var/lib/ayes`` for root, else the user's own place."""
    if sys.platform != "win32" and os.geteuid() == 0:
        return Path("/var/lib/ayes")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "ayes"
    chosen = os.environ.get("XDG_DATA_HOME", "")
    # The XDG base directory specification: a relative path there is to be ignored.
    home = Path(chosen) if os.path.isabs(chosen) else Path.home() / ".local" / "share"
    return home / "ayes"


class EmbeddedPostgres:
    """A PostgreSQL of one server's own, in ``data_dir``; made at the first ``start``.

    ``settings`` are PostgreSQL's, for this run, above all others: tests give up durability so.
    """

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._home = Path(os.path.abspath(data_dir))
        self._data = self._home / "postgres"
        self._settings = dict(settings or {})
        self._lock: int | None = None
        self._postmaster: Postmaster | None = None

    def start(self, *, timeout: float = 60.0) -> str:
        """Start it, or take over the one that a killed server left running; its URL.

        Blocks for at most about ``timeout`` seconds.

        Raises:
            EmbeddedPostgresError: it cannot run. Nothing is left running, the data is as it was.
        """
        if sys.platform == "win32":
            raise EmbeddedPostgresError(
                "the embedded database does not run on Windows: name one with AYES_DATABASE_URL"
            )
        if self._postmaster is not None:
            return self._url(self._postmaster)
        deadline = time.monotonic() + timeout
        try:
            _make_home(self._home)
            self._lock = _take_lock(self._home)
            account = account_for(self._data)
            _let_in(account, self._home)
            self._run(account, deadline)
            assert self._postmaster is not None
            return self._url(self._postmaster)
        except (OSError, subprocess.SubprocessError) as err:
            self.stop()
            raise EmbeddedPostgresError(f"{self._cannot} {_told(err)}{self._space()}") from err
        except BaseException:
            self.stop()
            raise

    def stop(self, *, timeout: float = 30.0) -> None:
        """Shut it down, and let go of the data directory; does nothing if that was done.

        Blocks until it is gone: ``timeout`` seconds for a fast shutdown, then an immediate one,
        which loses nothing either.
        """
        postmaster, self._postmaster = self._postmaster, None
        if postmaster is not None and not postmaster.stop(timeout):
            log.error("PostgreSQL (pid %d) did not stop", postmaster.pid)
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    @property
    def _cannot(self) -> str:
        return f"the embedded database in {self._home} cannot run:"

    def _url(self, postmaster: Postmaster) -> str:
        return (
            f"postgresql://{SUPERUSER}@/{DATABASE}"
            f"?host={quote(str(postmaster.sockets), safe='/')}&port={PORT}"
        )

    def _run(self, account: Account, deadline: float) -> None:
        sockets = _socket_folder(self._home, account)
        self._postmaster = Postmaster.find(self._data, sockets)
        if self._postmaster is not None:
            log.info("taking over the PostgreSQL that runs already (pid %d)", self._postmaster.pid)
            if self._ready(deadline):
                return
        for leftover in self._home.glob("postgres*-new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        binaries = self._binaries(account)
        if not self._data.exists():
            self._make(binaries, account, deadline)
        self._launch(binaries, account, sockets, deadline)

    def _binaries(self, account: Account) -> Binaries:
        """Programs that fit the data that is there."""
        made_by: int | None = None
        if self._data.exists():
            try:
                made_by = int((self._data / "PG_VERSION").read_text())
            except (FileNotFoundError, ValueError):
                raise EmbeddedPostgresError(
                    f"{self._cannot} {self._data} is there, but is no PostgreSQL database. Move it "
                    "out of the way, or choose another data directory (AYES_DATA_DIR)"
                ) from None
        binaries = find_binaries(made_by)
        if made_by is not None and binaries.major != made_by:
            raise EmbeddedPostgresError(
                f"{self._cannot} it was made by PostgreSQL {made_by}, and this is PostgreSQL "
                f"{binaries.version}. Nothing was changed. Run the Ayes it was made with, install "
                f"PostgreSQL {made_by}, or bring {self._data} up to version {binaries.major} with "
                "pg_upgrade"
            )
        return within_reach(binaries, account, self._home)

    def _make(self, binaries: Binaries, account: Account, deadline: float) -> None:
        """Make the database beside its place, then move it there: it is whole or not there."""
        log.info("making a database in %s", self._data)
        scratch = Path(tempfile.mkdtemp(prefix="postgres-new-", dir=self._home))
        try:
            account.give(scratch)
            command = [binaries.program("initdb"), "-D", str(scratch), "-U", SUPERUSER]
            command += ["--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"]
            command += ["--auth-local=trust", "--auth-host=reject"]
            if binaries.major >= 17:
                # Sorts as C does, and knows the case of every letter, the same on every system.
                command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            if self._settings.get("fsync") == "off":
                command.append("--no-sync")
            status, errors = account.run(command, timeout=max(deadline - time.monotonic(), 1))
            if status != 0:
                raise EmbeddedPostgresError(f"{self._cannot} {errors.strip()}{self._space()}")
            with (scratch / "postgresql.conf").open("a") as conf:
                conf.write("\n# Set by Ayes when it made this database; yours to change.\n")
                conf.writelines(f"{name} = {value}\n" for name, value in AT_FIRST.items())
                conf.flush()
                os.fsync(conf.fileno())
            scratch.rename(self._data)
            _sync_folder(self._home)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _launch(self, binaries: Binaries, account: Account, sockets: Path, deadline: float) -> None:
        place = str(sockets).replace('"', '""')
        settings = ALWAYS | {"unix_socket_directories": f'"{place}"'} | self._settings
        path = self._home / "postgres.log"
        if path.exists() and path.stat().st_size > LONGEST_LOG:
            path.replace(path.with_suffix(".log.1"))
        written = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            while True:
                since = os.fstat(written).st_size
                with signals_held():
                    self._postmaster = Postmaster.launch(
                        binaries, account, self._data, sockets, settings, written
                    )
                if self._ready(deadline):
                    return
                told = os.pread(written, 100_000, since).decode(errors="replace").strip()
                # Children of a killed postmaster need a moment to notice.
                if "shared memory block" in told and time.monotonic() < deadline:
                    time.sleep(LOOK_INTERVAL)
                    continue
                why = "it ended:" if not self._postmaster.runs() else "it was not ready in time:"
                raise EmbeddedPostgresError(
                    f"{self._cannot} {why}\n{told[-2_000:] or '(it said nothing)'}{self._space()}"
                )
        finally:
            os.close(written)

    def _ready(self, deadline: float) -> bool:
        """Wait until the database answers, and make it if it is missing; not if it ended."""
        assert self._postmaster is not None
        while self._postmaster.runs():
            state = ask(self._postmaster.sockets, DATABASE)
            if state == WELCOME:
                return True
            if state == NO_SUCH_DATABASE:
                made = ask(self._postmaster.sockets, "postgres", f"CREATE DATABASE {DATABASE}")
                if made == WELCOME or made in TAKEN:
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_INTERVAL)
        return False

    def _space(self) -> str:
        """A word on the disk, if it is (nearly) full."""
        try:
            free = shutil.disk_usage(self._home).free
        except OSError:
            return ""
        return f" (the disk has {free // 1024} KiB left)" if free < LITTLE_SPACE else ""


def _make_home(home: Path) -> None:
    """Make the data directory and what is missing above it; what is there stays as it is."""
    missing = [folder for folder in (home, *home.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            # Whatever the umask: PostgreSQL's account must get through, but need not look round.
            folder.chmod(0o711 if folder == home else 0o755)


def _take_lock(home: Path) -> int:
    """The lock on the data directory; it ends with this process, however that ends."""
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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


def _let_in(account: Account, home: Path) -> None:
    """See that the account gets to the data directory. Only a directory that is Ayes' alone is
    opened for it, to step through; folders above never."""
    if account.other and not account.may_enter(home):
        ours = {"lock", "socket", "postgres", "postgres.log", "secret"}
        if account.may_enter(home.parent) and {entry.name for entry in home.iterdir()} <= ours:
            home.chmod(stat.S_IMODE(home.stat().st_mode) | 0o011)
    account.check_reach(home)


def _socket_folder(home: Path, account: Account) -> Path:
    """A folder for the socket that only the account (and root) may enter.

    In the data directory, or where its path is too long for a socket, in a place for such things.
    """
    folders = [home / "socket"]
    name = f"ayes-{hashlib.sha256(os.fsencode(os.path.realpath(home))).hexdigest()[:12]}"
    if os.geteuid() == 0:
        folders.append(Path("/run") / name)
    elif runtime := os.environ.get("XDG_RUNTIME_DIR"):
        folders.append(Path(runtime) / name)
    folders += [Path(tempfile.gettempdir()) / name, Path("/tmp") / name]  # noqa: S108 - checked below
    for folder in folders:
        if len(os.fsencode(folder / SOCKET_NAME)) > LONGEST_SOCKET_PATH:
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
        f"there is no private place for the database's socket: {home} is too long a path, and "
        "none of the usual places can be written to"
    )


def _sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _told(err: OSError | subprocess.SubprocessError) -> str:
    if isinstance(err, OSError):
        return f"{err.strerror or err}" + (f": {err.filename}" if err.filename else "")
    return str(err)
