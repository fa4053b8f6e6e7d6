"""Thousands of commands: bounded on both sides, each with its outcome."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ayes_client import AyesError, Client, Command
from tests.clients.python.conftest import Connect, gathering, proposal


async def test_each_of_many_has_its_outcome_and_few_are_asked_for_ahead(connect: Connect) -> None:
    client = await connect()
    room = await gathering(client)
    wanted = await proposal(room)
    asked = 0
    taken = 0
    ahead = 0

    def work() -> Iterator[Command]:
        nonlocal asked, ahead
        for number in range(600):
            asked += 1
            ahead = max(ahead, asked - taken)
            content = {"content": f"comment {number}", "proposal": wanted}
            yield Command(type="comment.add", event=room.event, args=content)
        yield Command(
            type="vote.cast", event=room.event, args={"proposal": "p_none", "revision": 1}
        )

    refused = []
    async for outcome in client.send_all(work(), in_flight=8):
        taken += 1
        if outcome.error is not None:
            refused.append(outcome.error.code)
    assert taken == 601
    assert ahead <= 9
    assert refused == ["not_found"]
    await room.reached(603)
    assert room.state["counts"]["comments"] == 600


@pytest.mark.usefixtures("patient")
async def test_faster_than_the_server_takes_is_never_told_so(connect: Connect) -> None:
    """More commands than a burst, on one socket: the client keeps to the server's rate."""
    client: Client = await connect()
    room = await gathering(client)
    told: list[str] = []
    refuse = client._commands.on_error

    def noted(message: Any, now: float) -> AyesError | None:
        told.append(message["code"])
        return refuse(message, now)

    client._commands.on_error = noted  # type: ignore[method-assign]
    work = (
        Command(type="vote.retract", event=room.event, args={"proposal": f"p_{number}"})
        for number in range(1_300)
    )
    outcomes = [outcome async for outcome in client.send_all(work, in_flight=256)]
    assert len(outcomes) == 1_300
    assert set(told) == {"not_found"}
