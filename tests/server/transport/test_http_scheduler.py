"""Requests over HTTP: at once within a budget, in turns beyond it, and all answered in order."""

from __future__ import annotations

import asyncio

import pytest

from server.limits.token_bucket import TokenBucket
from server.transport.http_scheduler import HttpScheduler
from tests.server.peers import on_both_loops, serving, until
from tests.server.raw import raw

GET = b"GET / HTTP/1.1\r\nhost: ayes\r\n\r\n"
PROBE = b"GET /readyz HTTP/1.1\r\nhost: ayes\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: ayes\r\ncontent-length: 4\r\n\r\n"
#: The rest of an answer, after its header.
BODY = b"4\r\ndone\r\n0"


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every request is over the budget; requests that wait for a turn are recorded."""
    wait = HttpScheduler.wait
    found: list[int] = []

    def noted(scheduler: HttpScheduler, connection: object) -> None:
        found.append(id(connection))
        wait(scheduler, connection)  # type: ignore[arg-type]

    monkeypatch.setattr("server.transport.http_scheduler.REQUEST_BURST", 0.0)
    monkeypatch.setattr("server.transport.http_scheduler.REQUESTS_PER_SECOND", 0.000_1)
    monkeypatch.setattr(HttpScheduler, "wait", noted)
    return found


async def test_a_burst_is_taken_as_it_comes_and_what_is_more_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.transport.http_scheduler.REQUEST_BURST", 3.0)
    monkeypatch.setattr("server.transport.http_scheduler.REQUESTS_PER_SECOND", 0.000_1)
    scheduler = HttpScheduler(asyncio.get_running_loop())
    found = []
    for _ in range(5):
        found.append(scheduler.may_run_now())
        scheduler.record()
    assert found == [True, True, True, False, False]


@on_both_loops
async def test_whoever_waits_for_a_turn_is_answered(turned: list[int]) -> None:
    async with serving() as served, raw(served) as one, raw(served) as other:
        for _ in range(3):
            for peer in (one, other):
                await peer.say(GET)
            for peer in (one, other):
                assert b" 200 " in await peer.head()
                assert await peer.head() == BODY
    assert len(turned) == 6


@on_both_loops
async def test_a_body_and_what_is_pipelined_behind_it_come_along(turned: list[int]) -> None:
    async with serving() as served, raw(served) as peer:
        await peer.say(POST)
        await peer.say(b"bo")
        await peer.say(b"dy" + GET + GET)
        for _ in range(3):
            assert b" 200 " in await peer.head()
            assert await peer.head() == BODY


@on_both_loops
async def test_the_first_byte_of_a_request_behind_another_admits_no_request(
    turned: list[int],
) -> None:
    async with serving() as served, raw(served) as peer:
        await peer.say(GET + GET[:1])
        for _ in range(3):
            assert b" 200 " in await peer.head()
            assert await peer.head() == BODY
            await peer.say(GET[1:] + GET[:1])
    assert len(turned) >= 3


@pytest.mark.parametrize(
    "asked",
    [
        GET[:-2] + b"x: Upgrade: websocket\r\n\r\n",
        GET + GET[:-2] + b"upgrade: websocket\r\n\r\n",
    ],
)
@on_both_loops
async def test_whoever_only_seems_to_ask_for_an_upgrade_waits(
    turned: list[int], asked: bytes
) -> None:
    async with serving() as served, raw(served) as peer:
        await peer.say(asked)
        assert b" 200 " in await peer.head()
    assert turned


def test_what_a_flood_has_left_is_no_longer_felt_than_a_burst_takes_to_come_back() -> None:
    bucket = TokenBucket(10, 20, 0)
    for _ in range(1_000):
        bucket.spend()
    assert (bucket.has(2.0), bucket.has(4.2)) == (False, True)


@on_both_loops
async def test_one_that_goes_while_it_waits_leaves_nothing(turned: list[int]) -> None:
    async with serving() as served:
        async with raw(served) as peer:
            await peer.say(GET)
        await served.until_gone()
        async with raw(served) as peer:
            await peer.say(GET)
            assert b" 200 " in await peer.head()


async def test_while_requests_wait_an_upgrade_does_not(
    turned: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.transport.http_scheduler.FairScheduler.wait", lambda *_: None)
    async with serving() as served, raw(served) as waiting, raw(served, "/echo"):
        await waiting.say(GET)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await waiting.head()


async def test_no_number_of_requests_keeps_a_probe_waiting(
    turned: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.transport.http_scheduler.PROBE_BURST", 2.0)
    monkeypatch.setattr("server.transport.http_scheduler.PROBES_PER_SECOND", 0.000_1)
    monkeypatch.setattr("server.transport.http_scheduler.FairScheduler.wait", lambda *_: None)
    async with serving() as served, raw(served) as waiting, raw(served) as probe:
        await waiting.say(GET)
        for _ in range(2):
            await probe.say(PROBE)
            assert b" 200 " in await probe.head()
            assert await probe.head() == BODY
        assert len(turned) == 1
        # A request like any other, so that a flood of them gets turns.
        await probe.say(PROBE)
        await until(lambda: len(turned) == 2)


@on_both_loops
async def test_what_is_no_probe_waits_behind_one(turned: list[int]) -> None:
    for asked in (PROBE + GET, PROBE.replace(b"/readyz", b"/readyz-not")):
        turned.clear()
        async with serving() as served, raw(served) as peer:
            await peer.say(asked)
            assert b" 200 " in await peer.head()
        assert turned
