"""A campaign that proved nothing says so, and its faults find commands under way."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.campaign.report import GONE, Report
from tests.campaign.waves import Waves

OPERATIONS = 1_000


def report(answers: dict[str, int]) -> Report:
    """A campaign with one fault, whose operations had these outcomes."""
    return Report(
        seed=1,
        commands=OPERATIONS,
        nodes=3,
        sockets=200,
        users=50,
        events=8,
        operations=OPERATIONS,
        answers=Counter(answers),
        faults=Counter({"kill -9 after COMMIT": 1}),
    )


@pytest.mark.parametrize("code", [GONE, "timeout", "commit_unknown"])
def test_a_campaign_proves_nothing_with_less_than_a_hundredth_unknown(code: str) -> None:
    replayed = {"ack, replayed": 10}
    assert report(replayed | {code: 10}).weak() == []
    assert report(replayed | {code: 9}).weak() == ["only 0.90% of the operations ended unknown"]


def test_a_campaign_proves_nothing_with_less_than_a_hundredth_from_the_journal() -> None:
    assert report({GONE: 10, "ack, replayed": 9}).weak() == [
        "only 0.90% of the operations were replayed"
    ]


async def test_senders_that_rest_go_on_in_one_wave_and_a_fault_finds_them_sent() -> None:
    waves, sent, found = Waves(), 0, -1

    async def sender(seconds: float) -> None:
        nonlocal sent
        await waves.rest(seconds)
        # Each sending is a task of its own, as in a campaign.
        await asyncio.gather(send())

    async def send() -> None:
        nonlocal sent
        sent += 1

    async def fault() -> None:
        nonlocal found
        await waves.sent()
        found = sent

    # The first sender's rest counts: the others, who would rest for an hour, go with it.
    await asyncio.gather(sender(0.05), *(sender(3_600) for _ in range(20)), fault())
    assert (sent, found) == (21, 21)


async def test_a_fault_waits_for_no_wave_while_nobody_rests() -> None:
    waves = Waves()
    await waves.sent()
    await asyncio.wait_for(waves.rest(0.0), 30)
    await waves.sent()
