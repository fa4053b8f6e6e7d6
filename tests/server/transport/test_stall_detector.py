"""Output that stops moving is given up, and slow output is not; with a clock of its own."""

from __future__ import annotations

import asyncio
from typing import cast

from server.transport.stall_detector import STALL_CHECKS, StallDetector
from tests.clock import ClockedLoop

STALL_S = 10.0


class Output:
    """A connection whose peer reads as much as the test says."""

    def __init__(self) -> None:
        self.taken = 0
        self.left = 1_000
        self.aborted = False

    def unsent(self) -> int:
        return self.left

    def sent(self) -> int:
        return self.taken

    def abort(self) -> None:
        self.aborted = True

    def is_gone(self) -> bool:
        return self.aborted

    def take(self, size: int) -> None:
        self.taken += size
        self.left -= size


def watched() -> tuple[ClockedLoop, Output, StallDetector]:
    clock, output = ClockedLoop(), Output()
    detector = StallDetector(cast("asyncio.AbstractEventLoop", clock), STALL_S, output)
    detector.watch()
    return clock, output, detector


def test_output_without_progress_is_given_up_in_its_time() -> None:
    clock, output, _ = watched()
    clock.advance(STALL_S * 0.99)
    assert not output.is_gone()
    clock.advance(STALL_S * (0.01 + 1 / STALL_CHECKS))
    assert output.is_gone()
    assert not clock.waiting()


def test_slow_is_not_deaf() -> None:
    clock, output, _ = watched()
    for _ in range(100):
        clock.advance(STALL_S * 0.9)
        output.take(1)
    assert not output.is_gone()


def test_output_that_was_sent_leaves_no_watch_behind() -> None:
    clock, output, detector = watched()
    output.take(output.left)
    clock.advance(STALL_S)
    assert not detector.watching
    assert not clock.waiting()
    clock.advance(10 * STALL_S)
    assert not output.is_gone()


def test_a_watch_that_was_stopped_gives_nothing_up() -> None:
    clock, output, detector = watched()
    detector.stop()
    clock.advance(10 * STALL_S)
    assert not output.is_gone()
