"""Repeated log lines are written once a minute, with their number."""

from __future__ import annotations

import asyncio
import logging

import pytest

from server.transport.budgets import _malformed_requests
from server.transport.http_scheduler import HttpScheduler
from server.transport.repeats import MAX_KINDS, MAX_REPEATS, REPEAT_INTERVAL_S, RepeatLimit
from tests.server.peers import serving
from tests.server.raw import raw


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def log(request: pytest.FixtureRequest) -> logging.Logger:
    return logging.getLogger(f"test.{request.node.name}")


def test_a_minute_has_one_line_and_their_number(
    log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    log.addFilter(RepeatLimit(warnings=1, clock=clock))
    for number in range(1_000):
        log.warning("no request")
        if number % 100 == 0:
            log.warning("of another kind: %d", number)
    assert [r.getMessage() for r in caplog.records] == ["no request", "of another kind: 0"]
    clock.now += REPEAT_INTERVAL_S
    log.warning("no request")
    assert [r.getMessage() for r in caplog.records][2:] == [
        "no request [999 more in 60 s]",
        "no request",
    ]


def test_errors_are_written_more_often(
    log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    log.addFilter(RepeatLimit(warnings=1, clock=Clock()))
    for number in range(100):
        log.error("a defect: %d", number)
    assert len(caplog.records) == MAX_REPEATS


def test_kinds_are_bounded_and_none_is_forgotten_without_its_number(
    log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    limit = RepeatLimit(warnings=1, clock=Clock())
    log.addFilter(limit)
    log.warning("first")
    log.warning("first")
    for number in range(3 * MAX_KINDS):
        log.warning("kind " + str(number))
    assert len(limit._periods) == MAX_KINDS
    assert "first [1 more in 0 s]" in caplog.messages


async def test_the_number_comes_without_another_line(
    log: logging.Logger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.transport.repeats.REPEAT_INTERVAL_S", 0.05)
    log.addFilter(RepeatLimit(warnings=1))
    for _ in range(5):
        log.warning("no request")
    async with asyncio.timeout(30):
        while len(caplog.records) < 2:
            await asyncio.sleep(0.01)
    assert "4 more" in caplog.messages[1]


#: Malformed requests, and requests for things that are not there.
MALFORMED = {
    "no request": b"X\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a bad header": b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    "another upgrade": b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\n"
    b"upgrade: h2c\r\n\r\n",
    "a target with a fragment": b"GET /metrics#x HTTP/1.1\r\nhost: x\r\n\r\n",
    "a header too large": b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
    "a bad handshake": b"GET /wire HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n"
    b"upgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n",
}


@pytest.mark.parametrize("what", MALFORMED)
async def test_no_stranger_writes_the_log(
    what: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    monkeypatch.setattr(HttpScheduler, "record", lambda self: begun.append(self))
    _malformed_requests._periods.clear()
    offences: list[str] = []
    async with serving(offence=offences.append) as served:
        for _ in range(30):
            async with raw(served) as peer:
                await peer.say(MALFORMED[what])
                await peer.head()
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) <= 1, caplog.messages
    if what in (
        "no request",
        "HTTP/2",
        "a bad header",
        "a header too large",
        "a target with a fragment",
    ):
        assert offences == ["127.0.0.1"] * 30
    if what != "a bad handshake":
        assert len(begun) >= 30
