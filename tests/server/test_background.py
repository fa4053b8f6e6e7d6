"""If the database refuses a statement of the background work, that is logged and counted."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import httpx
import pytest

from persistence.database.failures import Kind
from tests.parts import database
from tests.promises.running import Running, running
from tests.promises.scenes import gathering

Do = Callable[[Running, str], Awaitable[object]]


async def _fill(server: Running, event: str) -> None:
    rooms = server.node.rooms
    await rooms.filler.fill_from_journal(rooms.by_event[event])


#: Work, the table that it needs, and a call that does it once.
WORK: dict[str, tuple[str, Do]] = {
    "timers": ("proposals", lambda server, _: server.node._timers.task.once()),
    "pruning": ("journal", lambda server, _: server.node.pruning.task.once()),
    "revocations": ("revocations", lambda server, _: server.node.revocations.task.once()),
    "room sweep": ("events", lambda server, _: server.node.rooms.sweeper.once()),
    "room fill": ("events", _fill),
}


@pytest.fixture
async def alone(postgres_url: str, template: str) -> AsyncIterator[Running]:
    """A server on a database of its own."""
    with database(postgres_url, template) as url:
        async with running(url) as server:
            yield server


@pytest.mark.parametrize("name", WORK)
async def test_a_statement_that_the_database_refuses_is_logged_and_counted(
    alone: Running, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """In a rolling upgrade, a newer node's migration has renamed a table of this one."""
    table, do = WORK[name]
    scene = await gathering(alone, 1)
    await scene.watch(scene.members[0])
    (failures,) = (found for found in alone.node.failures if found.name == name)
    connection = await asyncpg.connect(alone.node.database.url)
    try:
        await connection.execute(f"ALTER TABLE {table} RENAME TO renamed")
        await do(alone, scene.event)
        assert failures.failing is Kind.REFUSED
        assert [
            record.message
            for record in caplog.records
            if record.levelno == logging.ERROR and record.message.startswith(f"{name}: ")
        ]
        async with httpx.AsyncClient(trust_env=False) as http:
            told = (await http.get(f"http://127.0.0.1:{alone.port}/metrics")).text
        line = f'ayes_background_failing{{kind="refused",work="{name}"}}'
        assert f"{line} 1.0" in told
        await connection.execute(f"ALTER TABLE renamed RENAME TO {table}")
        await do(alone, scene.event)
        assert failures.failing is None
    finally:
        await connection.close()


async def test_a_database_out_of_reach_is_no_error_of_the_background_work(
    alone: Running, caplog: pytest.LogCaptureFixture
) -> None:
    scene = await gathering(alone, 1)
    await scene.watch(scene.members[0])
    await alone.node.database.close()
    for name, (_, do) in WORK.items():
        await do(alone, scene.event)
        (failures,) = (found for found in alone.node.failures if found.name == name)
        assert failures.failing is Kind.UNREACHABLE, name
    assert not [record for record in caplog.records if record.levelno > logging.INFO]
    await alone.node.database.open()
