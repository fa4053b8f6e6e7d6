"""A PostgreSQL process: find it, start it, query it, stop it."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from persistence.embedded.account import Account
from persistence.embedded.binaries import Binaries

#: Seconds between two checks of a condition that has no event to wait for; short, so that a start
#: is not delayed.
CHECK_INTERVAL_S = 0.02
#: Seconds for one query to a running server; then it counts as not answering.
QUERY_TIMEOUT_S = 5.0
#: Seconds for an immediate shutdown, after a fast one did not end in time; then stopping fails.
IMMEDIATE_SHUTDOWN_TIMEOUT_S = 10.0
#: PostgreSQL's name for the socket's file; it includes the port, which has no other use here.
SOCKET_NAME = ".s.PGSQL.5432"
PORT = 5432
SUPERUSER = "ayes"

WELCOME = "00000"
NO_SUCH_DATABASE = "3D000"
TAKEN = ("42P04", "23505")
"""The database exists already, or another process created it at the same moment."""


class Postmaster:
    """The first process of a PostgreSQL that serves the data in ``data``."""

    def __init__(
        self, pid: int, data: Path, sockets: Path, child: subprocess.Popen[Any] | None = None
    ) -> None:
        self.pid = pid
        self.sockets = sockets
        self._data = data
        self._child = child

    @classmethod
    def find(cls, data: Path, sockets: Path) -> Postmaster | None:
        """Return the process that serves ``data``; ``sockets`` if its own file does not name the
        folder.
        """
        try:
            lines = (data / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return None
        if not serves(pid, data):
            return None
        directory = lines[4].strip() if len(lines) > 4 else ""
        return cls(pid, data, Path(directory) if directory else sockets)

    @classmethod
    def launch(
        cls,
        binaries: Binaries,
        account: Account,
        data: Path,
        sockets: Path,
        settings: Mapping[str, str],
        log: int,
    ) -> Postmaster:
        """Start one; it writes to the descriptor ``log``, and does not answer yet."""
        _forget(data, sockets)
        command = [binaries.program("postgres"), "-D", str(data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        child = account.spawn(command, stdout=log, stderr=log)
        return cls(child.pid, data, sockets, child)

    def runs(self) -> bool:
        """Whether the process is still there."""
        if self._child is not None:
            return self._child.poll() is None
        return serves(self.pid, self._data)

    def stop(self, timeout: float) -> bool:
        """Shut down fast, then immediately after ``timeout`` seconds; return whether it has ended.

        Both keep everything that was committed.
        """
        for number, patience in (
            (signal.SIGINT, timeout),
            (signal.SIGQUIT, IMMEDIATE_SHUTDOWN_TIMEOUT_S),
        ):
            if not self.runs():
                return True
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            deadline = time.monotonic() + patience
            while self.runs() and time.monotonic() < deadline:
                time.sleep(CHECK_INTERVAL_S)
        return not self.runs()


def serves(pid: int, data: Path) -> bool:
    """Whether ``pid`` is a PostgreSQL that serves ``data``; its number may have been reused."""
    if Path("/proc/self/cwd").exists():
        try:
            # A postmaster works in its data directory; a zombie has none.
            return Path(f"/proc/{pid}/cwd").samefile(data)
        except OSError:
            return False
    asked = subprocess.run(
        ["ps", "-p", str(pid), "-o", "command="],
        capture_output=True,
        text=True,
        timeout=QUERY_TIMEOUT_S,
    )
    return "postgres" in asked.stdout and str(data) in asked.stdout


def _forget(data: Path, sockets: Path) -> None:
    """Remove the files that a dead postmaster left behind.

    PostgreSQL would refuse to start if another process reused its number. It still detects leftover
    children by its shared memory.
    """
    for leftover in (
        data / "postmaster.pid",
        sockets / SOCKET_NAME,
        sockets / f"{SOCKET_NAME}.lock",
    ):
        leftover.unlink(missing_ok=True)


def ask(sockets: Path, database: str, statement: str | None = None) -> str | None:
    """Log in to ``database`` and run ``statement``, if any; return the resulting SQLSTATE.

    Returns ``None`` if no server answers. It exchanges a few messages of PostgreSQL's protocol 3.0
    (manual: "Frontend/Backend Protocol"), so that a start needs no driver.
    """
    startup = struct.pack("!I", 196_608) + f"user\0{SUPERUSER}\0database\0{database}\0\0".encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(QUERY_TIMEOUT_S)
        try:
            link.connect(str(sockets / SOCKET_NAME))
            link.sendall(struct.pack("!I", len(startup) + 4) + startup)
            state = _answer(link)
            if state == WELCOME and statement is not None:
                query = statement.encode() + b"\0"
                link.sendall(b"Q" + struct.pack("!I", len(query) + 4) + query)
                state = _answer(link)
            if state == WELCOME:
                link.sendall(b"X" + struct.pack("!I", 4))
        except OSError:
            return None
    return state


def _answer(link: socket.socket) -> str | None:
    """Read up to ReadyForQuery or an error; return its SQLSTATE, or ``WELCOME``."""
    state = WELCOME
    with link.makefile("rb") as stream:
        while len(head := stream.read(5)) == 5:
            kind, length = struct.unpack("!cI", head)
            body = stream.read(length - 4)
            if kind == b"E":
                fields = {field[:1]: field[1:] for field in body.split(b"\0")}
                state = fields.get(b"C", b"XX000").decode()
            if kind == b"Z":
                return state
    return None if state == WELCOME else state


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold signals back from the start of a process until its number is known."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
