"""Floods of fragments, frames and pings, and deaf peers; each limit from both sides."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import cast

from server.limits.fair_scheduler import MAX_ROUND_S
from server.transport.guard import Budgets, GuardedWebSocket, frame
from tests.server.peers import Recorder, on_both_loops, quiet, serving, until, verdict
from tests.server.raw import BINARY, CLOSE, CONT, PING, PONG, TEXT, masked, raw

# Fragments


@on_both_loops
async def test_a_message_has_64_fragments_at_most() -> None:
    async with serving(quiet) as served:
        for piece in (b"", b"x"):
            for first in (TEXT, BINARY):
                rest = [masked(CONT, piece, fin=False)] * 62
                whole = b"".join([masked(first, piece, fin=False), *rest])
                assert await verdict(served, whole + masked(CONT) + masked(CLOSE, b"\x03\xe8")) in {
                    1000
                }
                assert await verdict(served, whole + masked(CONT, fin=False) * 2) == 4501


@on_both_loops
async def test_empty_fragments_do_not_keep_others_waiting() -> None:
    async with serving() as served, served.client() as bystander, raw(served, "/wire") as peer:
        flood = masked(TEXT, fin=False) + masked(CONT, fin=False) * 10_000
        said = asyncio.create_task(peer.say_until_gone(flood))
        async with asyncio.timeout(30):
            for _ in range(20):
                await bystander.send("x")
                await bystander.recv()
            async with served.client() as late:
                await late.send("x")
                await late.recv()
        await said


# Floods


@on_both_loops
async def test_frames_over_the_burst_are_a_flood() -> None:
    budgets = Budgets(commands_per_second=0.1, burst=10, extra_frames_per_second=0, extra_burst=5)
    async with serving(quiet, budgets=budgets) as served:
        for opcode in (TEXT, BINARY):
            within = masked(opcode, b"x") * 15
            assert await verdict(served, within + masked(CLOSE, b"\x03\xe8")) == 1000
            assert await verdict(served, within + masked(opcode, b"x")) == 4429
        assert await verdict(served, (masked(TEXT, b"x", fin=False) + masked(CONT)) * 8) == 4429


@on_both_loops
async def test_the_budget_fills_again_at_the_published_rate() -> None:
    budgets = Budgets(commands_per_second=100, burst=5, extra_frames_per_second=0, extra_burst=0)
    async with serving(budgets=budgets) as served, served.client() as client:
        for _ in range(30):
            await client.send("x")
            await client.recv()
            await asyncio.sleep(0.02)


@on_both_loops
async def test_a_flood_is_closed_and_nobody_else_notices() -> None:
    budgets = Budgets(flush_timeout_s=0.2)
    async with serving(budgets=budgets) as served, served.client() as bystander:
        for attack in (
            masked(TEXT, b"{}") * 5000,
            masked(PING) * 5000,
            masked(PONG, bytes(125)) * 500,
            masked(TEXT, b"x", fin=False) + masked(CONT, b"x", fin=False) * 5000,
            masked(BINARY, bytes(60_000)),
        ):
            async with asyncio.timeout(30), raw(served, "/wire") as peer:
                flood = asyncio.create_task(peer.say_until_gone(attack))
                while not flood.done():
                    await bystander.send("x")
                    assert await bystander.recv() == "x"
                    await asyncio.sleep(0.005)
                await flood
        await served.until_gone(left=1)


@on_both_loops
async def test_pings_over_their_budget_are_a_flood() -> None:
    budgets = Budgets(controls_per_second=10)
    async with serving(budgets=budgets) as served:
        for opcode in (PING, PONG):
            assert await verdict(served, masked(opcode) * 10 + masked(CLOSE, b"\x03\xe8")) == 1000
            assert await verdict(served, masked(opcode) * 11) == 4429


@on_both_loops
async def test_pings_of_a_peer_that_never_reads_fill_nothing() -> None:
    budgets = Budgets(controls_per_second=1e9, room_bytes=10_000, output_bytes=50_000)
    async with serving(budgets=budgets) as served, raw(served, "/wire", deaf=True) as peer:
        recorder = await served.recorder()
        most = 0

        def look() -> None:
            nonlocal most
            most = max(most, recorder.socket.unsent())
            if not recorder.codes:
                asyncio.get_running_loop().call_soon(look)

        look()
        await peer.say_until_gone(masked(PING, bytes(125)) * 100)
        assert await recorder.until_closed() == 1006
        assert 10_000 < most <= 50_000 + Budgets().slice_bytes
        await served.until_gone()


@on_both_loops
async def test_one_peers_input_is_taken_in_slices() -> None:
    """Between two slices every other socket has its turn, with any bytes in them."""
    turns: list[int] = []

    def count(_: Recorder, __: bytes) -> None:
        turns[-1] += 1

    def turn() -> None:
        turns.append(0)
        if not over:
            loop.call_soon(turn)

    loop = asyncio.get_running_loop()
    over: list[bool] = []
    smallest = masked(TEXT)
    plenty = Budgets(commands_per_second=1e9, burst=1e9)
    async with serving(count, budgets=plenty) as served, raw(served, "/wire") as peer:
        recorder = await served.recorder()
        turn()
        number = (1 << 19) // len(smallest)
        await peer.say(smallest * number)
        await recorder.until(lambda r: len(r.texts) == number)
        over.append(True)
        assert max(turns) <= Budgets().slice_bytes // len(smallest) + 1


@on_both_loops
async def test_all_throttled_peers_together_have_one_slice_between_two_turns_of_the_others() -> (
    None
):
    """If a slice takes as long as their time, with any number of sockets."""
    turns: list[int] = []
    at_once, messages, peers = 3, 30, 8
    slow = masked(TEXT, bytes(490))

    def answer(recorder: Recorder, _: bytes) -> None:
        if len(recorder.texts) > at_once + 1:
            turns[-1] += 1
            time.sleep(MAX_ROUND_S)

    def turn() -> None:
        turns.append(0)
        if not over:
            loop.call_soon(turn)

    loop = asyncio.get_running_loop()
    over: list[bool] = []
    budgets = Budgets(
        commands_per_second=0.1, burst=at_once * 32, extra_frames_per_second=0, extra_burst=0
    )
    async with serving(answer, budgets=budgets) as served, contextlib.AsyncExitStack() as stack:
        throttled = [await stack.enter_async_context(raw(served, "/wire")) for _ in range(peers)]
        recorders = [await served.recorder() for _ in throttled]
        turn()
        await asyncio.gather(*(peer.say(slow * messages) for peer in throttled))
        for recorder in recorders:
            await recorder.until(lambda r: len(r.texts) == messages)
        over.append(True)
    assert sum(turns) >= peers * (messages - at_once - 2)
    assert max(turns) <= Budgets().slice_bytes // len(slow)


@on_both_loops
async def test_who_is_polite_again_is_read_at_once_again() -> None:
    budgets = Budgets(commands_per_second=1_000, burst=64, extra_frames_per_second=0, extra_burst=0)
    async with serving(budgets=budgets) as served, raw(served, "/wire") as peer:
        recorder = await served.recorder()
        reader = cast("GuardedWebSocket", recorder.socket._owner)._reader
        await peer.say(masked(TEXT, b"x") * 30)
        await recorder.until(lambda r: len(r.texts) == 30)
        assert reader.is_throttled()
        await until(lambda: not reader.is_throttled())
        await peer.say(masked(TEXT, b"x"))
        await recorder.until(lambda r: len(r.texts) == 31)


@on_both_loops
async def test_fifty_peers_that_never_read_hold_little_and_leave() -> None:
    async with (
        serving(budgets=Budgets(stall_timeout_s=0.5)) as served,
        served.client() as bystander,
    ):
        await served.recorder()
        made = frame(bytes(300_000))
        peers = [raw(served, "/wire", deaf=True) for _ in range(50)]
        for peer in peers:
            await peer.__aenter__()
        recorders = [await served.recorder() for _ in peers]
        for _ in range(10):
            for recorder in recorders:
                if recorder.socket.can_send_room_frame():
                    recorder.socket.send_room(made)
            await bystander.send("x")
            await bystander.recv()
        assert all(recorder.socket.unsent() <= len(made) + 65_536 for recorder in recorders)
        assert [await recorder.until_closed() for recorder in recorders] == [1006] * 50
        await served.until_gone(left=1)
        for peer in peers:
            await peer.__aexit__(None, None, None)
