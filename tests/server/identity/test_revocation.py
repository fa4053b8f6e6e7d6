"""Revocations: on every node, for every way of access, and only for tokens before their time."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from handlers.step import Actor
from persistence.database.pool import Database
from persistence.queries import revocations
from persistence.queries.revocations import revoke
from server.identity.auth import LEEWAY, Authenticator, Identity
from server.identity.revocations import Revocations, Revoked
from tests.promises.running import AUDIENCE, SECRET, Running, running, token
from tests.promises.scenes import fresh, gathering
from tests.server.issuing import until

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def nodes(migrated_url: str) -> AsyncIterator[list[Running]]:
    """Two nodes on one database."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(migrated_url)) for _ in range(2)]


@pytest.fixture
def user() -> str:
    """A user of this test alone."""
    return fresh("user")


def made(user: str, ago: timedelta = timedelta()) -> str:
    """A token that was made some time ago."""
    auth = Authenticator(SECRET, audience=AUDIENCE, clock=lambda: datetime.now(UTC) - ago)
    return auth.make(user, None, 2 * HOUR)


async def refused(server: Running, token: str) -> int:
    """The close code after a hello with ``token``."""
    client = await server.open()
    answer = await client.hello(token)
    assert (answer["type"], answer["code"]) == ("error", "unauthenticated"), answer
    return await client.gone()


async def http_status(server: Running, token: str) -> int:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        answer = await client.get("/v1/events", headers={"authorization": f"Bearer {token}"})
    return answer.status_code


async def test_a_revocation_closes_the_user_s_sockets_on_every_node(
    nodes: list[Running], user: str
) -> None:
    sockets = [await node.connect(user) for node in nodes for _ in range(2)]
    others = [await node.connect("bob") for node in nodes]
    old = token(user)
    await revoke(nodes[0].node.database, user)
    async with asyncio.timeout(30):
        assert [await socket.gone() for socket in sockets] == [4503] * 4
    for node in nodes:
        assert await refused(node, old) == 4503
        assert await http_status(node, old) == 401
        # A clearly later token is valid, and so is one within the tolerance for wrong clocks.
        later = made(user, ago=-LEEWAY - MINUTE)
        assert (await (await node.open(user)).hello(later))["type"] == "welcome"
        assert await http_status(node, later) == 200
        assert await http_status(node, token(user)) == 401
    for other in others:
        assert (await other.request({"type": "ping", "ref": "p"}))["type"] == "pong"


async def test_only_tokens_from_before_the_moment_are_refused(
    nodes: list[Running], user: str
) -> None:
    server = nodes[0]
    moment = datetime.now(UTC) - HOUR
    older, newer = made(user, ago=HOUR + HOUR / 2), made(user, ago=HOUR / 2)
    on_older, on_newer = await server.open(user), await server.open(user)
    await on_older.hello(older)
    await on_newer.hello(newer)
    await revoke(server.node.database, user, moment)
    assert await on_older.gone() == 4503
    assert await refused(server, older) == 4503
    assert (await on_newer.request({"type": "ping", "ref": "p"}))["type"] == "pong"


async def test_a_token_that_does_not_say_when_it_was_made_is_old(
    nodes: list[Running], user: str
) -> None:
    import jwt

    claims = {"sub": user, "aud": AUDIENCE, "exp": datetime.now(UTC) + HOUR}
    timeless = jwt.encode(claims, SECRET)
    server = nodes[0]
    client = await server.open(user)
    assert (await client.hello(timeless))["type"] == "welcome"
    await revoke(server.node.database, user, datetime.now(UTC) - HOUR)
    assert await client.gone() == 4503
    assert await refused(server, timeless) == 4503


async def test_a_socket_that_renewed_its_token_stays(nodes: list[Running], user: str) -> None:
    server = nodes[0]
    client = await server.open(user)
    await client.hello(made(user, ago=HOUR))
    moment = datetime.now(UTC) - HOUR / 2
    renewed = await client.request({"type": "auth", "ref": "a", "token": made(user)})
    assert renewed["type"] == "authenticated"
    await revoke(server.node.database, user, moment)
    await server.node.revocations.look()
    assert (await client.request({"type": "ping", "ref": "p"}))["type"] == "pong"
    # A revoked token renews nothing, and does not close the socket that has a valid one.
    old = made(user, ago=HOUR)
    answer = await client.request({"type": "auth", "ref": "b", "token": old})
    assert (answer["type"], answer["code"]) == ("error", "unauthenticated")
    assert (await client.request({"type": "ping", "ref": "q"}))["type"] == "pong"


async def test_a_node_that_starts_knows_what_was_revoked(migrated_url: str, user: str) -> None:
    old = token(user)
    database = Database(migrated_url, connections=2)
    await database.open()
    await revoke(database, user)
    await database.close()
    async with running(migrated_url) as server:
        assert await refused(server, old) == 4503


async def locked(url: str, event: str) -> asyncpg.Connection[Any]:
    """Holds the lock of ``event``."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url)
    await connection.execute("BEGIN")
    await connection.execute("SELECT FROM events WHERE id = $1 FOR NO KEY UPDATE", event)
    return connection


async def test_a_command_that_waited_for_its_lock_is_not_decided(
    nodes: list[Running], migrated_url: str
) -> None:
    server = nodes[0]
    scene = await gathering(server)
    user = scene.admin.user
    over_http = token(user)
    connection = await locked(migrated_url, scene.event)
    await scene.admin.post("event.pause", id="revoked-01", event=scene.event)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
        body = {"type": "event.pause", "id": "revoked-02", "event": scene.event}
        headers = {"authorization": f"Bearer {over_http}"}
        posted = asyncio.create_task(client.post("/v1/commands", json=body, headers=headers))
        lanes = server.node.lanes
        for key in ((user, "revoked-01"), (user, "revoked-02")):
            await until(functools.partial(lanes.pending, scene.event, [key]))
        await revoke(server.node.database, user)
        await server.node.revocations.look()
        assert await scene.admin.gone() == 4503
        await connection.execute("ROLLBACK")
        await connection.close()
        answer = await posted
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    again = await server.open(user)
    await again.hello(made(user, ago=-LEEWAY - MINUTE))
    status = await again.ask("command.status", event=scene.event, ids=["revoked-01", "revoked-02"])
    assert [command["state"] for command in status["commands"]] == ["absent", "absent"]
    ack = await again.ack("event.pause", id="revoked-01", event=scene.event)
    assert (ack["applied"], ack["replayed"]) == (True, False)


async def test_a_stream_ends(nodes: list[Running]) -> None:
    server = nodes[0]
    scene = await gathering(server)
    user = scene.admin.user
    headers = {"authorization": f"Bearer {token(user)}"}
    url = f"http://127.0.0.1:{server.port}/v1/events/{scene.event}/stream"
    async with (
        httpx.AsyncClient(timeout=10) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        lines = answer.aiter_lines()
        assert await anext(lines) == "event: snapshot"
        await revoke(server.node.database, user)
        async with asyncio.timeout(30):
            async for _ in lines:
                pass


# The table


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    found = Database(migrated_url, connections=3)
    await found.open()
    yield found
    await found.close()


async def test_a_revocation_never_goes_back(database: Database, user: str) -> None:
    now = datetime.now(UTC)
    assert await revoke(database, user, now) == now
    assert await revoke(database, user, now - HOUR) == now
    assert await revoke(database, user, now + HOUR) == now + HOUR


async def test_a_slow_transaction_is_not_skipped(database: Database) -> None:
    """Its row has an earlier position than one that every node has read already."""
    heard: list[str] = []
    known = Revocations(database, heard.append)
    await known.look()
    heard.clear()
    slow_one, quick_one, last_one = fresh("slow"), fresh("quick"), fresh("last")
    async with database.connection() as slow:
        await slow.execute("BEGIN")
        await slow.execute("INSERT INTO revocations VALUES ($1, now())", slow_one)
        await revoke(database, quick_one)
        await known.look()
        assert heard == [quick_one]
        await revoke(database, last_one)
        await known.look()
        await slow.execute("COMMIT")
    await known.look()
    await known.look()
    assert heard == [quick_one, last_one, slow_one]
    everything = await revocations.changed(database)
    rest = await revocations.changed(database, everything.cursor)
    assert set(heard) <= everything.before.keys()
    assert rest.before == {}


async def test_rows_deleted_by_hand_are_noticed_in_time(
    database: Database, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.identity.revocations.POLLS_PER_FULL_READ", 3)
    known = Revocations(database, lambda user: None)
    await revoke(database, user)
    await known.look()
    identity = Identity(Actor(user, "Ada"), datetime.now(UTC) + HOUR)
    with pytest.raises(Revoked):
        known.check(identity)
    async with database.connection() as connection:
        await connection.execute("DELETE FROM revocations")
    for _ in range(3):
        await known.look()
    known.check(identity)


async def test_a_database_out_of_reach_is_asked_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("server.identity.revocations.REVOCATION_INTERVAL_S", 0.02)
    heard = asyncio.Event()
    known = Revocations(database, lambda user: heard.set())
    await known.start()
    failed = asyncio.Event()
    read = revocations.changed

    async def out_of_reach(*_: Any) -> Any:
        failed.set()
        raise ConnectionResetError

    monkeypatch.setattr("server.identity.revocations.revocations.changed", out_of_reach)
    async with asyncio.timeout(30):
        await failed.wait()
    await revoke(database, fresh("ada"))
    monkeypatch.setattr("server.identity.revocations.revocations.changed", read)
    async with asyncio.timeout(30):
        await heard.wait()
    await known.stop()
    assert caplog.text == ""


async def test_looking_costs_no_scan(database_url: str) -> None:
    """Every node checks every second."""
    database = Database(database_url, connections=2)
    await database.open()
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO revocations SELECT 'u' || n, now() FROM generate_series(1, 5000) AS n"
        )
        cursor = (await revocations.changed(database)).cursor
        sql = revocations._CHANGED.sql.replace("$1", str(cursor))
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}"))
    await database.close()
    assert "revocations_changed_idx" in plan
    assert "Seq Scan" not in plan
