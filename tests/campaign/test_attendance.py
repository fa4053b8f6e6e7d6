"""A run on half a venue cannot pass for a whole one, and no reader takes another's answer."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from tests.campaign.attendance import GRACE_SECONDS, Span, attendance, half_a_venue
from tests.campaign.nodes import NodeError, NodeProcess
from tests.campaign.venue import Venue, venue

ROUND = Span(0.0, 100.0)
OPEN, GONE_FOR_GOOD = [ROUND], [Span(0.0, 10.0)]


@pytest.fixture
async def node() -> AsyncIterator[NodeProcess]:
    """A node that belongs to no campaign."""
    found: Venue
    async with venue(1) as found:
        yield found.nodes[0]


@pytest.mark.timeout(120)
async def test_two_who_ask_a_node_at_once_each_get_their_own_answer(node: NodeProcess) -> None:
    """A reader that gave up takes no other reader's answer either."""
    impatient = [asyncio.create_task(node.report()) for _ in range(20)]
    await asyncio.sleep(0)
    for task in impatient[::2]:
        task.cancel()
    answers = await asyncio.gather(*impatient, return_exceptions=True)
    assert sum(isinstance(answer, dict) for answer in answers) == 10
    assert (await node.report())["resident KiB"] > 0


@pytest.mark.timeout(120)
async def test_a_question_to_a_node_that_dies_ends_with_it(node: NodeProcess) -> None:
    os.kill(node.pid, signal.SIGSTOP)
    asked = asyncio.create_task(node.report())
    await asyncio.sleep(0)
    await node.kill()
    with pytest.raises(NodeError):
        await asked
    assert not node.up.is_set()
    await node.start()
    assert node.up.is_set()
    assert not node.ended


def test_half_a_venue_away_for_good_is_no_whole_venue() -> None:
    """A start that never set ``up`` is like this: its fault is over, and its seats stay shut."""
    found = attendance(ROUND, [GONE_FOR_GOOD] * 3 + [OPEN], [Span(9.0, 12.0)])
    assert found.unexplained == ROUND.ended - (12.0 + GRACE_SECONDS)
    assert found.longest_shut == 90.0
    assert [why for why in found.wrong() if "no fault explains it" in why]
    assert len(list(half_a_venue({"node 1": found}))) == 2
    assert found.open == 100 + 3 * 10
    assert found.share == 130 / 400


def test_seats_that_are_away_while_their_node_is_struck_are_explained() -> None:
    away = [Span(0.0, 20.0), Span(32.0, 100.0)]
    found = attendance(ROUND, [away] * 4, [Span(19.0, 27.0)])
    assert found.unexplained == 0.0
    assert found.longest_shut == 12.0
    assert not list(found.wrong())


def test_fewer_than_half_of_the_seats_need_no_explanation() -> None:
    assert attendance(ROUND, [GONE_FOR_GOOD, OPEN, OPEN], []).unexplained == 0.0
    assert attendance(ROUND, [GONE_FOR_GOOD, OPEN], []).unexplained == 90.0
