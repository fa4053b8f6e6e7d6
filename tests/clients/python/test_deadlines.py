"""``not_after``, by the server's clock; and that clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ayes_client import Client, Command
from ayes_client._pending.deadline import with_deadline
from ayes_client._wire.moments import MAX_LATENCY_S, ServerClock, text_of
from ayes_client.errors import BadRequest, TooLate
from tests.clients.line import line_to
from tests.clients.python.conftest import Connect, gathering, proposal
from tests.clients.python.waiting import status, until
from tests.promises.running import Running, token
from tests.promises.scenes import fresh


async def test_past_its_deadline_a_command_has_no_effect(connect: Connect) -> None:
    client: Client = await connect()
    room = await gathering(client)
    wanted = await proposal(room)
    past = client.now() - timedelta(seconds=1)
    with pytest.raises(TooLate) as caught:
        await room.vote(wanted, not_after=past)
    assert (caught.value.effect, caught.value.retry) == ("none", "fix")
    with pytest.raises(TooLate):
        await room.command("vote.cast", {"proposal": wanted, "revision": 1}, not_after=past)
    assert (await room.vote(wanted, not_after=600)).applied
    late = Command(type="vote.retract", event=room.event, args={"proposal": wanted}, not_after=past)
    [outcome] = [outcome async for outcome in client.send_all([late])]
    assert isinstance(outcome.error, TooLate)


async def test_seconds_count_from_when_the_command_was_given(
    server: Running, connect: Connect
) -> None:
    """A command whose deadline passed without a connection is not carried out later."""
    async with line_to(server.port) as line:
        client: Client = await connect(url=line.url)
        room = await gathering(client)
        wanted = await proposal(room)
        line.break_down()
        await status(client, "waiting")
        short = asyncio.create_task(room.vote(wanted, not_after=0))
        await until(client, "pending", lambda: len(client.pending) == 1)
        line.mend()
        with pytest.raises(TooLate):
            await short


async def test_before_the_first_welcome_the_deadline_waits_for_the_servers_clock(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine's clock is an hour ahead; by it, the command would be valid for another hour."""
    client = Client(server.url, token(fresh("ada")), outbox=tmp_path / "o")
    client.start()
    wrong = time.time() + 3_600
    monkeypatch.setattr("ayes_client._wire.moments.time.time", lambda: wrong)
    making = asyncio.create_task(
        client.command("event.create", {"subject": "Lunch"}, not_after=60, id="early-bird")
    )
    await until(client, "pending", lambda: bool(client.pending))
    first = client.pending[0].args["not_after"]
    monkeypatch.undo()
    assert (await making).applied
    ahead = datetime.fromisoformat(first) - datetime.now(UTC)
    assert ahead > timedelta(minutes=50)
    status_of = await client.query(
        "command.status", {"event": making.result().event, "ids": ["early-bird"]}
    )
    assert status_of["commands"][0]["state"] == "committed"
    await client.stop()


@pytest.mark.parametrize("given", [datetime(2026, 1, 1), -1.0, float("nan"), float("inf"), "soon"])
def test_what_is_no_deadline_is_refused_here(given: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        with_deadline(Command(type="x", not_after=given), 0.0)
    assert caught.value.details == {"path": "not_after"}


async def test_the_servers_clock_is_the_clients(connect: Connect) -> None:
    client: Client = await connect()
    assert abs(client.now() - datetime.now(UTC)) < timedelta(seconds=60)
    assert client.now().tzinfo is UTC


def test_the_nearest_time_wins_and_a_clock_that_was_set_back_is_followed() -> None:
    clock = ServerClock()
    here = datetime.now(UTC)
    ahead = timedelta(minutes=10)
    clock.start(text_of(here + ahead))
    first = clock.now()
    # A slower message gives a less precise estimate.
    clock.observe(text_of(here + ahead - timedelta(seconds=MAX_LATENCY_S / 2)))
    assert clock.now() - first < MAX_LATENCY_S / 4
    # A faster message gives a more precise one.
    clock.observe(text_of(here + ahead + timedelta(seconds=60)))
    assert clock.now() - first >= 59
    clock.observe(text_of(here))
    assert clock.now() - first < -500
