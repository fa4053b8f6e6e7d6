"""The server under test: its own process, its own PostgreSQL, a temporary data directory."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt

from benchmarks.machine import CpuMeter
from persistence.embedded.postmaster import SUPERUSER

HOST = "127.0.0.1"
#: A first start makes a database cluster; the deadline is for a slow disk.
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0

#: Limits against strangers are lifted, since the work is measured, not the limits. Limits of memory
#: stay, far above the needs of these loads.
SETTINGS = {
    "AYES_HOST": HOST,
    "AYES_COMMANDS_PER_SECOND": "1000000",
    "AYES_COMMANDS_BURST": "1000000",
    "AYES_INFLIGHT": "1024",
    "AYES_CONNECTIONS_PER_USER": "1000",
    # Each voter votes over and over, for a hundred.
    "AYES_CHURN_MEMBERSHIP": "0",
    "AYES_CHURN_VOTES": "0",
    "AYES_CHURN_COMMENTS": "0",
    "AYES_USER_BYTES_PER_DAY": "0",
}


class StartError(RuntimeError):
    """The server did not become ready; the message ends with its output."""


@dataclass(frozen=True)
class PostgresAddress:
    """The address of the PostgreSQL that the server runs."""

    host: str
    port: int
    pid: int

    def url(self, database: str) -> str:
        """A libpq URL."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self.host}&port={self.port}"

    @classmethod
    def under(cls, directory: Path) -> PostgresAddress:
        """Read from the ``postmaster.pid`` below ``directory``; its lines are PostgreSQL's."""
        [found] = directory.rglob("postmaster.pid")
        lines = found.read_text().splitlines()
        return cls(pid=int(lines[0]), port=int(lines[3]), host=lines[4] or lines[5])


@dataclass(frozen=True)
class ServerProcess:
    """A running server."""

    port: int
    secret: str
    pid: int
    postgres: PostgresAddress
    ready_after: float
    log: Path

    def token(self, user: str) -> str:
        """A token for ``user``, good for a day."""
        claims = {"sub": user, "name": user, "aud": "ayes", "exp": int(time.time()) + 86_400}
        return jwt.encode(claims, self.secret, algorithm="HS256")

    def meter(self) -> CpuMeter:
        """Reads the processor time of this server."""
        return CpuMeter(self.pid, self.postgres.pid)


@asynccontextmanager
async def running(**settings: str) -> AsyncIterator[ServerProcess]:
    """A server on a free port with an empty database; both are gone afterwards.

    ``settings`` are further environment variables. Raises ``StartError``.
    """
    directory = _directory()
    data, log = directory / "data", directory / "server.log"
    port, secret = _free_port(), secrets.token_urlsafe(48)
    environment = {name: value for name, value in os.environ.items() if name[:5] != "AYES_"}
    environment |= SETTINGS | settings
    environment |= {
        "AYES_DATA_DIR": str(data),
        "AYES_PORT": str(port),
        "AYES_AUTH_SECRET": secret,
    }
    started = time.monotonic()
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "server.cli", "serve"),
            env=environment,
            cwd=Path(__file__).parent.parent,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        await _until_ready(process, port, log)
        yield ServerProcess(
            port=port,
            secret=secret,
            pid=process.pid,
            postgres=PostgresAddress.under(data),
            ready_after=time.monotonic() - started,
            log=log,
        )
    finally:
        await _stop(process, data)
        shutil.rmtree(directory, ignore_errors=True)


async def _until_ready(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.returncode is not None:
            raise StartError(f"the server ended with {process.returncode}:\n{_tail(log)}")
        if await _is_ready(port):
            return
        await asyncio.sleep(0.05)
    raise StartError(f"the server was not ready in {START_TIMEOUT_S:.0f} s:\n{_tail(log)}")


async def _is_ready(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    try:
        writer.write(
            b"GET /readyz HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % HOST.encode()
        )
        status = await asyncio.wait_for(reader.readline(), 5.0)
        return status.split()[1:2] == [b"200"]
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()


async def _stop(process: asyncio.subprocess.Process, data: Path) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
    for _ in range(int(STOP_TIMEOUT_S)):
        if not _stop_postgres(data):
            return
        await asyncio.sleep(1)


def _stop_postgres(data: Path) -> bool:
    """Stop a PostgreSQL that outlived its server; return whether there was one."""
    try:
        os.kill(PostgresAddress.under(data).pid, signal.SIGQUIT)
    except (ValueError, ProcessLookupError):
        return False
    return True


def _directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="ayes-bench-"))
    # As root the server runs PostgreSQL as another user, who must be able to enter.
    directory.chmod(0o711)
    return directory


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _tail(log: Path, lines: int = 40) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
