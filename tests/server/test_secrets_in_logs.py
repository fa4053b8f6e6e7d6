"""1,000 tokens on every way into a server that logs everything: no log contains one."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from websockets.asyncio.client import connect

from persistence.queries.revocations import revoke
from server.config import loading
from server.identity.auth import Authenticator
from server.transport.budgets import _drop, _is_warning
from tests.promises.running import AUDIENCE, SECRET, Address, Running, auth, killable, token
from tests.promises.scenes import fresh

CANARIES = 1_000
#: Loggers of every library that is used here.
NAMES = (
    *("", "ayes", "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "websockets"),
    *("websockets.server", "websockets.protocol", "asyncpg", "asyncio", "sqlalchemy", "alembic"),
    *("starlette", "urllib3", "jwt", "concurrent.futures"),
)
#: The test's own client is in this process too.
CLIENTS = ("websockets.client", "httpx", "httpcore")


class _Everything(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record) + repr(record.args))


@contextmanager
def everything() -> Iterator[_Everything]:
    """All loggers, at their lowest level."""
    handler = _Everything()
    known = [name for name in logging.root.manager.loggerDict if not name.startswith(CLIENTS)]
    loggers = [logging.getLogger(name or None) for name in {*NAMES, *known}]
    before = [(each, each.level, each.propagate, each.disabled) for each in loggers]
    clients = [logging.getLogger(name) for name in CLIENTS]
    for each in loggers:
        each.setLevel(1)
        each.propagate, each.disabled = False, False
        each.addHandler(handler)
    for each in clients:
        each.propagate = False
    try:
        yield handler
    finally:
        for each, level, propagate, disabled in before:
            each.setLevel(level)
            each.propagate, each.disabled = propagate, disabled
            each.removeHandler(handler)
        for each in clients:
            each.propagate = True


class Canaries:
    """Makes unique tokens."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self._numbers = itertools.count()

    def next(self, user: str = "") -> str:
        """The next token: valid, expired, of another issuer, forged, or missing."""
        mark = secrets.token_hex(12)
        hour = timedelta(hours=1)
        number = next(self._numbers)
        found = [
            lambda: auth.make(user or mark, mark, hour),
            lambda: auth.make(user or mark, mark, -hour),
            lambda: Authenticator(SECRET, audience="others").make(mark, mark, hour),
            lambda: auth.make(user or mark, mark, hour)[:-6] + "AAAAAA",
            lambda: jwt.encode({"sub": mark, "name": mark}, SECRET * 2, "HS512"),
            lambda: f"canary-{mark}-{mark}",
        ][number % 6]()
        self.made.append(found)
        return found

    def token(self) -> str:
        """The next text in a token's form. A host's name may be in the log."""
        self.made.append(auth.make(secrets.token_hex(12), "Ada", timedelta(hours=1)))
        return self.made[-1]

    def seen(self, lines: list[str]) -> list[str]:
        """Tokens that the log contains, in whole or in part: a payload, a signature."""
        log = "\n".join(lines)
        parts = {
            part for token in self.made for part in (token, *token.split(".")[1:]) if len(part) > 8
        }
        return [part for part in parts if part in log]


@asynccontextmanager
async def upgrade(server: Address, query: str = "", **options: Any) -> AsyncIterator[Any]:
    async with connect(server.url + query, proxy=None, compression=None, **options) as socket:
        yield socket


async def on_sockets(server: Address, canaries: Canaries) -> None:
    """Tokens in all places of an upgrade and of the messages after it."""
    hello = json.dumps({"type": "hello", "token": canaries.next()})
    async with upgrade(server, subprotocols=["ayes.v1"]) as socket:
        await socket.send(hello)
        await socket.recv()
    async with upgrade(
        server,
        f"?token={canaries.next()}&access_token={canaries.next()}",
        additional_headers={"Authorization": f"Bearer {canaries.next()}"},
    ) as socket:
        await socket.send(json.dumps({"type": "hello"}))
        await socket.recv()
    async with upgrade(server, subprotocols=["ayes.v1", f"bearer.{canaries.next()}"]) as socket:
        # Broken, of an unknown kind, in a wrong place, twice, in a binary frame
        await socket.send('{"type":"hello","token":"' + canaries.next())
        await socket.recv()
    async with upgrade(server) as socket:
        await socket.send(json.dumps({"type": canaries.next(), "id": canaries.next()}))
        await socket.recv()
    async with upgrade(server, origin=f"https://{canaries.token()}.example") as socket:
        await socket.wait_closed()
    async with upgrade(server) as socket:
        await socket.send(json.dumps([{"type": "hello", "token": [canaries.next()]}]))
        await socket.recv()


async def renewing(server: Address, canaries: Canaries, user: str, times: int) -> None:
    """Tokens on an open socket, valid ones among them."""
    async with upgrade(server) as socket:
        await socket.send(json.dumps({"type": "hello", "token": token(user)}))
        assert json.loads(await socket.recv())["type"] == "welcome"
        for number in range(times):
            message = {"type": "auth", "token": canaries.next(user), "ref": number}
            await socket.send(json.dumps(message))
            await socket.recv()
        await socket.send(canaries.next().encode())
        await socket.recv()
        await socket.send(json.dumps({"type": "hello", "token": canaries.next()}))
        await socket.recv()


async def over_http(client: httpx.AsyncClient, canaries: Canaries) -> None:
    """Tokens in all places of a request."""
    bearer = {"authorization": f"Bearer {canaries.next()}"}
    await client.get("/v1/events", headers=bearer)
    await client.get(f"/v1/events/{canaries.next()}", headers=bearer)
    await client.get("/v1/events", params={"token": canaries.next(), "after": canaries.next()})
    await client.get(f"/{canaries.next()}", headers={"authorization": canaries.next()})
    body = {"type": "event.create", "token": canaries.next(), "id": canaries.next()}
    await client.post("/v1/commands", json=body, headers=bearer)
    await client.post(f"/v1/commands?token={canaries.next()}", content=canaries.next())


async def use(server: Address, canaries: Canaries, most: int) -> None:
    """Use every way, until ``most`` tokens were used."""
    base = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(base_url=base, timeout=20) as client:
        while len(canaries.made) < most:
            await asyncio.gather(
                on_sockets(server, canaries),
                renewing(server, canaries, fresh("canary"), 12),
                over_http(client, canaries),
                over_http(client, canaries),
            )


async def raw(server: Address, canaries: Canaries) -> None:
    """Requests that no client library sends."""
    for request in (
        "GET /v1/socket?token={0} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {0}\r\n"
        "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET {0} HTTP/9.9\r\nAuthorization Bearer {0}\r\n\r\n",
        "{0}\r\n\r\n",
        "POST /v1/commands HTTP/1.1\r\nHost: x\r\nContent-Length: {0}\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request.format(canaries.next()).encode())
        await reader.read(65_536)
        writer.close()


async def test_no_token_and_no_secret_is_in_a_log(server: Running) -> None:
    canaries = Canaries()
    with everything() as log:
        await use(server, canaries, CANARIES)
        await raw(server, canaries)
        # If a revocation closes a socket, that is logged without its token.
        user = fresh("revoked")
        client = await server.open(user)
        canaries.made.append(token(user))
        await client.hello(canaries.made[-1])
        await revoke(server.node.database, user)
        assert await client.gone() == 4503
    assert len(canaries.made) >= CANARIES
    assert canaries.seen(log.lines) == []
    assert not [line for line in log.lines if SECRET in line]
    assert any("access revoked: 1 sockets" in line for line in log.lines)


async def test_this_test_sees_what_it_looks_for(server: Running) -> None:
    """Without the filters, uvicorn's and websockets' own lines contain nearly every token."""
    logging.getLogger("uvicorn.error").removeFilter(_is_warning)
    logging.getLogger("uvicorn.access").removeFilter(_drop)
    canaries = Canaries()
    try:
        with everything() as log:
            await use(server, canaries, 100)
    finally:
        logging.getLogger("uvicorn.error").addFilter(_is_warning)
        logging.getLogger("uvicorn.access").addFilter(_drop)
    assert len(canaries.seen(log.lines)) > 20


async def test_a_process_at_debug_logs_none_either(database_url: str, tmp_path: Path) -> None:
    canaries = Canaries()
    async with killable(database_url, tmp_path, log_level="debug") as server:
        await use(server, canaries, 100)
        await raw(server, canaries)
        assert await server.terminate() == 0
    assert canaries.seen(server.log) == []
    assert not [line for line in server.log if SECRET in line]


def test_settings_are_printed_with_their_secrets_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AYES_AUTH_SECRET", SECRET)
    monkeypatch.setenv("AYES_AUTH_AUDIENCE", AUDIENCE)
    monkeypatch.setenv("AYES_DATABASE_URL", "postgresql://ayes:canary-password@localhost/ayes")
    shown = repr(loading.printable(loading.load()))
    assert SECRET not in shown
    assert "canary-password" not in shown
