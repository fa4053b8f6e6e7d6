"""A PgBouncer between a node and its PostgreSQL, set up as ``docs/scaling.md`` says."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from urllib.parse import urlsplit

from tests.campaign.equipment import program
from tests.parts import free_port

#: Longest that PgBouncer may take until it listens, and until it has ended.
START_SECONDS = 20.0
LOOK_SECONDS = 0.02

_CONFIGURATION = """
[databases]
{database} = host={host} port={far} dbname={database} user={user}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
server_reset_query = DISCARD ALL
default_pool_size = 20
server_connect_timeout = 5
server_login_retry = 1
query_wait_timeout = 10
log_connections = 0
log_disconnections = 0
{account}
"""


class Pooler:
    """A pooler before the database at ``url``, in PgBouncer's ``mode``."""

    def __init__(self, url: str, folder: Path, mode: str = "session") -> None:
        self._mode = mode
        self._far = urlsplit(url)
        self.port = free_port()
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """The database's address through it."""
        user, path = self._far.username or "ayes", self._far.path
        return f"postgresql://{user}@127.0.0.1:{self.port}{path}?sslmode=disable"

    async def begin(self) -> None:
        """Start it, and wait until it listens."""
        self._folder.mkdir(exist_ok=True)
        self._folder.chmod(0o755)
        path = self._folder / "pgbouncer.ini"
        # PgBouncer refuses to run as root, as PostgreSQL does.
        account = "user = nobody" if os.geteuid() == 0 else ""
        path.write_text(
            _CONFIGURATION.format(
                database=self._far.path.removeprefix("/"),
                host=self._far.hostname,
                far=self._far.port,
                user=self._far.username or "ayes",
                port=self.port,
                mode=self._mode,
                account=account,
            )
        )
        path.chmod(0o644)
        self._process = await asyncio.create_subprocess_exec(
            *(program("pgbouncer"), "--quiet", str(path)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(START_SECONDS):
            while not await self._listens():
                await asyncio.sleep(LOOK_SECONDS)

    async def _listens(self) -> bool:
        assert self._process is not None
        if self._process.returncode is not None:
            raise OSError(f"pgbouncer ended with {self._process.returncode}")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    async def end(self) -> None:
        """End it at once."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
