"""Output of a socket: room for frames, bounds, and output without progress."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import ConnectionClosed

from server.transport.frames import frame
from server.transport.guard import Budgets
from server.transport.socket_transport import SocketTransport
from tests.server.peers import on_both_loops, serving, until
from tests.server.raw import CLOSE, masked, raw


async def settled(transport: SocketTransport) -> None:
    """Wait until the kernel accepts no more unsent bytes."""
    before = -1
    while transport.unsent() != before:
        before = transport.unsent()
        await asyncio.sleep(0.02)


@on_both_loops
async def test_room_ends_with_unsent_output_and_comes_back_with_a_call() -> None:
    async with serving() as served, raw(served, "/wire", deaf=True) as peer:
        recorder = await served.recorder()
        transport = recorder.socket
        assert transport.can_send_room_frame()
        transport.send_room(frame(bytes(2_000_000)))
        assert not transport.can_send_room_frame()
        await settled(transport)
        assert transport.unsent() >= 65_536
        assert recorder.writables == 0
        heard = 0
        while not recorder.writables:
            heard += len(await peer.hear())
        assert transport.can_send_room_frame()
        assert transport.unsent() < 65_536
        assert recorder.writables == 1
        transport.close(4001)
        await peer.say(masked(CLOSE, b"\x0f\xa1"))
        assert heard + len(await peer.hear_all()) == len(frame(bytes(2_000_000))) + 4
        assert recorder.codes == [4001]


@on_both_loops
async def test_a_room_frame_of_any_size_does_not_count_as_acks() -> None:
    async with serving(budgets=Budgets(ack_bytes=300_000)) as served:
        async with raw(served, "/wire", deaf=True):
            recorder = await served.recorder()
            recorder.socket.send(frame(bytes(100_000)))
            recorder.socket.send_room(frame(bytes(3_000_000)))
            recorder.socket.send(frame(bytes(100_000)))
            await settled(recorder.socket)
            recorder.socket.send(frame(bytes(1000)))
            assert not recorder.codes
            recorder.socket.send(frame(bytes(200_000)))
            assert await recorder.until_closed() == 1006
        await served.until_gone()


@on_both_loops
async def test_a_peer_that_takes_no_acks_is_aborted_over_the_limit() -> None:
    async with serving() as served, raw(served, "/wire", deaf=True):
        recorder = await served.recorder()
        most = 0
        while not recorder.socket.is_closed:
            most = max(most, recorder.socket.unsent())
            recorder.socket.send(frame(bytes(10_000)))
            await asyncio.sleep(0)
        assert 1_000_000 < most <= 1 << 20
        await served.until_gone()
        assert served.app.disconnects == [1006]


@on_both_loops
async def test_output_without_progress_is_given_up() -> None:
    async with serving(budgets=Budgets(stall_timeout_s=0.4)) as served:
        async with raw(served, "/wire", deaf=True):
            # test_stall_detector.py tests the exact time, with a clock; this tests that a slow peer
            # is not deaf.
            recorder = await served.recorder()
            recorder.socket.send_room(frame(bytes(400_000)))
            assert await recorder.until_closed() == 1006
        await served.until_gone()


@on_both_loops
async def test_a_little_unsent_output_without_progress_is_given_up() -> None:
    async with (
        serving(budgets=Budgets(stall_timeout_s=0.2)) as served,
        raw(served, "/wire", deaf=True),
    ):
        recorder = await served.recorder()
        while not recorder.socket.unsent():
            recorder.socket.send(frame(bytes(1000)))
            await asyncio.sleep(0)
        assert recorder.socket.can_send_room_frame()
        assert await recorder.until_closed() == 1006
        await served.until_gone()


@on_both_loops
async def test_output_that_was_sent_leaves_no_watch_behind() -> None:
    # Enough for a client that waits for the processor; the watch samples four times in it.
    async with serving(budgets=Budgets(stall_timeout_s=4)) as served:
        client, recorder = await served.pair()
        recorder.socket.send_room(frame(bytes(1_000_000)))
        await client.recv()
        await until(lambda: not recorder.socket._stall_detector.watching)
        await client.send("still here")
        assert await client.recv() == "still here"
        await client.close()


@on_both_loops
async def test_a_client_may_leave_while_a_room_is_told() -> None:
    async with serving() as served:
        pairs = [await served.pair() for _ in range(20)]
        made = frame(b"step")
        for client, _ in pairs[::2]:
            client.transport.abort()
        for _ in range(50):
            for _, recorder in pairs:
                if recorder.socket.can_send_room_frame():
                    recorder.socket.send_room(made)
            await asyncio.sleep(0)
        for client, _ in pairs[1::2]:
            assert [await client.recv() for _ in range(50)] == ["step"] * 50
            await client.close()
        for client, recorder in pairs[::2]:
            assert await recorder.until_closed() == 1006
            with pytest.raises(ConnectionClosed):
                await client.recv()
        await served.until_gone()


@on_both_loops
async def test_one_answer_of_any_size_reaches_a_client_that_reads() -> None:
    budgets = Budgets(ack_bytes=100_000)
    async with serving(budgets=budgets) as served, raw(served, "/wire", deaf=True) as peer:
        recorder = await served.recorder()
        answer = frame(b"a" * 3_000_000)
        recorder.socket.send(answer)
        recorder.socket.send(frame(b"b" * 50_000))
        assert not recorder.socket.can_send_room_frame()
        heard = b""
        while len(heard) < len(answer) + 50_000:
            heard += await peer.hear(65_536)
        assert heard.startswith(answer)
        assert not recorder.socket.is_closed


@on_both_loops
async def test_answers_beside_the_one_under_way_are_bounded() -> None:
    budgets = Budgets(ack_bytes=100_000)
    async with serving(budgets=budgets) as served, raw(served, "/wire", deaf=True):
        recorder = await served.recorder()
        for _ in range(2):
            recorder.socket.send(frame(bytes(8_000_000)))
        assert await recorder.until_closed() == 1006
        await served.until_gone()
