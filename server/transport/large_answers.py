"""Large answers that are under way, over sockets, streams and HTTP: how many, and how many bytes.

A client that reads slowly keeps its answer in the server's memory until the last byte has left. So
a large answer needs a *place*: each user has a few of them, and all answers together have a budget
of bytes. What many clients read at once, such as a room's snapshot, counts once.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable

from protocol.errors import ErrorCode, RetryableError

#: Bytes from which on an answer is large. Below that, what a connection has yet to send is bounded
#: by the number of connections.
LARGE_BYTES = 65_536
#: Large answers of one user that may be under way at once: what a person has open in tabs and on a
#: phone, each while it loads. The next one waits.
MAX_LARGE_PER_USER = 4
#: Bytes of all large answers under way, each shared buffer counted once. Beyond that, the user who
#: holds the most loses an answer that has been under way for long; else the next one waits.
MAX_LARGE_BYTES = 128 * 1024 * 1024
#: Seconds for which a large answer is not cut for the sake of other users. A client on a network of
#: today has had the largest ones by then.
CUT_DELAY_S = 2.0
#: Longest wait for a place over HTTP; then ``busy``.
HTTP_PLACE_TIMEOUT_S = 2.0
#: How often an answer that waits looks again, as time alone can make room.
PLACE_CHECK_INTERVAL_S = 0.5
#: Asked of a client that got no place.
PLACE_RETRY_MS = 1_000


def _nothing() -> None:
    """Cut nothing: the answer is not under way yet."""


class Place:
    """The place of one large answer; given back by ``end``, which may be called again."""

    __slots__ = ("_answers", "began", "buffers", "cut", "user")

    def __init__(self, answers: LargeAnswers, user: str, began: float) -> None:
        self._answers: LargeAnswers | None = answers
        self.user = user
        self.began = began
        self.buffers: tuple[bytes, ...] = ()
        self.cut: Callable[[], None] = _nothing

    def carry(self, buffers: Iterable[bytes], cut: Callable[[], None]) -> None:
        """Count ``buffers`` until the end; ``cut`` ends their connection."""
        if self._answers is not None:
            self._answers.carry(self, tuple(buffers), cut)

    def end(self) -> None:
        """The answer has left, or never will."""
        answers, self._answers = self._answers, None
        if answers is not None:
            answers.end(self)


class LargeAnswers:
    """The places of all large answers of a node. ``clock`` tells seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._places: OrderedDict[Place, None] = OrderedDict()
        """The oldest first."""
        self._users: Counter[str] = Counter()
        self._buffers: dict[int, list[int]] = {}
        """By ``id`` of the buffer, which its places keep alive: how many carry it, its bytes."""
        self._waiting: dict[str, dict[asyncio.Future[None], None]] = {}
        self.bytes = 0
        """Bytes of all buffers under way."""

    def place_now(self, user: str) -> Place | None:
        """A place for an answer to ``user``, if there is one."""
        if self._users[user] >= MAX_LARGE_PER_USER:
            return None
        if self.bytes >= MAX_LARGE_BYTES and not self._cut_for(user):
            return None
        place = Place(self, user, self._clock())
        self._places[place] = None
        self._users[user] += 1
        return place

    async def place(self, user: str, timeout_s: float | None = None) -> Place:
        """The same; waits for it. Raises ``busy`` after ``timeout_s``."""
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
        """``Place.carry``."""
        self._drop(place)
        place.buffers, place.cut = buffers, cut
        for buffer in buffers:
            counted = self._buffers.setdefault(id(buffer), [0, len(buffer)])
            counted[0] += 1
            if counted[0] == 1:
                self.bytes += counted[1]

    def end(self, place: Place) -> None:
        """``Place.end``."""
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
        """Let the first that waits look again: of ``user``, and of the other users."""
        other = next((name for name in self._waiting if name != user), user)
        for name in {user, other}:
            first = next((f for f in self._waiting.get(name, ()) if not f.done()), None)
            if first is not None:
                first.set_result(None)

    def _cut_for(self, user: str) -> bool:
        """Cut an answer so that ``user`` can have one; whether there is room now."""
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
