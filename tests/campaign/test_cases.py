"""Single faults seen from a member on the other node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from server.rooms.registry import SWEEP_INTERVAL_S
from tests.campaign.nodes import NodeProcess
from tests.campaign.venue import Venue, venue
from tests.promises.client import Client, Gone, Room
from tests.promises.running import Address
from tests.promises.scenes import Scene, gathering

#: Time beyond the sweep's interval: reading the journal, and a busy machine.
SLACK = 3.0
POINT_SECONDS = 15.0


@pytest.fixture
async def place() -> AsyncIterator[Venue]:
    """Two nodes, a PostgreSQL and a Redis of this test's own."""
    async with venue() as found:
        yield found


class Watched:
    """An event on one node, and a member who watches it on the other node."""

    def __init__(self, scene: Scene, room: Room, proposal: str, other: Address) -> None:
        self.scene, self.room, self.proposal, self.other = scene, room, proposal, other

    @classmethod
    async def make(cls, one: NodeProcess, other: NodeProcess, members: int) -> Watched:
        """All people of the scene."""
        here, there = Address(one.port), Address(other.port)
        scene = await gathering(here, members)
        watcher = await there.connect(scene.members[0].user)
        return cls(scene, await watcher.subscribe(scene.event), await scene.propose(), there)

    async def vote(self, client: Client) -> dict[str, object] | None:
        """The ack, or ``None`` if the node died before it."""
        with suppress(Gone):
            return await client.ack(
                "vote.cast", event=self.scene.event, proposal=self.proposal, revision=1
            )
        return None

    def agree(self) -> int:
        """The votes that the watcher sees."""
        found: int = self.room.state["proposals"][self.proposal]["agree"]
        return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", ["after COMMIT", "after the ack"])
async def test_killed_before_it_could_publish_members_elsewhere_see_the_vote(
    place: Venue, point: str
) -> None:
    one, other = place.nodes
    watched = await Watched.make(one, other, 2)
    dying = asyncio.create_task(one.kill_at(point, POINT_SECONDS))
    await asyncio.sleep(0)
    voter = watched.scene.members[1]
    # The order takes a moment to arrive; votes and retractions are sent until then.
    while await watched.vote(voter) is not None:
        with suppress(Gone):
            await voter.send("vote.retract", event=watched.scene.event, proposal=watched.proposal)
    assert await dying
    died_at = time.monotonic()
    rows = await place.postgres.rows(
        "SELECT seq, (SELECT agree FROM proposals WHERE event_id = e.id AND id = $2) AS agree"
        " FROM events e WHERE id = $1",
        watched.scene.event,
        watched.proposal,
    )
    await watched.room.reached(rows[0]["seq"])
    assert time.monotonic() - died_at < SWEEP_INTERVAL_S + SLACK
    assert watched.agree() == rows[0]["agree"]
    await watched.other.leave()


@pytest.mark.timeout(300)
async def test_a_frozen_redis_slows_no_ack_and_rooms_go_by_the_sweep_and_back(
    place: Venue,
) -> None:
    one, other = place.nodes
    watched = await Watched.make(one, other, 1)
    client = watched.scene.members[0]

    async def acks(seconds: float) -> list[float]:
        """Seconds of acks, one after another, for a while."""
        found, deadline = [], time.monotonic() + seconds
        while time.monotonic() < deadline:
            begun = time.monotonic()
            await client.ack("comment.add", event=watched.scene.event, content="x",
                             proposal=watched.proposal)  # fmt: skip
            found.append(time.monotonic() - begun)
        return sorted(found)

    usual = await acks(2.0)
    freezing = asyncio.create_task(place.redis.freeze(8.0))
    frozen = await acks(6.0)
    # Both measured in the same minute; a timeout of Redis would add far more than the machine's
    # noise.
    assert frozen[len(frozen) // 2] < 3 * usual[len(usual) // 2] + 0.02
    top = (await client.ack("vote.cast", event=watched.scene.event,
                            proposal=watched.proposal, revision=1))["seq"]  # fmt: skip
    begun = time.monotonic()
    await watched.room.reached(top)
    assert time.monotonic() - begun < SWEEP_INTERVAL_S + SLACK
    await freezing
    # Live again by itself: hints arrive, seconds before any sweep would on a quiet bus.
    deadline = time.monotonic() + 20
    while not all([(await asyncio.to_thread(node.metrics))["ayes_bus_up"] for node in place.nodes]):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    await watched.other.leave()
