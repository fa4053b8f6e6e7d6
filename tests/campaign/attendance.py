"""The time that sockets were open in a round, node by node.

If half of the sockets are shut, the run proves half of its claim. So open time is counted per node,
and a node that lost most of its sockets without a fault fails the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

#: After a fault's end, seconds until its clients must be back: a `bye` spreads them over the drain,
#: and a connection that hangs is given up after `seat.PATIENCE`. Beyond that nothing explains them.
GRACE_SECONDS = 16.0
#: Longest that half of a node's seats may be shut with no fault to explain it.
MAX_UNEXPLAINED_SECONDS = 5.0
#: Longest that one seat may be shut, explained or not: a node's start may take 90 s.
MAX_SHUT_SECONDS = 150.0
#: The least share of all seat-seconds that sockets must have been open for, however many faults.
MIN_OPEN_SHARE = 0.5


class Span(NamedTuple):
    """From one moment to another, on the monotonic clock."""

    begun: float
    ended: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.ended - self.begun


@dataclass
class Attendance:
    """The sums over a node's seats."""

    seats: int = 0
    total: float = 0.0
    """Seconds of the round, times the node's seats."""
    open: float = 0.0
    """Of these, the ones in which the seat's socket was open and had said hello."""
    longest_shut: float = 0.0
    """The longest time that one seat was shut."""
    unexplained: float = 0.0
    """The longest time that half of the seats were shut with no fault to explain it."""
    commands: int = 0
    """Commands sent to the node."""

    @property
    def share(self) -> float:
        """Of the seat-seconds, those that were open."""
        return self.open / self.total if self.total else 1.0

    def add(self, other: Attendance) -> None:
        """Add another round's attendance to this one."""
        self.seats = max(self.seats, other.seats)
        self.total += other.total
        self.open += other.open
        self.longest_shut = max(self.longest_shut, other.longest_shut)
        self.unexplained = max(self.unexplained, other.unexplained)
        self.commands += other.commands

    def wrong(self) -> Iterator[str]:
        """The reasons why this node does not count as a whole one."""
        if self.longest_shut > MAX_SHUT_SECONDS:
            yield f"a socket was not open for {self.longest_shut:.0f} s"
        if self.unexplained > MAX_UNEXPLAINED_SECONDS:
            yield (
                f"half of its sockets were not open for {self.unexplained:.0f} s, "
                "and no fault explains it"
            )

    def __str__(self) -> str:
        return (
            f"{self.seats} seats, open {self.open:,.0f} of {self.total:,.0f} seat-seconds "
            f"({self.share:.1%}), longest shut {self.longest_shut:.1f} s, "
            f"{self.commands:,} commands"
        )


def half_a_venue(nodes: Mapping[str, Attendance]) -> Iterator[str]:
    """The reasons why these nodes do not count as a whole venue."""
    for name, node in nodes.items():
        yield from (f"{name}: {why}" for why in node.wrong())
    opened, total = (sum(getattr(n, what) for n in nodes.values()) for what in ("open", "total"))
    if opened < MIN_OPEN_SHARE * total:
        yield f"all sockets together were open for {opened / total:.0%} of the time only"


def attendance(
    round_span: Span, opened: Sequence[Sequence[Span]], faults: Sequence[Span]
) -> Attendance:
    """A node's sums, from its seats' open times and its faults' times."""
    gaps = [list(_gaps(round_span, spans)) for spans in opened]
    return Attendance(
        seats=len(opened),
        total=len(opened) * round_span.seconds,
        open=sum(round_span.seconds - sum(gap.seconds for gap in each) for each in gaps),
        longest_shut=max((gap.seconds for each in gaps for gap in each), default=0.0),
        unexplained=_unexplained(gaps, [Span(f.begun, f.ended + GRACE_SECONDS) for f in faults]),
    )


def _gaps(whole: Span, spans: Sequence[Span]) -> Iterator[Span]:
    """The parts of ``whole`` outside ``spans``, which are in order and apart."""
    at = whole.begun
    for span in spans:
        if span.begun > at:
            yield Span(at, min(span.begun, whole.ended))
        at = max(at, span.ended)
    if at < whole.ended:
        yield Span(at, whole.ended)


def _unexplained(gaps: Sequence[Sequence[Span]], explained: Sequence[Span]) -> float:
    """The longest time for which at least half were in a gap, outside of ``explained``."""
    changes = [(gap.begun, 1, 0) for each in gaps for gap in each]
    changes += [(gap.ended, -1, 0) for each in gaps for gap in each]
    changes += [(span.begun, 0, 1) for span in explained]
    changes += [(span.ended, 0, -1) for span in explained]
    shut = excused = 0
    since: float | None = None
    longest = 0.0
    for when, more_shut, more_excused in sorted(changes):
        if since is not None:
            longest = max(longest, when - since)
        shut += more_shut
        excused += more_excused
        is_away = shut > 0 and 2 * shut >= len(gaps) and not excused
        since = (when if since is None else since) if is_away else None
    return longest
