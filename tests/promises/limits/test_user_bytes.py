"""The bytes that one user makes the server keep are bounded, for any texts."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.lanes import lane, lanes
from persistence.event.state import WEIGHED, EventState
from persistence.event.weights import record_bytes
from tests.fixtures.servers import Start
from tests.promises.running import Running
from tests.promises.scenes import BY_HAND, fresh, gathering
from tests.promises.stage import stage

#: Two bytes in memory and three in UTF-8, as long as a text may be.
LONG = "가" * 1_980


def weighed(state: EventState) -> int:
    """The records of the weighed tables, weighed again."""
    return sum(record_bytes(r) for table in WEIGHED for r in getattr(state, table).values())


async def test_a_lane_weighs_what_its_records_weigh_whatever_was_done(server: Running) -> None:
    made = await stage(server)
    lanes_ = server.node.lanes
    proposal = await made.propose(made.admin, content=LONG)
    for member in made.members[:2]:
        await made.vote(member, proposal)
    criterion = made.criteria[0]
    for target in (criterion, made.criteria[1]):
        behind: dict[str, Any] = {"target": target, "base_version": 9, "content": "x"}
        fields = behind | {"event": made.event, "kind": "criterion", "category": "update"}
        await made.admin.send("proposal.create", **fields)
    comment = await made.do("comment.add", criterion=criterion, content=LONG)
    await made.do("comment.edit", comment=comment["comment"], version=1, content="x")
    await made.do("proposal.accept", proposal=await made.propose(made.deputy))
    await made.do("proposal.revert", proposal=proposal)
    await made.act(made.members[0], "membership.leave")
    await made.do("membership.approve", user=made.applicant.user)
    await made.do("event.finish")
    await lanes_.drained()
    state = lanes_._lanes[made.event].state
    assert state is not None
    assert state._record_bytes == weighed(state)
    assert lanes_.idle_bytes() == sum(kept.bytes for kept in lanes_._lanes.values())


async def test_idle_lanes_are_forgotten_by_their_bytes(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, events, proposals = 2_000_000, 6, 40
    monkeypatch.setattr(lanes, "MAX_IDLE_BYTES", most)
    server = await start()
    scenes = []
    for _ in range(events):
        scene = await gathering(server, 0, policy=BY_HAND)
        scenes.append(scene)
        for _ in range(proposals):
            await scene.propose(content=fresh(LONG[:1_900]), reason=LONG)
    await server.node.lanes.drained()
    largest = max(kept.bytes for kept in server.node.lanes._lanes.values())
    assert proposals * 2 * 5 * 1_900 < largest < most
    assert server.node.lanes.idle_bytes() <= most
    assert scenes[0].event not in server.node.lanes._lanes
    # Records that were dropped from memory are read again.
    assert (await scenes[0].state())["counts"]["proposals"] == proposals
    await scenes[0].propose()


async def test_a_lane_over_its_own_bytes_is_not_kept(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lane, "MAX_STATE_BYTES", 30_000)
    server = await start()
    scene = await gathering(server, 0, policy=BY_HAND)
    await scene.propose(content="short")
    await server.node.lanes.drained()
    assert server.node.lanes.idle_bytes() > 0
    await scene.propose(content=LONG, reason=LONG)
    await server.node.lanes.drained()
    assert scene.event not in server.node.lanes._lanes
    await scene.propose(content="and on it goes")
