"""Each user has a share of a queue."""

from __future__ import annotations

import pytest

from handlers.lanes.decide import ENTROPY_BYTES, Submission
from handlers.lanes.lane import MAX_BATCH_COMMANDS, MAX_QUEUE_SHARE, Lane
from handlers.step import Actor
from protocol.commands import VoteRetract

LONGEST = 4_000


def waiting(user: str, number: int) -> Submission:
    """A command of ``user``."""
    command = VoteRetract(id=f"{user}-{number:06}", event="e", proposal="p")
    return Submission(
        command, Actor(user, user), entropy=bytes(ENTROPY_BYTES), reply=lambda *_: None
    )


def test_one_user_takes_a_share_of_the_queue_and_the_others_come_in() -> None:
    lane = Lane("e")
    taken = sum(lane.put(waiting("eve", n), LONGEST) for n in range(LONGEST))
    assert taken == LONGEST * MAX_QUEUE_SHARE
    assert lane.put(waiting("ada", 0), LONGEST)
    # Commands that were taken up make room again.
    lane.take()
    assert [lane.put(waiting("eve", n), LONGEST) for n in range(MAX_BATCH_COMMANDS + 1)] == [
        *[True] * MAX_BATCH_COMMANDS,
        False,
    ]


@pytest.mark.parametrize("overdue", [False, True])
def test_nothing_is_kept_of_those_who_wait_no_more(overdue: bool) -> None:
    lane = Lane("e")
    for number in range(600):
        assert lane.put(waiting(f"user {number % 7}", number), LONGEST)
    while lane.queue:
        if overdue:
            assert len(lane.take_overdue(float("inf"))) == 600
        else:
            lane.take()
    assert not lane._waiting


def test_all_of_them_together_fill_it() -> None:
    lane = Lane("e")
    taken = sum(lane.put(waiting(f"user {n % 100}", n), LONGEST) for n in range(2 * LONGEST))
    assert taken == LONGEST


def test_a_batch_takes_along_what_came_since_up_to_its_bounds() -> None:
    lane = Lane("e")
    lane.put(waiting("first", 0), LONGEST)
    batch = lane.take()
    assert batch.take_more(10) == 0
    for number in range(2 * MAX_BATCH_COMMANDS):
        assert lane.put(waiting(f"user {number % 7}", number), LONGEST)
    assert batch.take_more(3) == 3
    assert batch.take_more(LONGEST) == MAX_BATCH_COMMANDS - 4
    assert batch.take_more(LONGEST) == 0
    taken = [submission.command.id for submission in batch.submissions]
    came = [f"user {n % 7}-{n:06}" for n in range(MAX_BATCH_COMMANDS - 1)]
    assert taken == ["first-000000", *came]
    assert lane.running == batch.submissions
    assert len(lane.queue) == MAX_BATCH_COMMANDS + 1
