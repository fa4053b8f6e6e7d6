"""Commands to events that do not exist cost almost nothing, and slow no other user."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from handlers.lanes import lanes
from persistence.journal.transaction import Transaction
from tests.fixtures.servers import Start
from tests.promises.client import PATIENCE, Client
from tests.promises.scenes import gathering


async def refused_everywhere(client: Client, count: int) -> None:
    """Send ``count`` commands, each to another event that does not exist."""
    await asyncio.gather(
        *(
            client.refused("not_found", "vote.retract", event=str(uuid.uuid4()), proposal="p_1")
            for _ in range(count)
        )
    )


async def test_they_are_refused_together_and_need_no_lock_of_their_own(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start()
    client = await server.connect("nowhere")
    convoys = 0
    lock_free = Transaction.lock_free

    async def counted(transaction: Transaction, *given: object) -> object:
        nonlocal convoys
        convoys += 1
        return await lock_free(transaction, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Transaction, "lock_free", counted)
    await refused_everywhere(client, 100)
    assert server.node.lanes.counts.alone == 0
    assert convoys < 50


async def test_their_lanes_are_forgotten_and_push_out_nobody_elses(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MAX_IDLE_BYTES", 20_000)
    scene = await gathering(await start())
    stranger = await scene.newcomer()
    at_rest = set(scene.server.node.lanes._lanes)  # type: ignore[attr-defined]
    assert scene.event in at_rest
    for _ in range(4):
        await refused_everywhere(stranger, 20)
    assert scene.event in scene.server.node.lanes._lanes  # type: ignore[attr-defined]


async def test_an_event_that_somebody_holds_is_not_taken_for_none(start: Start) -> None:
    scene = await gathering(await start())
    node = scene.server.node  # type: ignore[attr-defined]
    async with Transaction.begin(node.database) as held:
        await held.lock(scene.event)
        waiting = await scene.admin.post("event.pause", event=scene.event)
        # Its convoy has looked at the lock, and left the command to a batch of its own.
        async with asyncio.timeout(PATIENCE):
            while not node.lanes.counts.alone:
                await asyncio.sleep(0.01)
        await refused_everywhere(scene.admin, 3)
        assert not waiting.done()
    answer = await scene.admin.answered(waiting)
    assert answer["type"] == "ack"
    assert node.lanes.counts.alone == 1
