"""The size of the measurements."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Two instances of one program differ for their whole life, so several are started."""

    starts: int = 5
    rounds: int = 3
    seconds: float = 4.0
    frame_rounds: int = 7
    #: Sockets of the trial of memory.
    idle: int = 2_000
    sweep_seconds: float = 3.0
    voters: tuple[int, ...] = (1, 3, 10, 30, 100, 300)
    watchers: tuple[int, ...] = (0, 30, 100, 300, 1_000)
    members: tuple[int, ...] = (10, 100, 1_000, 10_000)
    #: Repetitions of each point of the plots.
    sweep_rounds: int = 3


QUICK = Plan(
    starts=2,
    rounds=2,
    seconds=1.5,
    frame_rounds=3,
    idle=500,
    sweep_seconds=1.0,
    voters=(1, 10, 100, 300),
    watchers=(0, 100, 500),
    members=(10, 100, 1_000),
    sweep_rounds=1,
)
