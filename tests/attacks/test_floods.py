"""Floods, trickles and crowds against a server in which somebody goes on voting."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource

import pytest
from websockets.asyncio.client import connect

from protocol.closes import CloseCode
from server.sessions.inbound_queue import MAX_MESSAGES_PER_TURN, InboundQueue
from server.transport.budgets import Budgets
from tests.attacks.conftest import Attack
from tests.attacks.floods import (
    FLOODS,
    TRICKLES,
    UPGRADE,
    ends,
    flood,
    idle,
    subscribe_deaf,
    trickle,
)
from tests.attacks.target import Bystander, Target, until
from tests.promises.running import token
from tests.promises.scenes import Scene, gathering

#: Longest wait for readers that never read to be gone. ``benchmarks.attacks`` measures the promise
#: of 25 s, and that of 10 s for the others: a machine under load keeps no deadline.
DEAF_GONE_S = 150.0
MIB = 1 << 20
#: Nobody here answers a close frame; as it comes, that is waited for longer.
BRIEF = Budgets(close_timeout_s=0.3)

LIMITS: dict[str, set[int]] = {
    "messages": {CloseCode.FLOOD},
    "messages in batches": {CloseCode.FLOOD},
    "pings": {CloseCode.FLOOD},
    "pings, full": {CloseCode.FLOOD},
    "pongs": {CloseCode.FLOOD},
    "fragments": {CloseCode.FLOOD, CloseCode.PROTOCOL_VIOLATION},
    "empty fragments": {CloseCode.FLOOD, CloseCode.PROTOCOL_VIOLATION},
    "a fragment, and pings": {CloseCode.FLOOD},
    "one long message": {1009},
    "too large, again and again": {CloseCode.FLOOD},
    "no JSON": {CloseCode.PROTOCOL_VIOLATION},
}


async def scene_of(target: Target) -> tuple[Scene, Bystander]:
    """A room, and who votes in it."""
    scene = await gathering(target)
    return scene, await Bystander.of(scene)


async def test_every_flood_is_ended_and_says_why(attack: Attack) -> None:
    """With the limits as they come; two of each kind at a time."""
    target = await attack(budgets=Budgets(flush_timeout_s=0.5))
    _, bystander = await scene_of(target)
    at_rest = len(target.connections)
    async with bystander.voting():
        for name, (first, again) in FLOODS.items():
            found = await asyncio.gather(
                *(flood(target.port, token(f"flood-{n}"), first, again) for n in range(2))
            )
            # A reset may overtake the close frame of a server that is still being shouted at.
            codes = {end.code for end in found} - {0}
            assert codes <= LIMITS[name], (name, codes)
            assert codes, name
        await target.until_left(at_rest)
    await bystander.vote()


async def test_what_came_before_the_welcome_is_taken_up_a_little_at_a_time(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it at once, from each of those that come together, is a pause for the others."""
    target = await attack()
    taken: list[int] = []
    run_slice = InboundQueue.run_slice

    def counted(held: InboundQueue) -> None:
        before = len(held._messages)
        run_slice(held)
        taken.append(before - len(held._messages))

    monkeypatch.setattr(InboundQueue, "run_slice", counted)
    async with connect(f"ws://127.0.0.1:{target.port}/v1/socket") as peer:
        await peer.send(json.dumps({"type": "hello", "token": token("hasty")}))
        for number in range(200):
            await peer.send(json.dumps({"type": "ping", "ref": number}))
        said = [json.loads(await peer.recv()) for _ in range(201)]
    assert [message.get("ref") for message in said] == [None, *range(200)]
    assert sum(taken) > MAX_MESSAGES_PER_TURN
    assert max(taken) <= MAX_MESSAGES_PER_TURN


async def test_who_trickles_or_says_nothing_is_gone_at_the_deadline(attack: Attack) -> None:
    target = await attack(budgets=Budgets(handshake_timeout_s=0.5, body_timeout_s=0.7))
    _, bystander = await scene_of(target)
    at_rest = len(target.connections)
    async with bystander.voting():
        found = await asyncio.gather(
            *(
                trickle(target.port, data, gap)
                for data in TRICKLES.values()
                for gap in (0.005, 0.02)
                for _ in range(10)
            )
        )
        await target.until_left(at_rest)
    # A slow body is answered 401 before it is whole; nothing here was ever upgraded.
    assert set(ends(found)) == {0}
    assert not any(b" 101 " in end.got for end in found)


async def test_sockets_without_a_name_are_limited_and_sent_away(attack: Attack) -> None:
    target = await attack(budgets=BRIEF, unauthenticated=100, hello_seconds=1)
    _, bystander = await scene_of(target)
    at_rest = len(target.connections)
    async with bystander.voting():
        found = await asyncio.gather(*(idle(target.port) for _ in range(300)))
        counted = ends(found)
        assert counted == {CloseCode.NO_HELLO: 100, CloseCode.FLOOD: 200}, counted
        assert all(
            (b'"type":"bye"' in end.got and b'"retry_after_ms"' in end.got)
            == (end.code == CloseCode.FLOOD)
            for end in found
        )
        await target.until_left(at_rest)


async def test_a_storm_of_connections_is_thinned_and_nobody_is_left_hanging(
    attack: Attack,
) -> None:
    target = await attack(
        budgets=BRIEF, connections=80, connections_per_address=60, hello_seconds=1
    )
    _, bystander = await scene_of(target)
    at_rest = len(target.connections)
    async with bystander.voting():
        for _ in range(2):
            found = await asyncio.gather(*(idle(target.port) for _ in range(400)))
            counted = ends(found)
            assert counted.keys() == {CloseCode.NO_HELLO, CloseCode.FLOOD}, counted
            assert counted[CloseCode.NO_HELLO] == 60 - at_rest
            await target.until_left(at_rest)
    # There is room again, for the polite.
    assert (await target.connect("late")).welcome["type"] == "welcome"


async def test_fifty_deaf_readers_of_a_busy_room_cost_little_and_go(attack: Attack) -> None:
    """Memory is this whole process's: the server, and what its clients hold."""
    target = await attack(
        budgets=Budgets(stall_timeout_s=2, commands_per_second=1_000_000, burst=1_000_000),
        commands_per_second=1_000_000,
        commands_burst=1_000_000,
    )
    scene, bystander = await scene_of(target)
    await bystander.votes(20)
    at_rest = len(target.connections)
    # One user may have few large answers under way, so each is another's.
    readers = [await scene.member() for _ in range(50)]
    await asyncio.gather(*(reader.socket.close() for reader in readers))
    await target.until_left(at_rest)
    before = resident()
    deaf = [
        await subscribe_deaf(target.port, token(reader.user), scene.event) for reader in readers
    ]
    with contextlib.ExitStack() as peers:
        for peer in deaf:
            peers.enter_context(peer)
        await _see_them_go(target, scene, bystander, at_rest, before)


async def _see_them_go(
    target: Target, scene: Scene, bystander: Bystander, at_rest: int, before: int
) -> None:
    proposal = await scene.propose()
    most = unsent = 0
    async with bystander.voting(), asyncio.timeout(DEAF_GONE_S):
        while len(target.connections) > at_rest:
            # What fills the buffers of the kernel, until the sockets are full.
            await asyncio.gather(
                *(
                    scene.admin.ack(
                        "comment.add", event=scene.event, proposal=proposal, content="x" * 2_000
                    )
                    for _ in range(64)
                )
            )
            most = max(most, resident())
            unsent = max(
                unsent, sum(session.transport.unsent() for session in target.node.sockets.all)
            )
    assert unsent > 50 * 65_536, "they were never full"
    assert most - before < 64 * MIB, f"{(most - before) / MIB:.1f} MiB"
    await until(lambda: len(target.node.sockets.all) <= at_rest)
    await bystander.vote()


async def test_what_a_slow_reader_is_behind_waits_here_where_it_merges(attack: Attack) -> None:
    """The system takes megabytes for a reader that stalls, all of them stale once they arrive."""
    target = await attack(commands_per_second=1_000_000, commands_burst=1_000_000)
    scene, _ = await scene_of(target)
    proposal = await scene.propose()
    others = set(target.node.sockets.all)
    slow = await subscribe_deaf(target.port, token(scene.admin.user), scene.event)
    (session,) = target.node.sockets.all - others
    comment = {"event": scene.event, "proposal": proposal, "content": "x" * 2_000}
    async with asyncio.timeout(DEAF_GONE_S):
        while session.transport.can_send_room_frame():
            await asyncio.gather(*(scene.admin.ack("comment.add", **comment) for _ in range(16)))
    assert session.transport.sent() < MIB // 2
    slow.close()


def resident() -> int:
    """Bytes of memory this process holds now."""
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - read often
        return int(statm.read().split()[1]) * resource.getpagesize()


def test_the_list_of_limits_is_that_of_floods() -> None:
    assert LIMITS.keys() == FLOODS.keys()
    assert UPGRADE.endswith(b"\r\n\r\n")
