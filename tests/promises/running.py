"""Running servers: in this process, on the test's own loop; or in one that can be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvicorn.server

from persistence.database.pool import Database
from server import process
from server.bus.port import Bus
from server.config.settings import Settings
from server.identity.auth import Authenticator
from server.node import Node
from server.sessions import open_sockets
from tests.parts import LOOK_INTERVAL_S
from tests.promises.client import Client

SECRET = "a secret of the tests: with sixty-four bytes and more, enough for HS512 too"
AUDIENCE = "ayes"
ROOT = Path(__file__).parents[2]
#: Connections to PostgreSQL of one server under test; several share one PostgreSQL.
CONNECTIONS = 4

#: Seconds until a process serves: most of a starved machine's are for importing.
START_TIMEOUT_S = 90.0

#: Tests do in a second what people do in hours; ``test_churn.py`` starts servers with the defaults.
LIFTED: dict[str, int] = {"churn_membership": 0, "churn_votes": 0, "churn_comments": 0}

auth = Authenticator(SECRET, audience=AUDIENCE)


def token(user: str, *, name: str | None = None, seconds: float = 3_600) -> str:
    """A token for ``user``."""
    return auth.make(user, name, timedelta(seconds=seconds))


class _LooksOften:
    """``asyncio`` for uvicorn, which looks every 0.1 s whether its connections are closed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, delay: float) -> None:
        """Sleep, but not long."""
        await asyncio.sleep(min(delay, LOOK_INTERVAL_S))


@contextmanager
def _without_delay() -> Iterator[None]:
    """Let servers end at once, whose end no test looks at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", _LooksOften())
        # No client needs to be spared a crowd.
        patch.setattr(open_sockets, "DEPARTURE_SHARE", 0)
        yield


class Address:
    """A server's address, and its clients."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.clients: list[Client] = []

    @property
    def url(self) -> str:
        """The socket's address."""
        return f"ws://127.0.0.1:{self.port}/v1/socket"

    @property
    def base(self) -> str:
        """The page's address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    async def open(self, user: str = "", **options: Any) -> Client:
        """A socket that has sent nothing."""
        client = await Client.open(self.url, user, **options)
        self.clients.append(client)
        return client

    async def connect(
        self, user: str, *, name: str | None = None, resume: Sequence[Any] = (), **options: Any
    ) -> Client:
        """A socket that has said hello."""
        client = await self.open(user, **options)
        answer = await client.hello(token(user, name=name), resume=list(resume))
        assert answer["type"] == "welcome", answer
        return client

    async def leave(self) -> None:
        """Close every client, and check for broken promises."""
        await asyncio.gather(*(client.leave() for client in self.clients))
        violations = [what for client in self.clients for what in client.violations]
        assert not violations, violations


class Running(Address):
    """A server in this process."""

    def __init__(self, node: Node, port: int) -> None:
        super().__init__(port)
        self.node = node
        self.stop_listening: Any = None

    async def drain(self) -> None:
        """Drain the server, as a SIGTERM does."""
        await self.stop_listening()


def settings_for(database_url: str, **changes: Any) -> Settings:
    """Settings of a server under test."""
    settings = Settings(
        port=0,
        database_url=database_url,
        database_connections=CONNECTIONS,
        auth_secret=SECRET,
        auth_audience=AUDIENCE,
        drain_seconds=5,
    )
    return msgspec.structs.replace(settings, **LIFTED | changes)


@asynccontextmanager
async def running(
    database_url: str,
    *,
    database: Database | None = None,
    authenticator: Authenticator = auth,
    bus: Bus | None = None,
    **changes: Any,
) -> AsyncIterator[Running]:
    """A server on a free port and this loop, on an existing schema; stopped at the end."""
    settings = settings_for(database_url, **changes)
    node = Node(
        settings,
        database or Database(database_url, connections=settings.database_connections),
        authenticator,
        bus,
    )
    listener = process.listen(settings)
    config = process._config(settings, node)
    config.load()
    server = process.Server(config, node)
    server.lifespan = config.lifespan_class(config)
    stopped = False

    async def stop() -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            await server.shutdown(sockets=[listener])

    await node.start()
    try:
        await server.startup(sockets=[listener])
        found = Running(node, listener.getsockname()[1])
        found.stop_listening = stop
        try:
            yield found
        finally:
            with _without_delay():
                await stop()
        await found.leave()
    finally:
        await node.stop()
        listener.close()


class Killable(Address):
    """A server in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        super().__init__(port)
        self.process = process
        self.log: list[str] = []

    async def kill(self) -> None:
        """Send SIGKILL."""
        self.process.kill()
        await self.process.wait()

    async def terminate(self) -> int:
        """Send SIGTERM; return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return await self.process.wait()


@asynccontextmanager
async def killable(
    database_url: str, data_dir: Path, *, port: int = 0, **changes: Any
) -> AsyncIterator[Killable]:
    """``ayes serve`` in a process of its own; killed at the end if it still runs."""
    environment = os.environ | {
        "AYES_DATABASE_URL": database_url,
        "AYES_DATABASE_CONNECTIONS": str(CONNECTIONS),
        "AYES_DATA_DIR": str(data_dir),
        "AYES_AUTH_SECRET": SECRET,
        "AYES_AUTH_AUDIENCE": AUDIENCE,
        "AYES_PORT": str(port),
        **{f"AYES_{name.upper()}": str(value) for name, value in (LIFTED | changes).items()},
    }
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", "serve"),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    found = Killable(child, port)
    reading = asyncio.create_task(_read_log(child.stderr, found.log))
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            ready = (await child.stdout.readline()).decode()
        assert ready.startswith("ayes is ready"), (ready, found.log)
        found.port = int(ready.rsplit(":", 1)[1])
        yield found
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
        await reading
        # Read the rest of the pipe, so that its transport closes while the loop still runs.
        await child.stdout.read()


async def _read_log(stream: asyncio.StreamReader, log: list[str]) -> None:
    while line := await stream.readline():
        log.append(line.decode(errors="replace").rstrip())
