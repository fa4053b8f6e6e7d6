"""The guard over HTTP: trickled requests end, and requests that are only slow have time."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from server.transport.budgets import guarded
from server.transport.guard import Budgets
from server.transport.guard_http import GuardedHttp
from tests.clock import ClockedLoop
from tests.server.peers import on_both_loops, serving, until
from tests.server.raw import TEXT, masked, raw

GET = b"GET / HTTP/1.1\r\nhost: ayes\r\n\r\n"
CLOSING = b"\r\nconnection: close\r\n\r\n"
SHORT = Budgets(handshake_timeout_s=0.2, body_timeout_s=0.2)


class Clocked:
    """The clock of all HTTP connections, and the bytes they have received."""

    def __init__(self) -> None:
        self.heard = 0
        self._loops: list[ClockedLoop] = []

    def loop(self, loop: asyncio.AbstractEventLoop) -> ClockedLoop:
        """``loop``, with this clock."""
        self._loops.append(ClockedLoop(loop))
        return self._loops[-1]

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        for loop in self._loops:
            loop.advance(seconds)


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> Clocked:
    """Deadlines use a clock of the test's."""
    found = Clocked()
    made = GuardedHttp.connection_made
    received = GuardedHttp.data_received

    def connection_made(self: GuardedHttp, transport: Any) -> None:
        self.loop = cast("asyncio.AbstractEventLoop", found.loop(self.loop))
        made(self, transport)

    def data_received(self: GuardedHttp, data: bytes) -> None:
        received(self, data)
        found.heard += len(data)

    monkeypatch.setattr(GuardedHttp, "connection_made", connection_made)
    monkeypatch.setattr(GuardedHttp, "data_received", data_received)
    return found


@on_both_loops
async def test_a_connection_is_kept_between_requests_and_closed_when_idle(
    clocked: Clocked,
) -> None:
    async with serving(timeout_keep_alive=10) as served, raw(served) as peer:
        for _ in range(3):
            await peer.say(GET)
            assert b" 200 " in await peer.head()
            assert await peer.head() == b"4\r\ndone\r\n0"
            (connection,) = served.connections
            await until(lambda: connection.timeout_keep_alive_task is not None)  # noqa: B023
            clocked.advance(9.5)
        clocked.advance(1.0)
        assert await peer.hear_all() == b""
        await served.until_gone()


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET",
        b"GET / HTTP/1.1\r\nhost: ay",
        b"\r\n",
        b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n",
    ],
)
@on_both_loops
async def test_a_header_has_a_deadline(start: bytes) -> None:
    async with serving(budgets=SHORT) as served, raw(served) as peer:
        if start:
            await peer.say(start)
        assert await peer.hear_all() == b""
        await served.until_gone()


@on_both_loops
async def test_a_header_that_trickles_in_is_not_longer_in_coming() -> None:
    async with serving(budgets=SHORT) as served:
        for kept in (b"", GET):
            for drop in (b"a: b\r\n", b"\r\n" if kept else b"x"):
                async with raw(served) as peer:
                    if kept:
                        await peer.say(kept)
                        await peer.head()
                    begun = asyncio.get_running_loop().time()
                    await peer.say(b"GET / HTTP/1.1\r\n" if drop != b"\r\n" else drop)
                    while served.connections:
                        await asyncio.sleep(0.03)
                        try:
                            await peer.say(drop)
                        except ConnectionError:
                            break
                    assert asyncio.get_running_loop().time() - begun < 30
                    await served.until_gone()


@on_both_loops
async def test_a_body_has_a_deadline() -> None:
    async with serving(budgets=SHORT) as served:
        for path in (b"/", b"/unread"):
            async with raw(served) as peer:
                await peer.say(b"POST " + path + b" HTTP/1.1\r\ncontent-length: 9\r\n\r\nfour")
                heard = await peer.hear_all()
                assert (b" 200 " in heard) == (path == b"/unread")
            await served.until_gone()


@on_both_loops
async def test_a_slow_request_within_its_deadlines_is_answered(clocked: Clocked) -> None:
    budgets = Budgets(handshake_timeout_s=10, body_timeout_s=10)
    async with serving(budgets=budgets) as served, raw(served) as peer:
        # Each of the two deadlines has two parts.
        for part in (b"POST / HTTP/1.1\r\n", b"content-length: 8\r\n\r\n", b"four", b"more"):
            await until(lambda: served.connections)
            clocked.advance(4.5)
            heard = clocked.heard
            await peer.say(part)
            await until(lambda: clocked.heard == heard + len(part))  # noqa: B023
        assert b" 200 " in await peer.head()
        assert served.app.requests == [b"fourmore"]


@on_both_loops
async def test_a_slow_request_beyond_its_deadline_is_not(clocked: Clocked) -> None:
    async with (
        serving(budgets=Budgets(handshake_timeout_s=10, body_timeout_s=10)) as served,
        raw(served) as peer,
    ):
        await peer.say(b"POST / HTTP/1.1\r\n")
        await until(lambda: clocked.heard)
        clocked.advance(10.5)
        assert await peer.hear_all() == b""
        await served.until_gone()


@on_both_loops
async def test_a_response_may_take_longer_than_any_deadline() -> None:
    budgets = Budgets(
        handshake_timeout_s=0.1, body_timeout_s=0.1, stall_timeout_s=0.1, flush_timeout_s=0.1
    )
    async with serving(budgets=budgets) as served, raw(served) as peer:
        await peer.say(GET.replace(b"/ ", b"/stream ").replace(b"\r\n\r\n", CLOSING))
        assert b" 200 " in await peer.head()
        await asyncio.sleep(0.5)
        served.app.go_on.set()
        assert (await peer.hear_all()).endswith(b"done\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    "parts",
    [
        [b"a: " + b"b" * 9000],
        [b"a: b\r\n" * 1500],
        [b"a" * 9000 + b": b"],
        [b"a: " + b"b" * 300_000],
        [b"a: ", b"b" * 5000, b"b" * 5000],
        [b"transfer-encoding: chunked\r\n\r\n0\r\na: ", b"b" * 9000],
    ],
)
@on_both_loops
async def test_a_header_over_8_kib_is_refused(parts: list[bytes]) -> None:
    async with serving() as served:
        for line in (b"POST / HTTP/1.1\r\n", b"POST /wire HTTP/1.1\r\nupgrade: websocket\r\n"):
            async with raw(served) as peer:
                await peer.say(line)
                for part in parts:
                    await asyncio.sleep(0.02)  # a read of its own
                    await peer.say(part)
                assert (await peer.hear_all())[:13] in {b"HTTP/1.1 431 ", b""}
            await served.until_gone()


@on_both_loops
async def test_a_target_over_8_kib_is_refused() -> None:
    async with serving() as served, raw(served) as peer:
        await peer.say(b"GET /" + b"x" * 9000)
        assert b" 431 " in await peer.head()
        await peer.hear_all()
        await served.until_gone()


@on_both_loops
async def test_a_header_of_8_kib_is_taken() -> None:
    async with serving() as served, raw(served) as peer:
        await peer.say(b"GET / HTTP/1.1\r\na: " + b"b" * 8100 + b"\r\n\r\n")
        assert b" 200 " in await peer.head()


@on_both_loops
async def test_pipelined_requests_are_answered_up_to_a_bound() -> None:
    async with serving() as served:
        async with raw(served) as peer:
            await peer.say(GET * 20)
            heard = b""
            while heard.count(b" 200 ") < 20:
                heard += await peer.hear()
        async with raw(served) as peer:
            await peer.say(GET * 5000)
            await peer.hear_all()
        await served.until_gone()
        assert len(served.app.requests) < 60


@on_both_loops
async def test_a_client_that_never_reads_its_response_is_given_up() -> None:
    async with serving(budgets=Budgets(stall_timeout_s=0.3)) as served:
        async with raw(served, deaf=True) as peer:
            await peer.say(GET.replace(b"/ ", b"/big "))
            await peer.hear(100)
            await served.until_gone()
            assert len(await peer.hear_all()) < 4 << 20
        await served.stop()


@on_both_loops
async def test_a_client_that_reads_slowly_gets_all_of_its_response() -> None:
    async with serving(budgets=Budgets(stall_timeout_s=0.3)) as served, raw(served) as peer:
        await peer.say(GET.replace(b"/ ", b"/big ").replace(b"\r\n\r\n", CLOSING))
        heard = 0
        while data := await peer.hear(400_000):
            heard += len(data)
            await asyncio.sleep(0.02)
        assert heard > 4 << 20
        await served.until_gone()


@on_both_loops
async def test_connections_of_any_kind_have_a_bound() -> None:
    async with (
        serving(budgets=Budgets(max_connections=2)) as served,
        raw(served, "/wire") as socket,
    ):
        async with raw(served) as one:
            await one.say(GET)
            assert b" 200 " in await one.head()
            async with raw(served) as other:
                assert await other.hear() == b""
            await served.until_gone(2)
        await served.until_gone(1)
        await socket.say(masked(TEXT, b"still here"))
        assert await socket.hear()
        async with raw(served) as next_one:
            await next_one.say(GET)
            assert b" 200 " in await next_one.head()


@on_both_loops
async def test_the_oldest_that_says_nothing_gives_its_connection_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.limits.fair_slots.SLOT_GRACE_TTL_S", 0.0)
    async with (
        serving(budgets=Budgets(max_connections=3)) as served,
        raw(served) as oldest,
        raw(served) as idle,
        raw(served, "/wire"),
    ):
        await idle.say(GET)
        assert b" 200 " in await idle.head()
        async with raw(served) as fresh:
            await fresh.say(GET)
            assert b" 200 " in await fresh.head()
            assert await oldest.hear() == b""
            await served.until_gone(3)


@on_both_loops
async def test_a_connection_whose_request_is_worked_on_gives_way_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.limits.fair_slots.SLOT_GRACE_TTL_S", 0.0)
    async with (
        serving(budgets=Budgets(max_connections=2)) as served,
        raw(served) as streaming,
        raw(served) as silent,
    ):
        await streaming.say(b"GET /stream HTTP/1.1\r\nhost: ayes\r\n\r\n")
        assert b" 200 " in await streaming.head()
        async with raw(served) as fresh:
            await fresh.say(GET)
            assert b" 200 " in await fresh.head()
            assert await silent.hear() == b""
        served.app.go_on.set()
        heard = b""
        while b"done" not in heard:
            heard += await streaming.hear()


@on_both_loops
async def test_a_socket_that_said_who_it_is_gives_way_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.limits.fair_slots.SLOT_GRACE_TTL_S", 0.0)
    async with serving(budgets=Budgets(max_connections=2)) as served:
        client, recorder = await served.pair()
        recorder.socket.mark_identified()
        async with raw(served, "/wire") as nameless:
            async with raw(served) as fresh:
                await fresh.say(GET)
                assert b" 200 " in await fresh.head()
                assert await nameless.hear() == b""
            await client.send("still here")
            assert await client.recv() == "still here"
        await client.close()


@on_both_loops
async def test_connections_come_and_go_and_the_lobby_is_empty_again() -> None:
    async with serving(budgets=Budgets(max_connections=50)) as served:
        async with raw(served) as one, raw(served, "/wire") as two:
            for _ in range(3):
                await one.say(GET)
                assert b" 200 " in await one.head()
                assert await one.head() == b"4\r\ndone\r\n0"
            await two.say(masked(TEXT, b"hello"))
            await two.hear()
        await served.until_gone()
        lobby = guarded(served.server.config).connections_state(asyncio.get_running_loop()).lobby
        assert len(lobby._places) == 0
