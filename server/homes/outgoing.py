"""The commands on their way to one home, until each is answered or taken back.

They are numbered, and their letters come in order or not at all. If one is lost, the home refuses
what follows it; then all are taken back, and the next ones begin a new *stream*. So commands are
decided in the order sent, whatever Redis does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from handlers.lanes.decide import Submission
from server.homes.letters import LETTER_BYTES, Answers, Commands, ForwardedAnswer, forwarded
from server.homes.routes import Route

#: Seconds without a word of a home that commands were sent to; then they are decided here. A home
#: that decides says so every ``RECEIPT_INTERVAL_S``. Long against a busy event loop, short for
#: people.
SILENCE_TIMEOUT_S: Final = 0.75
#: Seconds in which a home answers none of the commands that it has; then they are decided here. It
#: is cut off from the database. One event alone does not show that: its commands may wait for
#: others, and two nodes that decide in one event make each other wait longer.
STUCK_TIMEOUT_S: Final = 2.0
#: Seconds for which a home is not used after it was stuck.
STUCK_PAUSE_S: Final = 10.0
#: Seconds that a home which failed is not used, doubled with each failure in a row. Trying costs
#: its commands ``SILENCE_TIMEOUT_S``.
MIN_DISTRUST_S: Final = 1.0
#: Seconds to which that is doubled at most.
MAX_DISTRUST_S: Final = 30.0
#: Commands on their way to one home; beyond that ``busy``. As many as may wait in a lane.
MAX_OUTGOING: Final = 20_000
#: Bytes that a forwarded command takes in a letter in addition to its text: names, times,
#: randomness.
_OVERHEAD_BYTES: Final = 200


class Outbound:
    """A command on its way."""

    __slots__ = ("at", "route", "submission")

    def __init__(self, route: Route, submission: Submission, at: float) -> None:
        self.route = route
        self.submission = submission
        self.at = at


class Outgoing:
    """The commands on their way to ``home``. The caller passes the clock, in seconds."""

    def __init__(self, home: str, streams: Iterator[int], now: float) -> None:
        """``streams``: numbers that were not used before in letters of this node."""
        self.home = home
        self._streams = streams
        self._unsent: deque[Outbound] = deque()
        self._sent: dict[int, Outbound] = {}
        """By their number, the oldest first."""
        self._letters: deque[tuple[int, float]] = deque()
        """The last number of each letter that the home has not confirmed, and when it was sent."""
        self._heard_at = self._answered_at = now
        self._suspected = False
        self._trusted_from = now
        self._distrust = MIN_DISTRUST_S
        self._begin()

    def _begin(self) -> None:
        self._stream = next(self._streams)
        self._next = 1
        self._answers = 0
        self._letters.clear()
        self._suspected = False

    def __len__(self) -> int:
        """Commands without an answer."""
        return len(self._unsent) + len(self._sent)

    def __iter__(self) -> Iterator[Outbound]:
        """Return the commands without an answer, in the order sent."""
        yield from self._sent.values()
        yield from self._unsent

    def put(self, outbound: Outbound) -> None:
        """Send a command with the next letter."""
        if not len(self):
            self._heard_at = outbound.at
        self._unsent.append(outbound)

    @property
    def has_unsent(self) -> bool:
        """Whether commands wait for a letter."""
        return bool(self._unsent)

    def take(self, now: float) -> Commands | None:
        """Return the commands of the next letter; ``None`` if there are none."""
        if not self._unsent:
            return None
        first, size = self._next, 0
        taken = []
        while self._unsent and size < LETTER_BYTES:
            outbound = self._unsent.popleft()
            self._sent[self._next] = outbound
            self._next += 1
            size += len(outbound.submission.payload) + _OVERHEAD_BYTES
            taken.append(forwarded(outbound.route.event, outbound.submission))
        self._letters.append((self._next - 1, now))
        return Commands(self._stream, first, taken)

    def hear(self, answers: Answers, now: float) -> bool | None:
        """Note a word of the home. ``None``: it is not to be believed; ``False``: one was lost.

        The answers themselves are asked for by ``answered``.
        """
        if answers.stream != self._stream or answers.number <= self._answers:
            return None
        lost = answers.is_broken or answers.number != self._answers + 1
        self._answers = answers.number
        self._heard_at = now
        self._suspected = False
        self._distrust = MIN_DISTRUST_S
        while self._letters and self._letters[0][0] <= answers.received:
            self._letters.popleft()
        return not lost

    def answered(self, answer: ForwardedAnswer, now: float) -> Outbound | None:
        """Take out the command that ``answer`` is for, if it waits."""
        self._answered_at = now
        return self._sent.pop(answer.number, None)

    # Homes that fail.

    def is_silent(self, now: float) -> bool:
        """Whether the home has to be given up on; asked at intervals.

        The answer is yes the second time in a row: between the two, the event loop has read what
        came while it was busy.
        """
        if not self._silent(now):
            self._suspected = False
        elif self._suspected:
            return True
        else:
            self._suspected = True
        return False

    def _silent(self, now: float) -> bool:
        latest = now - SILENCE_TIMEOUT_S
        return (
            (bool(self._sent) and self._heard_at < latest)
            or (bool(self._letters) and self._letters[0][1] < latest)
            or (bool(self._unsent) and self._unsent[0].at < latest)
        )

    def is_stuck(self, now: float) -> bool:
        """Whether the home answers nothing although it has commands."""
        latest = now - STUCK_TIMEOUT_S
        oldest = next(iter(self._sent.values()), None)
        return oldest is not None and oldest.at <= latest and self._answered_at <= latest

    def take_back(self) -> list[Outbound]:
        """Take back all commands, in the order sent, and begin a new stream."""
        taken = list(self)
        self._sent.clear()
        self._unsent.clear()
        self._begin()
        return taken

    def distrust(self, now: float) -> None:
        """Do not use this home for a while."""
        self._trusted_from = now + self._distrust
        self._distrust = min(self._distrust * 2, MAX_DISTRUST_S)

    def pause(self, now: float) -> None:
        """Do not use this home, which is stuck, for ``STUCK_PAUSE_S``."""
        self._trusted_from = now + STUCK_PAUSE_S

    def is_trusted(self, now: float) -> bool:
        """Whether commands may be sent there."""
        return now >= self._trusted_from
