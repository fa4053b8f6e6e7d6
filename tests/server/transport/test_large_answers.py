"""Large answers under way: a few for each user, and a budget of bytes for all."""

from __future__ import annotations

import asyncio

import pytest

from protocol.errors import ErrorCode, RetryableError
from server.transport import large_answers
from server.transport.large_answers import (
    CUT_DELAY_S,
    MAX_LARGE_PER_USER,
    LargeAnswers,
    Place,
)


class Site:
    """Places of some users, and the users whose answers were cut."""

    def __init__(self) -> None:
        self.now = 0.0
        self.answers = LargeAnswers(lambda: self.now)
        self.cut: list[str] = []

    def take(self, user: str, *buffers: bytes) -> Place:
        """An answer of ``user`` that is under way."""
        place = self.answers.place_now(user)
        assert place is not None
        place.carry(buffers, lambda: self.cut.append(user))
        return place


@pytest.fixture
def site() -> Site:
    return Site()


async def test_a_user_has_a_few_places_and_the_others_theirs(site: Site) -> None:
    own = [site.take("ann", b"x") for _ in range(MAX_LARGE_PER_USER)]
    assert site.answers.place_now("ann") is None
    with pytest.raises(RetryableError) as refused:
        await site.answers.place("ann", 0.0)
    assert refused.value.code == ErrorCode.BUSY
    assert refused.value.retry_after_ms
    assert site.answers.place_now("bob") is not None
    own[0].end()
    own[0].end()
    assert site.answers.place_now("ann") is not None
    assert site.answers.place_now("ann") is None


async def test_an_answer_that_waits_gets_the_next_place_of_its_user(site: Site) -> None:
    own = [site.take("ann", b"x") for _ in range(MAX_LARGE_PER_USER)]
    waiting = [asyncio.create_task(site.answers.place("ann")) for _ in range(2)]
    await asyncio.sleep(0)
    for place, task in zip(own, waiting, strict=False):
        place.end()
        await task
    assert site.answers.place_now("ann") is None


async def test_what_many_read_counts_once(site: Site) -> None:
    snapshot = bytes(1_000)
    readers = [site.take(f"reader {n}", snapshot, bytes(10 + n)) for n in range(5)]
    assert site.answers.bytes == 1_000 + sum(10 + n for n in range(5))
    for place in readers:
        place.end()
    assert site.answers.bytes == 0
    assert not site.answers._users
    assert not site.answers._places


async def test_the_heaviest_user_loses_an_old_answer_when_the_bytes_are_needed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(large_answers, "MAX_LARGE_BYTES", 2_000)
    shared = bytes(900)
    for n in range(4):
        site.take(f"reader {n}", shared)
    for _ in range(3):
        site.take("heavy", bytes(400))
    # All of them are recent: a client that reads has them in a moment.
    assert site.answers.place_now("new") is None
    assert site.cut == []
    site.now = CUT_DELAY_S
    # The user who holds the most gets no more, and takes no other user's place.
    assert site.answers.place_now("heavy") is None
    assert site.cut == []
    while site.answers.place_now("new") is None:
        assert site.cut
    assert set(site.cut) == {"heavy"}
    assert site.answers.bytes < 2_000
