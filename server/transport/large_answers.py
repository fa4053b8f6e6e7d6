"""Limits on large answers in flight, over sockets, streams and HTTP: their number and bytes.

A slow client keeps its answer in the server's memory until the last byte has left. So a large
answer needs a *place*: each user has a few places, and all answers share a budget of bytes. A
buffer that many clients share, such as a room's snapshot, counts once.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable

from protocol.errors import ErrorCode, RetryableError

#: Smallest answer, in bytes, that needs a place. The limit on connections bounds all smaller ones.
MIN_LARGE_BYTES = 65_536
#: Large answers in flight of one user; the next one waits. Allows for several tabs and a phone that
#: load at the same time.
MAX_LARGE_PER_USER = 4
#: Bytes of all large answers in flight, each shared buffer counted once. Beyond that, the user with
#: the most bytes loses an answer older than ``CUT_DELAY_S``; if there is none, the next one waits.
MAX_LARGE_BYTES = 128 * 1024 * 1024
#: Seconds before a large answer may be cut in favour of another user. Enough for the largest answer
#: over an ordinary network.
CUT_DELAY_S = 2.0
#: How long an HTTP request waits for a place; then ``busy``.
HTTP_PLACE_TIMEOUT_S = 2.0
#: Interval at which a waiting answer checks again, because time alone can make room.
PLACE_CHECK_INTERVAL_S = 0.5
#: The ``retry_after_ms`` of a request that got no place.
PLACE_RETRY_MS = 1_000


def _nothing() -> None:
    """Cut nothing: the answer is not in flight yet."""


class Place:
    """The place of one large answer. ``end`` gives it back, and may be called twice."""

    __slots__ = ("_answers", "began", "buffers", "cut", "user")

    def __init__(self, answers: LargeAnswers, user: str, began: float) -> None:
        self._answers: LargeAnswers | None = answers
        self.user = user
        self.began = began
        self.buffers: tuple[bytes, ...] = ()
        self.cut: Callable[[], None] = _nothing

    def carry(self, buffers: Iterable[bytes], cut: Callable[[], None]) -> None:
        """Count ``buffers`` until ``end``; ``cut`` ends their connection."""
        if self._answers is not None:
            self._answers.carry(self, tuple(buffers), cut)

    def end(self) -> None:
        """Give the place back: the answer has left, or never will."""
        answers, self._answers = self._answers, None
        if answers is not None:
            answers.end(self)


class LargeAnswers:
    """The places of all large answers of a node. ``clock`` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._places: OrderedDict[Place, None] = OrderedDict()
        """The oldest first."""
        self._users: Counter[str] = Counter()
        self._buffers: dict[int, list[int]] = {}
        """Number of places and size of each buffer, by its ``id``. The places keep it alive."""
        self._waiting: dict[str, dict[asyncio.Future[None], None]] = {}
        self.bytes = 0
        """Bytes of all buffers in flight."""

    def place_now(self, user: str) -> Place | None:
        """Return a place for an answer to ``user``, or ``None`` if there is none."""
        if self._users[user] >= MAX_LARGE_PER_USER:
            return None
        if self.bytes >= MAX_LARGE_BYTES and not self._cut_for(user):
            return None
        place = Place(self, user, self._clock())
        self._places[place] = None
        self._users[user] += 1
        return place

    async def place(self, user: str, timeout_s: float | None = None) -> Place:
        """Wait for a place. Raises ``busy`` after ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                while (place := self.place_now(user)) is None:
                    await self._change(user)
                return place
        except TimeoutError:
            raise RetryableError(
                ErrorCode.BUSY,
                "too many large answers are under way",
                retry_after_ms=PLACE_RETRY_MS,
            ) from None

    async def _change(self, user: str) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(user, {})[future] = None
        try:
            async with asyncio.timeout(PLACE_CHECK_INTERVAL_S):
                await future
        except TimeoutError:
            pass
        finally:
            own = self._waiting[user]
            del own[future]
            if not own:
                del self._waiting[user]

    def carry(self, place: Place, buffers: tuple[bytes, ...], cut: Callable[[], None]) -> None:
        """See ``Place.carry``."""
        self._drop(place)
        place.buffers, place.cut = buffers, cut
        for buffer in buffers:
            counted = self._buffers.setdefault(id(buffer), [0, len(buffer)])
            counted[0] += 1
            if counted[0] == 1:
                self.bytes += counted[1]

    def end(self, place: Place) -> None:
        """See ``Place.end``."""
        del self._places[place]
        self._users[place.user] -= 1
        if not self._users[place.user]:
            del self._users[place.user]
        self._drop(place)
        self._wake(place.user)

    def _drop(self, place: Place) -> None:
        buffers, place.buffers, place.cut = place.buffers, (), _nothing
        for buffer in buffers:
            counted = self._buffers[id(buffer)]
            counted[0] -= 1
            if not counted[0]:
                self.bytes -= counted[1]
                del self._buffers[id(buffer)]

    def _wake(self, user: str) -> None:
        """Let the first waiting answer of ``user``, and of the other users, check again."""
        other = next((name for name in self._waiting if name != user), user)
        for name in {user, other}:
            first = next((f for f in self._waiting.get(name, ()) if not f.done()), None)
            if first is not None:
                first.set_result(None)

    def _cut_for(self, user: str) -> bool:
        """Cut an answer in favour of ``user``. Return whether there is room now."""
        carried: defaultdict[str, float] = defaultdict(float)
        for place in self._places:
            carried[place.user] += sum(
                len(buffer) / self._buffers[id(buffer)][0] for buffer in place.buffers
            )
        heaviest = max(carried, key=lambda name: carried[name])
        if heaviest == user or carried[heaviest] <= carried[user]:
            return False
        now = self._clock()
        for place in self._places:
            if place.user == heaviest and place.buffers and now - place.began >= CUT_DELAY_S:
                cut = place.cut
                place.end()
                cut()
                break
        return self.bytes < MAX_LARGE_BYTES
