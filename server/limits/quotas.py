"""A budget for each user's queries, over all sockets, streams and HTTP requests together.

An answered query is charged the event loop's processor time that it took and the bytes of its
answer; other nodes' queries of the user are charged a moment later (``totals/shared_usage.py``).
A user with an exhausted budget waits; other users do not.
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

#: Milliseconds of the event loop that one user's queries may take per second in the long run,
#: enough for some two hundred small ones. Beyond that they wait.
MS_PER_SECOND = 100.0
#: Milliseconds at once in addition, and the largest debt. A page that opens its rooms, or a client
#: that resumes all of its rooms, stays far below.
BURST_MS = 500.0
#: Milliseconds charged for each query in addition to the measured time, for its frame and
#: statement.
QUERY_BASE_MS = 0.2
#: Milliseconds charged for a megabyte of an answer, for reading, copying and writing it.
MS_PER_MEGABYTE = 5.0
#: Queries of one user that run at once; further ones wait, in order.
MAX_RUNNING_QUERIES = 4
#: Milliseconds of budget below which one user's queries run one at a time. The cost of several
#: would be known too late.
SCARCE_MS = 50.0
#: Queries of one user that may wait; beyond that, ``busy``. A socket and an HTTP connection each
#: have at most one waiting.
MAX_WAITING_QUERIES = 64
#: Seconds that a query may wait; then ``busy``. Shorter than ``REQUEST_TIMEOUT_S``.
QUERY_WAIT_TIMEOUT_S = 8.0
#: Users with an account. Beyond that the least recently used idle one is dropped.
MAX_QUOTA_USERS = 10_000


class _Account:
    """One user's budget, and their queries that run or wait."""

    __slots__ = ("bucket", "running", "timer", "waiting")

    def __init__(self, now: float) -> None:
        self.bucket = TokenBucket(MS_PER_SECOND, BURST_MS, now)
        self.running = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.timer: asyncio.TimerHandle | None = None

    def may(self, now: float) -> bool:
        """Return whether one more query may begin."""
        if not self.bucket.has(now):
            return False
        return self.running < (MAX_RUNNING_QUERIES if self.bucket.has(now, SCARCE_MS) else 1)

    @property
    def idle(self) -> bool:
        """Whether no query runs or waits."""
        return not self.running and not self.waiting


class Quotas:
    """One account per user. ``clock`` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self.on_spent: Callable[[str, float], None] = lambda user, milliseconds: None
        """Called with what each user has spent here."""
        self.waited = 0
        """Queries that waited for their user's budget."""
        self.refused = 0
        """Queries answered ``busy``."""

    async def ask(self, user: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run ``work`` once ``user``'s budget allows it, charge it, and return its result.

        Raises ``busy``, and the errors of ``work``.
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
            self._spend(user, account, QUERY_BASE_MS + metered.seconds * 1_000)
            self._let_in(account)

    def charge(self, user: str, seconds: float = 0.0, *, size: int = 0) -> None:
        """Charge ``user`` for work outside the query's own coroutine, and for bytes."""
        milliseconds = seconds * 1_000 + size * MS_PER_MEGABYTE / 1e6
        self._spend(user, self._account(user), milliseconds)

    def spend_elsewhere(self, user: str, milliseconds: float) -> None:
        """Charge what ``user`` has spent at another node."""
        bucket = self._account(user).bucket
        bucket.has(self._clock())
        bucket.spend(milliseconds)

    def _spend(self, user: str, account: _Account, milliseconds: float) -> None:
        account.bucket.spend(milliseconds)
        self.on_spent(user, milliseconds)

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
        """Wait until a query of ``account`` may begin; it counts as running from then on."""
        self.waited += 1
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
                # It was admitted at the same moment.
                account.running -= 1
            elif ticket in account.waiting:
                account.waiting.remove(ticket)
            self._let_in(account)
            if isinstance(err, TimeoutError):
                raise self._busy(account) from None
            raise

    def _busy(self, account: _Account) -> RetryableError:
        account.bucket.has(self._clock())
        self.refused += 1
        return RetryableError(
            ErrorCode.BUSY,
            "your queries used up their budget; send them more slowly",
            retry_after_ms=account.bucket.wait_ms(),
        )

    def _let_in(self, account: _Account) -> None:
        """Start the queries that may begin, and call again when the budget has recovered."""
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
