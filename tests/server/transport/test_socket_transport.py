"""The socket transport: received messages, frames, and how a socket ends."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest

from server.transport.frames import close_frame, frame
from server.transport.guard import Budgets
from tests.server.peers import Recorder, on_both_loops, quiet, serving
from tests.server.raw import BINARY, CLOSE, CONT, PING, PONG, TEXT, masked, raw

SIZES = [0, 1, 125, 126, 127, 8185, 8192, 65_535, 65_536, 300_000, 1 << 20]


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_has_the_shortest_header(size: int) -> None:
    made = frame(bytes(size))
    assert made[0] == 0x81
    assert len(made) == size + (2 if size < 126 else 4 if size < 65_536 else 10)


def test_a_close_reason_is_cut_between_characters() -> None:
    made = close_frame(4001, "ü" * 80)
    assert made[1] == len(made) - 2 <= 125
    assert made[4:].decode() == "ü" * 61


@on_both_loops
async def test_texts_of_all_sizes_come_and_go() -> None:
    async with serving() as served, served.client() as client:
        for size in SIZES:
            text = "é" * (size // 2) + "x" * (size % 2)
            await client.send(text)
            assert await client.recv() == text


@on_both_loops
async def test_a_message_may_come_byte_by_byte() -> None:
    async with serving(quiet) as served, raw(served, "/wire") as peer:
        recorder = await served.recorder()
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wanted = []
        for size in (0, 5, 130):
            wanted.append(bytes([97]) * size)
            for byte in masked(TEXT, wanted[-1]) + masked(PING):
                await peer.say(bytes([byte]))
                await asyncio.sleep(0)
        await recorder.until(lambda r: len(r.texts) == 3)
        assert recorder.texts == wanted


@on_both_loops
async def test_messages_in_one_read_keep_their_order() -> None:
    async with serving(quiet) as served, raw(served, "/wire") as peer:
        recorder = await served.recorder()
        await peer.say(
            masked(TEXT, b"1")
            + masked(TEXT, b"2", fin=False)
            + masked(PING, b"?")
            + masked(CONT, b"", fin=False)
            + masked(CONT, b"3")
            + masked(TEXT, b"4")
            + masked(BINARY, b"5")
            + masked(TEXT, "6ü".encode())
            + masked(CLOSE, b"\x10\x1b")
        )
        assert await recorder.until_closed() == 0x101B
        assert recorder.texts == [b"1", b"23", b"4", "6ü".encode()]
        assert recorder.binaries == 1
        assert await peer.frames() == [(PONG, b"?"), (CLOSE, b"\x10\x1b")]
        assert recorder.after_closed == 0


@on_both_loops
async def test_pings_and_pongs_are_life() -> None:
    async with serving() as served:
        client, recorder = await served.pair()
        recorder.socket.ping()
        await recorder.until(lambda r: r.lives == 1)
        await (await client.ping())
        await recorder.until(lambda r: r.lives == 2)
        assert recorder.texts == []
        await client.close()


@on_both_loops
async def test_what_came_before_the_receiver_is_handed_over_first() -> None:
    async with serving() as served, served.client("/late") as client:
        for text in ("1", "2", "3"):
            await client.send(text)
        await client.ping()
        served.app.go_on.set()
        await client.send("4")
        assert [await client.recv() for _ in range(4)] == ["1", "2", "3", "4"]


@on_both_loops
async def test_a_receiver_is_attached_once_and_after_the_accept() -> None:
    async with serving() as served, served.client("/early"):
        recorder = await served.recorder()
        with pytest.raises(RuntimeError):
            recorder.socket.attach(recorder)


@on_both_loops
async def test_a_receiver_attached_to_a_closed_socket_is_told() -> None:
    async with serving() as served, served.client("/closes") as client:
        recorder = await served.recorder()
        assert await recorder.until_closed() == 4001
        await client.wait_closed()
        assert (client.close_code, client.close_reason) == (4001, "go")


@on_both_loops
async def test_the_plain_asgi_path_still_works() -> None:
    async with serving() as served, served.client("/plain") as client:
        for text in ("a", "ü" * 100_000):
            await client.send(text)
            assert await client.recv() == text
        await client.close(4123)
        await served.until_gone()
        assert served.app.disconnects == [4123]


@on_both_loops
async def test_raw_frames_are_valid_where_compression_is_on() -> None:
    async with (
        serving(ws_per_message_deflate=True) as served,
        served.client(compression="deflate") as client,
    ):
        for text in ("a" * 5000, "b", "c" * 5000):
            await client.send(text)
            assert await client.recv() == text
        assert client.response is not None
        assert "permessage-deflate" in client.response.headers["Sec-WebSocket-Extensions"]


# The end


@on_both_loops
async def test_a_clients_close_is_echoed_and_told_once() -> None:
    async with serving() as served:
        client, recorder = await served.pair()
        await client.close(4123, "bye")
        assert client.close_code == 4123
        await served.until_gone()
        assert recorder.codes == [4123]
        assert served.app.disconnects == [4123]
        assert recorder.after_closed == 0


@on_both_loops
async def test_a_close_says_its_code_after_all_that_was_written() -> None:
    def answer(recorder: Recorder, payload: bytes) -> None:
        recorder.socket.send(frame(payload))
        recorder.socket.close(4001, "x" * 200)
        recorder.socket.close(4002)
        recorder.socket.send(frame(b"too late"))
        recorder.socket.send_room(frame(b"too late"))
        recorder.socket.ping()
        assert not recorder.socket.can_send_room_frame()
        assert not recorder.codes  # never called from inside a call of the transport

    async with serving(answer) as served, raw(served, "/wire") as peer:
        recorder = await served.recorder()
        await peer.say(masked(TEXT, b"1") + masked(TEXT, b"2"))
        assert await recorder.until_closed() == 4001
        await peer.say(masked(CLOSE, b"\x0f\xa1"))
        frames = await peer.frames()
        assert frames == [(TEXT, b"1"), (CLOSE, b"\x0f\xa1" + b"x" * 123)]
        await served.until_gone()
        assert recorder.texts == [b"1"]
        assert (recorder.codes, served.app.disconnects) == ([4001], [4001])


@on_both_loops
async def test_a_peer_that_never_echoes_a_close_is_aborted() -> None:
    async with (
        serving(budgets=Budgets(close_timeout_s=0.2)) as served,
        raw(served, "/wire", deaf=True),
    ):
        recorder = await served.recorder()
        recorder.socket.send_room(frame(bytes(1_000_000)))
        recorder.socket.close(4002)
        await served.until_gone()
        assert (recorder.codes, served.app.disconnects) == ([4002], [4002])


@on_both_loops
async def test_an_abort_is_a_reset() -> None:
    async with serving() as served, raw(served, "/wire") as peer:
        recorder = await served.recorder()
        recorder.socket.abort()
        recorder.socket.abort()
        recorder.socket.send(frame(b"nobody hears"))
        recorder.socket.close(4001)
        with pytest.raises(ConnectionResetError):
            await asyncio.get_running_loop().sock_recv(peer.sock, 1)
        assert await recorder.until_closed() == 1006
        recorder.socket.send(frame(b"nobody hears"))
        recorder.socket.ping()
        assert recorder.socket.unsent() == 0
        await served.until_gone()
        assert (recorder.codes, served.app.disconnects) == ([1006], [1006])


@on_both_loops
async def test_a_connection_that_breaks_is_told_as_1006() -> None:
    async with serving() as served:
        async with raw(served, "/wire"):
            recorder = await served.recorder()
        assert await recorder.until_closed() == 1006
        for _ in range(10):
            recorder.socket.send(frame(b"nobody hears"))
        await served.until_gone()
        assert served.app.disconnects == [1006]


# A receiver that fails


@on_both_loops
async def test_a_receiver_that_raises_loses_its_socket_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def answer(recorder: Recorder, payload: bytes) -> None:
        if payload == b"boom":
            raise LookupError("a defect")
        recorder.socket.send(frame(payload))

    async with serving(answer) as served, served.client() as bystander:
        await served.recorder()
        for name in ("text", "binary", "writable"):
            client, recorder = await served.pair()
            if name == "text":
                await client.send("boom")
            elif name == "binary":
                recorder.binary = None  # type: ignore[assignment, method-assign]
                await client.send(b"boom")
            else:
                recorder.writable = None  # type: ignore[assignment, method-assign]
                recorder.socket.send_room(frame(bytes(2_000_000)))
                await client.recv()
            await client.wait_closed()
            assert client.close_code == 4004
            assert await recorder.until_closed() == 4004
        await bystander.send("still here")
        assert await bystander.recv() == "still here"
    records = [r for r in caplog.records if r.name == "ayes.guard"]
    assert len(records) == 3
    assert all(r.exc_info and r.levelno == logging.ERROR for r in records)


@on_both_loops
async def test_a_receiver_that_raises_at_the_end_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as served:
        client, recorder = await served.pair()
        recorder.closed = None  # type: ignore[assignment, method-assign]
        await client.close()
        await served.until_gone()
    assert [r.name for r in caplog.records if r.exc_info] == ["ayes.guard"]
