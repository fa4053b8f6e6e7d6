"""The guard against what peers do to a WebSocket, and what it relies on in uvicorn and websockets.

Each limit is tried from both sides: what keeps it passes.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined]

import pytest
from uvicorn.config import Config
from uvicorn.lifespan.off import LifespanOff
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import InvalidStatus
from websockets.protocol import Protocol, State
from websockets.server import ServerProtocol

from server.guard import Budgets, GuardedConfig, GuardedHttp, GuardedWebSocket, frame
from server.intake import between_messages
from server.mailbox import Mailbox
from tests.server.peers import (
    BINARY,
    CLOSE,
    CONT,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    Application,
    Recorder,
    Served,
    masked,
    on_both_loops,
    raw,
    serving,
    until,
)


def quiet(_: Recorder, __: bytes) -> None:
    """Answers nothing."""


async def verdict(served: Served, data: bytes) -> int:
    """The close code that ``data`` gets, which the receiver must be told too."""
    async with raw(served, "/wire") as peer:
        recorder = await served.recorder()
        await peer.say(data)
        code = await peer.verdict()
        assert await recorder.until_closed() == code
        assert recorder.after_closed == 0
    await served.until_gone()
    return code


# What the guard relies on.


def test_uvicorn_has_what_the_guard_overrides_and_uses() -> None:
    """Private names, pinned: a version in which one is missing or new in shape fails here."""
    websocket = vars(WebSocketsSansIOProtocol)
    for name in (
        "connection_made",
        "connection_lost",
        "eof_received",
        "shutdown",
        "pause_writing",
        "resume_writing",
        "data_received",
        "handle_connect",
        "send",
        "run_asgi",
        "on_task_complete",
        "send_500_response",
        "send_receive_event_to_app",
    ):
        assert inspect.isfunction(websocket[name]), name
    http = vars(HttpToolsProtocol)
    for name in (
        "connection_made",
        "connection_lost",
        "eof_received",
        "data_received",
        "shutdown",
        "pause_writing",
        "resume_writing",
        "handle_websocket_upgrade",
        "on_message_begin",
        "on_url",
        "on_header",
        "on_headers_complete",
        "on_message_complete",
        "on_response_complete",
        "send_400_response",
        "timeout_keep_alive_handler",
        "_unset_keepalive_if_required",
    ):
        assert inspect.isfunction(http[name]), name
    made = list(inspect.signature(WebSocketsSansIOProtocol.__init__).parameters)
    assert made == ["self", "config", "server_state", "app_state", "_loop"]
    assert list(inspect.signature(HttpToolsProtocol.__init__).parameters) == made
    used = re.findall(r"self\.queue\.(\w+)\(", inspect.getsource(WebSocketsSansIOProtocol))
    assert set(used) <= set(dir(Mailbox))
    ending = inspect.getsource(WebSocketsSansIOProtocol.run_asgi)
    assert "if self.close_timer is None:\n            self.transport.close()" in ending
    assert "self.close_timer.cancel()" in inspect.getsource(
        WebSocketsSansIOProtocol.connection_lost
    )


async def test_uvicorns_protocols_have_the_attributes_that_the_guard_uses() -> None:
    config = GuardedConfig(Application(), log_config=None)
    config.load()
    assert config.ws_protocol_class is GuardedWebSocket
    assert config.http_protocol_class is GuardedHttp
    stock = WebSocketsSansIOProtocol(config, ServerState(), LifespanOff(config).state)
    assert stock.close_timer is None
    assert [stock.handshake_complete, stock.close_sent, stock.disconnected] == [False] * 3
    assert [stock.read_paused, stock.frames, stock.curr_msg_data_type] == [False, [], "bytes"]
    assert isinstance(stock.queue, asyncio.Queue)
    assert stock.ping_interval is None
    http = HttpToolsProtocol(config, ServerState(), {})
    assert vars(http)["cycle"] is None
    assert len(http.pipeline) == 0
    # asyncio's transport must take a protocol with a buffer, given to it later.
    assert "BufferedProtocol" in inspect.getsource(_SelectorSocketTransport.set_protocol)
    assert issubclass(GuardedWebSocket, asyncio.BufferedProtocol)


def test_websockets_parser_shows_where_it_stands() -> None:
    """``between_messages`` looks into generators; where it errs, it must err to False."""
    conn = ServerProtocol()
    assert conn.max_message_size == 1 << 20
    conn.receive_data(b"GET / HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
    (request,) = conn.events_received()
    conn.send_response(conn.accept(request))  # type: ignore[arg-type]
    assert conn.state is State.OPEN
    assert conn.handshake_exc is None
    assert between_messages(conn)
    # An open connection can have a new parser, as its constructor makes one.
    assert "self.parser = self.parse()\n        next(self.parser)" in inspect.getsource(
        Protocol.__init__
    )
    conn.parser = conn.parse()
    next(conn.parser)
    assert between_messages(conn)
    whole = masked(TEXT, b"x" * 200)
    for at in range(len(whole)):
        conn.receive_data(whole[at : at + 1])
        assert between_messages(conn) == (at == len(whole) - 1), at
    conn.receive_data(masked(TEXT, b"x", fin=False))
    assert not between_messages(conn)
    conn.receive_data(masked(PING))
    assert not between_messages(conn)
    conn.receive_data(masked(CONT))
    assert between_messages(conn)
    conn.receive_data(masked(BINARY, b"\xff"))
    assert between_messages(conn)
    conn.receive_data(masked(CLOSE))
    assert not between_messages(conn)


def test_a_stock_config_gets_the_default_budgets() -> None:
    config = Config(Application(), log_config=None)
    config.load()
    loop = asyncio.new_event_loop()
    try:
        assert GuardedWebSocket(config, ServerState(), {}, loop).budgets == Budgets()
        assert GuardedHttp(config, ServerState(), {}, loop).budgets == Budgets()
    finally:
        loop.close()


# Frames.

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


@on_both_loops
async def test_what_came_before_a_broken_frame_is_handed_over() -> None:
    async with serving() as served, raw(served, "/wire") as peer:
        await peer.say(masked(TEXT, b"1") + masked(PING) + masked(TEXT, b"2") + masked(3))
        frames = await peer.frames()
        assert frames[:2] == [(TEXT, b"1"), (TEXT, b"2")]
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
        recorder.wire.send_room(frame(bytes(1_000_000)))
        begun = asyncio.get_running_loop().time()
        await peer.say(masked(3))
        assert await recorder.until_closed() == 1002
        await served.until_gone()
        assert 0.8 < asyncio.get_running_loop().time() - begun < 5


@on_both_loops
async def test_a_client_that_goes_on_sending_still_hears_why_it_was_closed() -> None:
    async with serving(quiet) as served:
        async with raw(served, "/wire") as peer:
            saying = asyncio.create_task(peer.say(masked(TEXT, bytes(4 << 20))))
            assert await peer.verdict() == 1009
            saying.cancel()
            await asyncio.wait([saying])
        await served.until_gone()


# Fragments.


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
        async with asyncio.timeout(5):
            for _ in range(20):
                await bystander.send("x")
                await bystander.recv()
            async with served.client() as late:
                await late.send("x")
                await late.recv()
        await said


# Floods.


@on_both_loops
async def test_frames_over_the_burst_are_a_flood() -> None:
    budgets = Budgets(commands_per_second=0.1, burst=10, frames_beside=0, burst_beside=5)
    async with serving(quiet, budgets=budgets) as served:
        for opcode in (TEXT, BINARY):
            within = masked(opcode, b"x") * 15
            assert await verdict(served, within + masked(CLOSE, b"\x03\xe8")) == 1000
            assert await verdict(served, within + masked(opcode, b"x")) == 4429
        assert await verdict(served, (masked(TEXT, b"x", fin=False) + masked(CONT)) * 8) == 4429


@on_both_loops
async def test_the_budget_fills_again_at_the_published_rate() -> None:
    budgets = Budgets(commands_per_second=100, burst=5, frames_beside=0, burst_beside=0)
    async with serving(budgets=budgets) as served, served.client() as client:
        for _ in range(30):
            await client.send("x")
            await client.recv()
            await asyncio.sleep(0.02)


@on_both_loops
async def test_a_flood_is_closed_and_nobody_else_notices() -> None:
    budgets = Budgets(flush_s=0.2)
    async with serving(budgets=budgets) as served, served.client() as bystander:
        for attack in (
            masked(TEXT, b"{}") * 5000,
            masked(PING) * 5000,
            masked(PONG, bytes(125)) * 500,
            masked(TEXT, b"x", fin=False) + masked(CONT, b"x", fin=False) * 5000,
            masked(BINARY, bytes(60_000)),
        ):
            async with asyncio.timeout(10), raw(served, "/wire") as peer:
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
            most = max(most, recorder.wire.unsent())
            if not recorder.codes:
                asyncio.get_running_loop().call_soon(look)

        look()
        await peer.say_until_gone(masked(PING, bytes(125)) * 100)
        assert await recorder.until_closed() == 1006
        assert 10_000 < most <= 50_000 + 8192
        await served.until_gone()


@on_both_loops
async def test_one_peers_input_is_taken_in_slices() -> None:
    """Between two slices every other socket has its turn, whatever is in them."""
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
        # The end of one of uvloop's reads and the beginning of the next may share a turn.
        assert max(turns) <= 2 * (8192 // len(smallest) + 1)


@on_both_loops
async def test_fifty_peers_that_never_read_hold_little_and_leave() -> None:
    async with serving(budgets=Budgets(stall_s=0.5)) as served, served.client() as bystander:
        await served.recorder()
        made = frame(bytes(300_000))
        peers = [raw(served, "/wire", deaf=True) for _ in range(50)]
        for peer in peers:
            await peer.__aenter__()
        recorders = [await served.recorder() for _ in peers]
        for _ in range(10):
            for recorder in recorders:
                if recorder.wire.room():
                    recorder.wire.send_room(made)
            await bystander.send("x")
            await bystander.recv()
        assert all(recorder.wire.unsent() <= len(made) + 65_536 for recorder in recorders)
        assert [await recorder.until_closed() for recorder in recorders] == [1006] * 50
        await served.until_gone(left=1)
        for peer in peers:
            await peer.__aexit__(None, None, None)


# The handshake.


@on_both_loops
async def test_an_upgrade_that_is_never_accepted_is_given_up() -> None:
    async with serving(budgets=Budgets(handshake_s=0.2)) as served:
        async with raw(served) as peer:
            await peer.say(b"GET /hung HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
            assert await peer.hear_all() == b""
        await served.until_gone()
        assert served.app.disconnects == [1006]


@on_both_loops
async def test_an_accepted_socket_has_no_handshake_deadline() -> None:
    budgets = Budgets(handshake_s=0.1, body_s=0.1)
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
        for early in (masked(TEXT, b"x"), masked(CLOSE), masked(3)):
            async with raw(served) as peer:
                await peer.say(b"GET /hung HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
                await until(lambda: served.server.server_state.tasks)
                await peer.say(early)
                assert await peer.hear_all() == b""
            await served.until_gone()


# Shutdown.


@on_both_loops
async def test_a_shutdown_survives_every_kind_of_peer(caplog: pytest.LogCaptureFixture) -> None:
    """Stock, one peer in mid-close makes the server raise, and the lifespan never ends."""
    budgets = Budgets(echo_s=0.3, flush_s=0.3)
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
                recorder.wire.send_room(frame(bytes(1_000_000)))
            recorders[2].wire.close(4001)
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
        recorder.wire.send_room(frame(bytes(1_000_000)))
        peer.sock.shutdown(1)
        assert await recorder.until_closed() == 1006
        await served.until_gone()
