"""Rooms in memory: each user has a share, which users of much memory cannot take."""

from __future__ import annotations

import pytest

from protocol.errors import ErrorCode, RetryableError
from server.rooms import memory_budget
from server.rooms.memory_budget import (
    FAIR_ROOM_BYTES,
    MAX_ROOM_BYTES,
    MAX_USER_ROOM_BYTES,
    RoomBudget,
)
from tests.fixtures.servers import Start
from tests.promises.scenes import BY_HAND, gathering

LONG = "가" * 1_980


def refused(budget: RoomBudget, user: str) -> ErrorCode:
    with pytest.raises(RetryableError) as found:
        budget.check(user)
    return found.value.code


def test_a_user_has_a_share_and_gets_it_back() -> None:
    budget = RoomBudget()
    budget.charge("one", "ann", MAX_USER_ROOM_BYTES)
    assert refused(budget, "ann") == ErrorCode.LIMIT_REACHED
    budget.check("bob")
    budget.release("one")
    budget.check("ann")
    budget.release("one")
    assert budget.bytes == 0
    assert not budget._users


def test_who_has_little_is_served_however_much_the_others_have() -> None:
    budget = RoomBudget()
    users = [f"user {n}" for n in range(MAX_ROOM_BYTES // FAIR_ROOM_BYTES)]
    for user in users:
        budget.charge(f"event of {user}", user, FAIR_ROOM_BYTES)
    assert refused(budget, users[0]) == ErrorCode.BUSY
    budget.check("new")


async def test_a_socket_in_heavy_rooms_is_refused_one_more_and_the_others_go_on(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_budget, "MAX_USER_ROOM_BYTES", 150_000)
    server = await start()
    first = await gathering(server, 1, policy=BY_HAND)
    (member,) = first.members
    events = [first.event]
    for _ in range(2):
        other = await gathering(server, policy=BY_HAND)
        await member.ack("membership.join", code=other.code)
        events.append(other.event)
        for _ in range(4):
            await other.propose(content=LONG, reason=LONG)
    for _ in range(8):
        await first.propose(content=LONG, reason=LONG)
    room = await member.subscribe(first.event)
    answer = await member.request({"type": "subscribe", "event": events[1]})
    assert answer["code"] == "limit_reached"
    # Another user has a separate share.
    stranger = await first.member()
    await stranger.subscribe(first.event)
    ack = await first.admin.ack("event.pause", event=first.event)
    await member.until(lambda: room.seq >= ack["seq"], "the step")
