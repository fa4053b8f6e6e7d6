"""The guard: broken frames, broken handshakes, and a shutdown that survives them."""

from __future__ import annotations

import asyncio
import errno

import pytest
from websockets.exceptions import InvalidStatus

from server.process import GRACEFUL_TIMEOUT_S
from server.transport.guard import Budgets, frame
from tests.server.peers import on_both_loops, quiet, serving, until, verdict
from tests.server.raw import CLOSE, CONT, HANDSHAKE, PING, PONG, TEXT, masked, raw

# Frames

BROKEN = {
    "unmasked": (frame(b"x"), 1002),
    "reserved bit": (masked(TEXT, b"x", rsv=0x40), 1002),
    "reserved opcode": (masked(3, b"x"), 1002),
    "stray continuation": (masked(CONT, b"x"), 1002),
    "text in a text": (masked(TEXT, b"x", fin=False) + masked(TEXT, b"y"), 1002),
    "ping of 126 bytes": (masked(PING, bytes(126)), 1002),
    "fragmented ping": (masked(PING, b"", fin=False), 1002),
    "close of 1 byte": (masked(CLOSE, b"x"), 1002),
    "close with a code of nobody": (masked(CLOSE, b"\x03\xed"), 1002),
    "close with broken UTF-8": (masked(CLOSE, b"\x03\xe8\xff"), 1007),
    "broken UTF-8": (masked(TEXT, b"\xc3\x28"), 1007),
    "a surrogate": (masked(TEXT, b"\xed\xa0\x80"), 1007),
    "broken UTF-8 in fragments": (masked(TEXT, b"\xc3", fin=False) + masked(CONT, b"\x28"), 1007),
    "UTF-8 cut short": (masked(TEXT, b"x" * 9000 + b"\xc3"), 1007),
    "over the cap": (masked(TEXT, bytes((1 << 20) + 1)), 1009),
    "over the cap in fragments": (
        masked(TEXT, bytes(1 << 19), fin=False) + masked(CONT, bytes((1 << 19) + 1)),
        1009,
    ),
    "over the cap by its header": (b"\x81\xff" + (1 << 62).to_bytes(8, "big") + bytes(4), 1009),
    "of the highest length": (b"\x82\xff" + b"\xff" * 8 + bytes(4), 1009),
}


@on_both_loops
async def test_broken_frames_get_the_right_code() -> None:
    async with serving(quiet) as served:
        for name, (data, code) in BROKEN.items():
            assert (name, await verdict(served, data)) == (name, code)
            assert (name, await verdict(served, masked(TEXT, b"good") + data)) == (name, code)


async def test_a_peer_that_reset_its_connection_is_no_defect(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The kernel learns of the reset before the transport does."""

    def not_connected(transport: object) -> None:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    transport = "asyncio.selector_events._SelectorSocketTransport"
    monkeypatch.setattr(f"{transport}.write_eof", not_connected)
    async with serving(quiet) as served:
        assert await verdict(served, masked(3)) == 1002
    assert "defect" not in caplog.text


@on_both_loops
async def test_what_came_before_a_broken_frame_is_handed_over() -> None:
    async with serving() as served, raw(served, "/wire") as peer:
        await peer.say(masked(TEXT, b"1") + masked(PING) + masked(TEXT, b"2") + masked(3))
        frames = await peer.frames()
        assert frames[:3] == [(TEXT, b"1"), (PONG, b""), (TEXT, b"2")]
        assert frames[-1][0] == CLOSE
        assert (await served.recorder()).texts == [b"1", b"2"]


@on_both_loops
async def test_characters_may_be_cut_between_fragments() -> None:
    text = "aü€😀"
    async with serving() as served, raw(served, "/wire") as peer:
        raw_text = text.encode()
        for byte in raw_text[:-1]:
            first = byte == raw_text[0]
            await peer.say(masked(TEXT if first else CONT, bytes([byte]), fin=False))
        await peer.say(masked(CONT, raw_text[-1:]) + masked(CLOSE))
        assert (await peer.frames())[0] == (TEXT, raw_text)


@on_both_loops
async def test_binary_frames_end_nothing() -> None:
    async with serving() as served:
        client, recorder = await served.pair()
        await client.send(b"\xff\x00")
        await client.send([b"\xff", b"\x00"])
        await client.send("text")
        assert await client.recv() == "text"
        assert recorder.binaries == 2
        await client.close()


@on_both_loops
async def test_a_close_that_cannot_be_flushed_is_an_abort_within_a_second() -> None:
    async with serving(quiet) as served, raw(served, "/wire", deaf=True) as peer:
        recorder = await served.recorder()
        recorder.socket.send_room(frame(bytes(1_000_000)))
        await peer.say(masked(3))
        assert await recorder.until_closed() == 1002
        await served.until_gone()


@on_both_loops
async def test_a_client_that_goes_on_sending_still_hears_why_it_was_closed() -> None:
    async with serving(quiet) as served:
        async with raw(served, "/wire") as peer:
            saying = asyncio.create_task(peer.say(masked(TEXT, bytes(4 << 20))))
            assert await peer.verdict() == 1009
            saying.cancel()
            await asyncio.wait([saying])
        await served.until_gone()


# The handshake


@on_both_loops
async def test_an_upgrade_that_is_never_accepted_is_given_up() -> None:
    async with serving(budgets=Budgets(handshake_timeout_s=0.2)) as served:
        async with raw(served) as peer:
            await peer.say(b"GET /hung HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
            assert await peer.hear_all() == b""
        await served.until_gone()
        assert served.app.disconnects == [1006]


@on_both_loops
async def test_an_accepted_socket_has_no_handshake_deadline() -> None:
    budgets = Budgets(handshake_timeout_s=0.1, body_timeout_s=0.1)
    async with serving(budgets=budgets) as served, served.client() as client:
        await asyncio.sleep(0.3)
        await client.send("x")
        assert await client.recv() == "x"


@on_both_loops
async def test_a_refused_path_gets_its_403() -> None:
    async with serving() as served:
        with pytest.raises(InvalidStatus) as refused:
            await served.client("/refused")
        assert refused.value.response.status_code == 403
        await served.until_gone()


BAD_HANDSHAKES = {
    "no key": (HANDSHAKE.replace(b"Sec-WebSocket-Key", b"X"), b" 400 "),
    "version 8": (HANDSHAKE.replace(b"Version: 13", b"Version: 8"), b" 400 "),
    "a body": (HANDSHAKE + b"Content-Length: 5\r\n", b" 400 "),
    "many headers": (HANDSHAKE + b"a: b\r\n" * 200, b" 431 "),
    "a huge header": (HANDSHAKE + b"a: " + b"b" * 9000 + b"\r\n", b" 431 "),
}


@pytest.mark.parametrize("name", BAD_HANDSHAKES)
@on_both_loops
async def test_what_is_no_handshake_is_refused_and_closed(name: str) -> None:
    header, status = BAD_HANDSHAKES[name]
    async with serving() as served:
        async with raw(served) as peer:
            await peer.say(b"GET /wire HTTP/1.1\r\n" + header + b"\r\n")
            assert status in await peer.head()
            await peer.hear_all()
        await served.until_gone()


@on_both_loops
async def test_frames_before_the_accept_end_the_connection() -> None:
    async with serving() as served:
        for early in (masked(TEXT, b"x"), masked(TEXT, b"x")[:1], masked(CLOSE), masked(3)):
            async with raw(served) as peer:
                await peer.say(b"GET /hung HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
                await until(lambda: served.server.server_state.tasks)
                await peer.say(early)
                assert await peer.hear_all() == b""
            await served.until_gone()


# Shutdown


@on_both_loops
async def test_a_shutdown_survives_every_kind_of_peer(caplog: pytest.LogCaptureFixture) -> None:
    """Without the guard, a peer in mid-close makes the server raise; the lifespan never ends."""
    budgets = Budgets(close_timeout_s=0.3, flush_timeout_s=0.3)
    async with serving(quiet, budgets=budgets) as served:
        async with (
            raw(served, "/wire", deaf=True) as closing,
            raw(served, "/wire", deaf=True) as deaf,
            raw(served, "/wire") as closed,
            raw(served) as hung,
            raw(served),
            raw(served) as half,
            served.client() as polite,
            served.client("/plain") as plain,
        ):
            recorders = [await served.recorder() for _ in range(4)]
            for recorder in recorders[:2]:
                recorder.socket.send_room(frame(bytes(1_000_000)))
            recorders[2].socket.close(4001)
            await closing.say(masked(CLOSE, b"\x03\xe8"))
            await recorders[0].until_closed()
            await hung.say(b"GET /hung HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
            await half.say(b"GET / HT")
            await until(lambda: len(served.server.server_state.tasks) == 4)
            await served.stop()
            await polite.wait_closed()
            await plain.wait_closed()
            assert (polite.close_code, plain.close_code) == (1012, 1012)
            assert await closed.verdict() == 4001
            assert b" 500 " in await hung.head()
            assert sorted(r.codes for r in recorders) == [[1000], [1012], [1012], [4001]]
            assert deaf.sock.fileno() >= 0
        assert served.app.was_shut_down
        assert not served.connections
    assert not [r for r in caplog.records if r.exc_info or r.levelname == "ERROR"]


@on_both_loops
async def test_a_half_closed_peer_is_gone() -> None:
    async with serving() as served, raw(served, "/wire", deaf=True) as peer:
        recorder = await served.recorder()
        recorder.socket.send_room(frame(bytes(1_000_000)))
        peer.sock.shutdown(1)
        assert await recorder.until_closed() == 1006
        await served.until_gone()


def test_a_stop_waits_longer_than_the_last_closed_socket_has() -> None:
    budgets = Budgets()
    assert budgets.close_timeout_s + budgets.flush_timeout_s < GRACEFUL_TIMEOUT_S
