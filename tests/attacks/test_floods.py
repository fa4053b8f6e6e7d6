"""Floods, trickles and crowds against a server while a member keeps voting."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
from typing import Any

import pytest
from websockets.asyncio.client import connect

from protocol.closes import CloseCode
from server.sessions.handshake import Handshake
from server.sessions.inbound_queue import MAX_MESSAGES_PER_TURN, InboundQueue
from server.transport.budgets import Budgets
from tests.attacks.conftest import Attack
from tests.attacks.floods import (
    BODIES,
    FLOODS,
    FRAME,
    TRICKLES,
    UPGRADE,
    ends,
    flood,
    idle,
    subscribe_deaf,
    trickle,
)
from tests.attacks.taken import GuardClock, allowance, count_input
from tests.attacks.target import Bystander, Target, until
from tests.promises.running import token
from tests.promises.scenes import Scene, gathering

#: Ends a test whose deaf readers never fill up, or never go.
HUNG_TIMEOUT_S = 60.0
#: Steps in which the clock goes on. Each is a quarter of ``stall_timeout_s``, as between two looks
#: at the output.
STALL_STEPS = 6
MIB = 1 << 20
#: No client here answers a close frame; this shortens the server's wait for one.
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
    """A room, and a member who votes in it."""
    scene = await gathering(target)
    return scene, await Bystander.of(scene)


async def test_every_flood_is_ended_and_says_why(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Floods with the default bursts, two of each kind at a time.

    The rates are a tenth of the default: a starved machine may send less than 60 large frames a
    second, which is no flood. The server takes no more of a flood than its budget allows, by its
    own clock; then it closes it.
    """
    taken = count_input(monkeypatch)
    budgets = Budgets(flush_timeout_s=0.2, commands_per_second=20, extra_frames_per_second=10)
    # On a busy machine a flood waits for its turns for longer than two heartbeats of the default.
    target = await attack(budgets=budgets, heartbeat_ms=300_000, commands_per_second=20)
    _, bystander = await scene_of(target)
    at_rest, votes = len(target.connections), len(bystander.waits)
    async with bystander.voting(gap=0.05):
        for name, (first, again) in FLOODS.items():
            try:
                found = await asyncio.gather(
                    *(flood(target.port, token(f"flood-{n}"), first, again) for n in range(2))
                )
            except TimeoutError:
                pytest.fail(f"{name}: not ended; {taken}")
            # A reset may overtake the close frame of a server that is still being shouted at.
            codes = {end.code for end in found} - {0}
            assert codes <= LIMITS[name], (name, codes)
            assert codes, name
            for end in found:
                said = taken[end.port]
                allowed = allowance(name, budgets, FRAME[name], said.seconds)
                assert 0 < said.size <= allowed, (name, said, allowed)
        await target.until_left(at_rest)
    assert len(bystander.waits) > votes
    await bystander.vote()


async def test_what_came_before_the_welcome_is_taken_up_a_little_at_a_time(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A simultaneous burst of all floods delays the others only for a moment."""
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
            # A ping would overtake what waits.
            await peer.send(json.dumps({"type": "nonsense", "ref": number}))
        said = [json.loads(await peer.recv()) for _ in range(201)]
    assert [message.get("ref") for message in said] == [None, *range(200)]
    assert sum(taken) > MAX_MESSAGES_PER_TURN
    assert max(taken) <= MAX_MESSAGES_PER_TURN


async def test_who_trickles_or_says_nothing_is_gone_at_the_deadline(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trickles under the default deadlines: none is closed before its deadline."""
    clock = GuardClock(monkeypatch)
    budgets = Budgets()
    target = await attack(budgets=budgets)
    _, bystander = await scene_of(target)
    at_rest = len(target.connections)
    heard_before = len(clock.heard)
    headers = [data for name, data in TRICKLES.items() if name not in BODIES]
    # A body is answered 401 before it is complete, and its connection is kept for the rest.
    bodies = [TRICKLES[name] for name in BODIES]
    async with asyncio.TaskGroup() as group:
        trickling = {
            kind: [
                group.create_task(trickle(target.port, data, gap))
                for data in some
                for gap in (0.005, 0.02)
                for _ in range(10)
            ]
            for kind, some in (("header", headers), ("body", bodies))
        }
        count = sum(map(len, trickling.values()))
        silent = len(trickling["header"]) // len(headers)
        await until(lambda: len(target.connections) == at_rest + count)
        await until(lambda: len(clock.heard) - heard_before == count - silent)
        await bystander.votes(20)
        clock.advance(budgets.handshake_timeout_s * 0.99)
        await bystander.votes(20)
        assert not any(task.done() for task in trickling["header"])
        clock.advance(budgets.handshake_timeout_s * 0.02)
        await asyncio.wait(trickling["header"])
        await bystander.votes(20)
        clock.advance(budgets.body_timeout_s)
    found = [task.result() for tasks in trickling.values() for task in tasks]
    await target.until_left(at_rest)
    await bystander.vote()
    # None of these connections was ever upgraded.
    assert set(ends(found)) == {0}
    assert not any(b" 101 " in end.got for end in found)


async def test_sockets_without_a_name_are_limited_and_sent_away(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline of each connection is set when it connects, and never later."""
    deadlines: dict[Handshake, float] = {}
    kept: list[bool] = []
    init, is_late = Handshake.__init__, Handshake._is_late

    def begun(handshake: Handshake, *given: Any, **named: Any) -> None:
        init(handshake, *given, **named)
        assert handshake._timeout is not None
        deadlines[handshake] = handshake._timeout.when()

    def ended(handshake: Handshake) -> None:
        assert handshake._timeout is not None
        kept.append(handshake._timeout.when() == deadlines[handshake])
        is_late(handshake)

    monkeypatch.setattr(Handshake, "__init__", begun)
    monkeypatch.setattr(Handshake, "_is_late", ended)
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
    assert kept == [True] * 100


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
    # Good clients find room again.
    assert (await target.connect("late")).welcome["type"] == "welcome"


async def test_fifty_deaf_readers_of_a_busy_room_cost_little_and_go(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is that of this whole process: the server, and what its clients hold.

    By the guard's clock they are closed after one and a half times ``stall_timeout_s``: 15 s.
    """
    clock = GuardClock(monkeypatch)
    target = await attack(
        budgets=Budgets(commands_per_second=1_000_000, burst=1_000_000),
        commands_per_second=1_000_000,
        commands_burst=1_000_000,
    )
    scene, bystander = await scene_of(target)
    await bystander.votes(20)
    at_rest = len(target.connections)
    # One user may have few large answers under way, so each answer goes to another user.
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
        await _see_them_go(target, scene, bystander, at_rest, before, clock)


async def _see_them_go(
    target: Target, scene: Scene, bystander: Bystander, at_rest: int, before: int, clock: GuardClock
) -> None:
    proposal = await scene.propose()
    most = unsent = 0
    there = len(target.connections)
    async with bystander.voting(), asyncio.timeout(HUNG_TIMEOUT_S):
        while unsent <= 50 * 65_536:
            # Messages that fill the kernel's buffers, until the sockets are full.
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
    assert most - before < 64 * MIB, f"{(most - before) / MIB:.1f} MiB"
    assert len(target.connections) == there, "no deadline has passed"
    for _ in range(STALL_STEPS):
        # A step at a time, so that a reader makes progress between two looks at it.
        clock.advance(Budgets().stall_timeout_s * 1.5 / STALL_STEPS)
        await bystander.vote()
    await target.until_left(at_rest)
    await bystander.vote()


async def test_what_a_slow_reader_is_behind_waits_here_where_it_merges(attack: Attack) -> None:
    """The kernel buffers megabytes for a stalled reader, all of them stale once they arrive."""
    target = await attack(commands_per_second=1_000_000, commands_burst=1_000_000)
    scene, _ = await scene_of(target)
    proposal = await scene.propose()
    others = set(target.node.sockets.all)
    slow = await subscribe_deaf(target.port, token(scene.admin.user), scene.event)
    (session,) = target.node.sockets.all - others
    comment = {"event": scene.event, "proposal": proposal, "content": "x" * 2_000}
    async with asyncio.timeout(HUNG_TIMEOUT_S):
        while session.transport.can_send_room_frame():
            await asyncio.gather(*(scene.admin.ack("comment.add", **comment) for _ in range(16)))
    assert session.transport.sent() < MIB // 2
    slow.close()


def resident() -> int:
    """Bytes of memory this process holds now."""
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - read often
        return int(statm.read().split()[1]) * resource.getpagesize()


def test_the_list_of_limits_is_that_of_floods() -> None:
    assert LIMITS.keys() == FLOODS.keys() == FRAME.keys()
    assert UPGRADE.endswith(b"\r\n\r\n")
