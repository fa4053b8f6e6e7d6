"""The embedded default: a private PostgreSQL under the server's data directory.

It listens only on a Unix socket, in a folder that only its own account and root may enter; that
folder takes the place of a password. The data directory contains ``lock`` (taken by the process
that uses it), ``postgres`` (the database), ``postgres.log`` and ``socket``.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from persistence.embedded.account import Account, EmbeddedPostgresError, account_for
from persistence.embedded.binaries import Binaries, binaries_in, find_binaries, within_reach
from persistence.embedded.data_directory import (
    let_in,
    make_home,
    socket_folder,
    sync_folder,
    take_lock,
)
from persistence.embedded.log import PostgresLog
from persistence.embedded.postmaster import (
    CHECK_INTERVAL_S,
    NO_SUCH_DATABASE,
    PORT,
    SUPERUSER,
    TAKEN,
    WELCOME,
    Postmaster,
    ask,
    signals_held,
)
from persistence.private_files import NotPrivateError, open_private

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "default_data_dir"]

log = logging.getLogger("ayes.postgres")

DATABASE = "ayes"
#: Seconds for a fast shutdown after a failed start; then an immediate one follows.
FAILED_START_TIMEOUT_S = 5.0
#: Free bytes below which a failure is explained by a full disk: one segment of the write-ahead log.
MIN_FREE_BYTES = 16 * 1024 * 1024

#: Settings of every start; they override the database's own files.
ALWAYS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "logging_collector": "off",
}
#: Settings of a new database; its operator may change them in ``postgresql.conf``.
AT_FIRST = {
    "max_connections": "60",
    "shared_buffers": "'128MB'",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_line_prefix": "'%m [%p] '",
    "log_checkpoints": "off",
}


def default_data_dir() -> Path:
    """Return the default data directory: ``/var/lib/ayes`` for root, else under the user's own."""
    if sys.platform != "win32" and os.geteuid() == 0:
        return Path("/var/lib/ayes")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "ayes"
    chosen = os.environ.get("XDG_DATA_HOME", "")
    # The XDG base directory specification ignores a relative path.
    home = Path(chosen) if Path(chosen).is_absolute() else Path.home() / ".local" / "share"
    return home / "ayes"


class EmbeddedPostgres:
    """A PostgreSQL for one server, in ``data_dir``; created at the first ``start``.

    ``settings`` are PostgreSQL's for this run, and override all others: tests switch durability
    off. ``programs`` is a folder with PostgreSQL's programs; without it, they are searched for.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        settings: Mapping[str, str] | None = None,
        programs: Path | None = None,
    ) -> None:
        self._home = Path.cwd() / data_dir
        self._data = self._home / "postgres"
        self._settings = dict(settings or {})
        self._programs = programs
        self.log = PostgresLog(self._home)
        self._lock: int | None = None
        self._postmaster: Postmaster | None = None

    def start(self, *, timeout: float = 60.0) -> str:
        """Start it, or take over the one that a killed server left running; return its URL.

        Blocks for about ``timeout`` seconds at most.

        Raises: EmbeddedPostgresError: it cannot run. No process is left running, and the data is
        unchanged.
        """
        if sys.platform == "win32":
            raise EmbeddedPostgresError(
                "the embedded database does not run on Windows: name one with AYES_DATABASE_URL"
            )
        if self._postmaster is not None:
            return self._url(self._postmaster)
        deadline = time.monotonic() + timeout
        try:
            make_home(self._home)
            self._lock = take_lock(self._home)
            account = account_for(self._data)
            let_in(account, self._home)
            return self._url(self._running(account, deadline))
        except NotPrivateError as err:
            self.stop(timeout=FAILED_START_TIMEOUT_S)
            raise EmbeddedPostgresError(f"{self._cannot} {err}") from err
        except (OSError, subprocess.SubprocessError) as err:
            self.stop(timeout=FAILED_START_TIMEOUT_S)
            raise EmbeddedPostgresError(f"{self._cannot} {_told(err)}{self._space()}") from err
        except BaseException:
            self.stop(timeout=FAILED_START_TIMEOUT_S)
            raise

    def stop(self, *, timeout: float = 30.0) -> None:
        """Shut it down and release the data directory; does nothing if that was done.

        Blocks until it has ended: ``timeout`` seconds for a fast shutdown, then an immediate one,
        which loses no committed data either.
        """
        self._shut_down(timeout)
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def replace_data(self, new: Path, kept: Path, *, timeout: float = 30.0) -> None:
        """Shut it down, move its data to ``kept`` and the data in ``new`` into their place.

        All three are on one file system. No server can start in between: the lock of the data
        directory is released at the end. ``timeout`` is that of ``stop``, in seconds. Raises
        ``EmbeddedPostgresError``, and ``RuntimeError`` if it was not started.
        """
        if self._postmaster is None:
            raise RuntimeError("it was not started")
        self._shut_down(timeout)
        try:
            if Postmaster.find(self._data, socket_folder(self._home, account_for(self._data))):
                raise EmbeddedPostgresError(f"{self._cannot} it did not stop; nothing was changed")
            self._data.rename(kept)
            try:
                new.rename(self._data)
            except OSError:
                kept.rename(self._data)
                raise
            sync_folder(self._home)
        except OSError as err:
            raise EmbeddedPostgresError(f"{self._cannot} {_told(err)}") from err
        finally:
            self.stop()

    def _shut_down(self, timeout: float) -> None:
        postmaster, self._postmaster = self._postmaster, None
        if postmaster is not None and not postmaster.stop(timeout):
            log.error("PostgreSQL (pid %d) did not stop", postmaster.pid)
        if postmaster is not None and postmaster.sockets.parent != self._home:
            with suppress(OSError):
                postmaster.sockets.rmdir()

    def made_by(self) -> int | None:
        """Return the major version of PostgreSQL that made the data; ``None``: there are none.

        Raises ``EmbeddedPostgresError`` if what is there is no database.
        """
        if not self._data.exists():
            return None
        try:
            return int((self._data / "PG_VERSION").read_text())
        except (FileNotFoundError, ValueError):
            raise EmbeddedPostgresError(
                f"{self._cannot} {self._data} is there, but is no PostgreSQL database. Move it "
                "out of the way, or choose another data directory (AYES_DATA_DIR)"
            ) from None

    def runs(self) -> bool:
        """Whether it was started and still runs."""
        return self._postmaster is not None and self._postmaster.runs()

    def revive(self, *, timeout: float = 30.0) -> None:
        """Start it again after it ended by itself; its URL stays the same.

        Blocks for about ``timeout`` seconds at most. Raises ``EmbeddedPostgresError``, and may then
        be called again.
        """
        if self._postmaster is None or self._postmaster.runs():
            return
        try:
            self._running(account_for(self._data), time.monotonic() + timeout)
        except (OSError, subprocess.SubprocessError) as err:
            raise EmbeddedPostgresError(f"{self._cannot} {_told(err)}{self._space()}") from err

    def running_url(self) -> str | None:
        """Return the URL of the process that serves the data already, or ``None``.

        Raises ``EmbeddedPostgresError`` if there is no account or place that it could run with.
        """
        if sys.platform == "win32" or not self._data.exists():
            return None
        sockets = socket_folder(self._home, account_for(self._data))
        running = Postmaster.find(self._data, sockets)
        return self._url(running) if running is not None else None

    @property
    def _cannot(self) -> str:
        return f"the embedded database in {self._home} cannot run:"

    def _url(self, postmaster: Postmaster) -> str:
        return (
            f"postgresql://{SUPERUSER}@/{DATABASE}"
            f"?host={quote(str(postmaster.sockets), safe='/')}&port={PORT}"
        )

    def _running(self, account: Account, deadline: float) -> Postmaster:
        sockets = socket_folder(self._home, account)
        self._postmaster = Postmaster.find(self._data, sockets)
        if self._postmaster is not None:
            log.info("taking over the PostgreSQL that runs already (pid %d)", self._postmaster.pid)
            if self._ready(self._postmaster, deadline):
                return self._postmaster
            if self._postmaster.runs():
                raise EmbeddedPostgresError(
                    f"{self._cannot} the PostgreSQL that runs there already "
                    f"(pid {self._postmaster.pid}) does not answer"
                )
        for leftover in self._home.glob("postgres*-new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        binaries = self._binaries(account)
        if not self._data.exists():
            self._make(binaries, account, deadline)
        return self._launched(binaries, account, sockets, deadline)

    def _binaries(self, account: Account) -> Binaries:
        """Return programs that fit the existing data."""
        made_by = self.made_by()
        binaries = find_binaries(made_by) if self._programs is None else binaries_in(self._programs)
        if made_by is not None and binaries.major != made_by:
            raise EmbeddedPostgresError(
                f"{self._cannot} it was made by PostgreSQL {made_by}, and this is PostgreSQL "
                f"{binaries.version}. Nothing was changed. Run the Ayes it was made with, or "
                f"install PostgreSQL {made_by}, which Ayes finds and uses; ayes upgrade-postgres "
                f"then brings the data to version {binaries.major}"
            )
        return within_reach(binaries, account, self._home)

    def _make(self, binaries: Binaries, account: Account, deadline: float) -> None:
        """Create the database next to its final place, then move it there: it is complete or
        absent.
        """
        log.info("making a database in %s", self._data)
        scratch = Path(tempfile.mkdtemp(prefix="postgres-new-", dir=self._home))
        try:
            account.give(scratch)
            command = [binaries.program("initdb"), "-D", str(scratch), "-U", SUPERUSER]
            command += ["--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions"]
            command += ["--auth-local=trust", "--auth-host=reject"]
            if binaries.major >= 17:
                # Sorts as the C locale does, and knows the case of every letter, on every system.
                command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            if self._settings.get("fsync") == "off":
                command.append("--no-sync")
            status, errors = account.run(command, timeout=max(deadline - time.monotonic(), 1))
            if status != 0:
                raise EmbeddedPostgresError(f"{self._cannot} {errors.strip()}{self._space()}")
            # The account owns the folder by now, so its contents may be links.
            appended = open_private(
                scratch / "postgresql.conf", os.O_WRONLY | os.O_APPEND, owner=account.uid
            )
            with os.fdopen(appended, "a") as conf:
                conf.write("\n# Set by Ayes when it made this database; yours to change.\n")
                conf.writelines(f"{name} = {value}\n" for name, value in AT_FIRST.items())
                conf.flush()
                os.fsync(conf.fileno())
            scratch.rename(self._data)
            sync_folder(self._home)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _launched(
        self, binaries: Binaries, account: Account, sockets: Path, deadline: float
    ) -> Postmaster:
        place = str(sockets).replace('"', '""')
        settings = ALWAYS | {"unix_socket_directories": f'"{place}"'} | self._settings
        written = self.log.open()
        try:
            while True:
                since = os.fstat(written).st_size
                with signals_held():
                    self._postmaster = postmaster = Postmaster.launch(
                        binaries, account, self._data, sockets, settings, written
                    )
                if self._ready(postmaster, deadline):
                    return postmaster
                output = os.pread(written, 100_000, since).decode(errors="replace").strip()
                # The children of a killed postmaster need a moment to notice.
                if "shared memory block" in output and time.monotonic() < deadline:
                    time.sleep(CHECK_INTERVAL_S)  # another process: nothing to await
                    continue
                why = "it ended:" if not postmaster.runs() else "it was not ready in time:"
                raise EmbeddedPostgresError(
                    f"{self._cannot} {why}\n{output[-2_000:] or '(it said nothing)'}{self._space()}"
                )
        finally:
            os.close(written)

    def _ready(self, postmaster: Postmaster, deadline: float) -> bool:
        """Wait until the database answers, and create it if it is missing; return false if it
        ended.
        """
        while postmaster.runs():
            state = ask(postmaster.sockets, DATABASE)
            if state == WELCOME:
                return True
            if state == NO_SUCH_DATABASE:
                made = ask(postmaster.sockets, "postgres", f"CREATE DATABASE {DATABASE}")
                if made == WELCOME or made in TAKEN:
                    return True
            if time.monotonic() > deadline:
                return False
            time.sleep(CHECK_INTERVAL_S)  # another process: nothing to await
        return False

    def _space(self) -> str:
        """Return a remark on the disk if it is (nearly) full."""
        try:
            free = shutil.disk_usage(self._home).free
        except OSError:
            return ""
        return f" (the disk has {free // 1024} KiB left)" if free < MIN_FREE_BYTES else ""


def _told(err: OSError | subprocess.SubprocessError) -> str:
    if isinstance(err, OSError):
        return f"{err.strerror or err}" + (f": {err.filename}" if err.filename else "")
    return str(err)
