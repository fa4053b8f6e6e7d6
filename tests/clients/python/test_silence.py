"""If the server is out of reach and the socket does not show it, the client asks at once."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest

from ayes_client import Client
from ayes_client._connection.session import Session
from tests.clients.line import line_to
from tests.clients.python.conftest import Connect, gathering, proposal
from tests.clients.python.waiting import eventually, status
from tests.promises.running import Running


async def test_an_answer_that_does_not_come_asks_the_line_and_another_socket_brings_it(
    server: Running, connect: Connect
) -> None:
    """The client waits neither for the heartbeats nor for the answer timeout."""
    async with line_to(server.port) as line:
        client: Client = await connect(url=line.url, answer_timeout=600)
        room = await gathering(client)
        wanted = await proposal(room)
        line.deaf = True
        voting = asyncio.create_task(room.vote(wanted))
        await status(client, "waiting")
        assert client.trouble == "a ping had no answer"
        line.deaf = False
        assert (await voting).result["agree"] == 1


async def test_a_clock_that_jumps_asks_the_line(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state after the machine's sleep, with no command waiting for an answer."""
    client: Client = await connect()
    session = client._connector._session
    assert isinstance(session, Session)
    sent: list[dict[str, Any]] = []
    send = session._outgoing.send

    def noted(message: dict[str, Any]) -> None:
        sent.append(message)
        send(message)

    monkeypatch.setattr(session._outgoing, "send", noted)
    hours = itertools.count(time.time(), 3_600)
    monkeypatch.setattr(time, "time", lambda: next(hours))
    await eventually(lambda: {"type": "ping"} in sent)
    monkeypatch.undo()
    await eventually(lambda: session._pinged_at is None)
    assert client.status == "open"
