"""What one user's questions may cost, over all sockets, streams and requests together.

A question is paid for when it is answered: the event loop's processor time that it took, and the
bytes of its answer. A user who has used up their share waits, and so does nobody else.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from protocol.errors import ErrorCode, RetryableError
from server.limits.metered import Metered
from server.limits.token_bucket import TokenBucket

T = TypeVar("T")

#: Milliseconds of the event loop a second that one user's questions may take for long: some two
#: hundred small ones.
MS_PER_SECOND = 100.0
#: Milliseconds at once beyond that, and the most that a user can owe: a page that opens its rooms,
#: or a client that comes back to all of its own, stays far below.
BURST_MS = 500.0
#: Reckoned for each question beside the measured time, in milliseconds: its frame, its statement.
QUERY_BASE_MS = 0.2
#: Reckoned for a megabyte of an answer: read from the database, copied and written.
MS_PER_MEGABYTE = 5.0
#: Questions of one user that are worked on at once; the others wait for them, in order.
MAX_RUNNING_QUERIES = 4
#: The same while the user is short of time: what several would take shows too late.
SCARCE_MS = 50.0
#: Questions of one user that may wait; the next one is ``busy``. A socket and a connection wait
#: with one each.
MAX_WAITING_QUERIES = 64
#: Longest such wait; then ``busy``. Shorter than ``REQUEST_SECONDS`` of a session.
QUERY_WAIT_TIMEOUT_S = 8.0
#: Users remembered; the one that has asked nothing for longest is forgotten first.
MAX_QUOTA_USERS = 10_000


class _Account:
    """One user's share."""

    __slots__ = ("bucket", "running", "timer", "waiting")

    def __init__(self, now: float) -> None:
        self.bucket = TokenBucket(MS_PER_SECOND, BURST_MS, now)
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.timer: asyncio.TimerHandle | None = None

    def may(self, now: float) -> bool:
        """Whether one more question may begin."""
        if not self.bucket.has(now):
            return False
        return self.running < (MAX_RUNNING_QUERIES if self.bucket.has(now, SCARCE_MS) else 1)

    @property
    def idle(self) -> bool:
        """Whether nothing is asked, nor waits."""
        return not self.running and not self.waiting


class Quotas:
    """An account for each user."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accounts: OrderedDict[str, _Account] = OrderedDict()

    async def ask(self, user: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``work()`` returns, begun when ``user``'s share allows it, and charged to it.

        Raises ``busy``, and what ``work`` raises.
        """
        account = self._account(user)
        if account.waiting or not account.may(self._clock()):
            await self._wait_to_begin(account)
        else:
            account.running += 1
        metered = Metered(work())
        try:
            return await metered
        finally:
            account.running -= 1
            account.bucket.spend(QUERY_BASE_MS + metered.seconds * 1_000)
            self._let_in(account)

    def charge(self, user: str, seconds: float = 0.0, *, size: int = 0) -> None:
        """Count what was done for ``user`` beside the question's own steps."""
        self._account(user).bucket.spend(seconds * 1_000 + size * MS_PER_MEGABYTE / 1e6)

    def _account(self, user: str) -> _Account:
        account = self._accounts.get(user)
        if account is None:
            account = self._accounts[user] = _Account(self._clock())
            if len(self._accounts) > MAX_QUOTA_USERS:
                oldest = next((u for u, a in self._accounts.items() if a.idle), user)
                del self._accounts[oldest]
        else:
            self._accounts.move_to_end(user)
        return account

    async def _wait_to_begin(self, account: _Account) -> None:
        """Wait until a question of ``account`` may begin; it counts as running then."""
        if len(account.waiting) >= MAX_WAITING_QUERIES:
            raise self._busy(account)
        ticket = asyncio.get_running_loop().create_future()
        account.waiting.append(ticket)
        self._let_in(account)
        try:
            async with asyncio.timeout(QUERY_WAIT_TIMEOUT_S):
                await ticket
        except BaseException as err:
            if ticket.done() and not ticket.cancelled():
                # It was let in at the same moment.
                account.running -= 1
            elif ticket in account.waiting:
                account.waiting.remove(ticket)
            self._let_in(account)
            if isinstance(err, TimeoutError):
                raise self._busy(account) from None
            raise

    def _busy(self, account: _Account) -> RetryableError:
        account.bucket.has(self._clock())
        return RetryableError(
            ErrorCode.BUSY,
            "your questions took more than their share; ask more slowly",
            retry_after_ms=account.bucket.wait_ms(),
        )

    def _let_in(self, account: _Account) -> None:
        """Begin what may begin, and come back when the share is there for the rest."""
        while account.waiting and account.may(self._clock()):
            ticket = account.waiting.popleft()
            if not ticket.done():
                account.running += 1
                ticket.set_result(None)
        if account.waiting and not account.running and account.timer is None:
            loop = asyncio.get_running_loop()
            wait = account.bucket.wait_ms() / 1_000
            account.timer = loop.call_later(wait, self._recovered, account)

    def _recovered(self, account: _Account) -> None:
        account.timer = None
        self._let_in(account)
