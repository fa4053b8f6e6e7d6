"""Queries without an answer: sent again after a lost connection, matched by ``ref``."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import orjson

from ayes_client._wire.backoff import MAX_INTERNAL_TRIES, Backoff
from ayes_client._wire.error_message import from_message
from ayes_client.errors import AyesError, Busy
from ayes_client.state import Json

#: Queries without an answer that one client holds. Beyond, the next one raises ``Busy``: a program
#: with so many has lost count of them, and a wait would hide it.
MAX_OPEN_QUERIES = 10_000
#: Shortest wait until a query is sent again, if the server names no time. A server that answers at
#: once must not be asked in a tight loop.
MIN_RETRY_DELAY_S = 0.1
#: Wait until a query is sent again, if a new token is needed first.
NEW_TOKEN_DELAY_S = 1.0


class Query:
    """A query, and the future of its answer."""

    __slots__ = ("backoff", "body", "future", "internal_errors", "sent_at")

    def __init__(self, message: Json, backoff: Backoff) -> None:
        self.body = orjson.dumps(message)
        self.future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self.sent_at: float | None = None
        self.backoff = backoff
        self.internal_errors = 0


class Queries:
    """The open queries of one client.

    ``send`` sends a body on the present connection, and returns whether there is one.
    """

    def __init__(self, send: Callable[[bytes], bool], new_backoff: Callable[[], Backoff]) -> None:
        self._send_body = send
        self._new_backoff = new_backoff
        self._refs = itertools.count(1)
        self._open: dict[str, Query] = {}

    async def ask(self, message: Json) -> Json:
        """Return the answer. Raises the error that refuses the query, or ``Busy``.

        A cancelled wait gives the query up.
        """
        if len(self._open) >= MAX_OPEN_QUERIES:
            why = f"{MAX_OPEN_QUERIES} queries wait without an answer"
            raise Busy(why, details={"limit": MAX_OPEN_QUERIES})
        ref = f"q-{next(self._refs)}"
        query = Query({**message, "ref": ref}, self._new_backoff())
        self._open[ref] = query
        try:
            self._send(query)
            return await query.future
        finally:
            self._open.pop(ref, None)

    def send_all(self) -> None:
        """Send every open query on a new connection."""
        for query in self._open.values():
            self._send(query)

    def take_overdue(self, now: float, timeout: float) -> list[bytes]:
        """Return the bodies of queries sent ``timeout`` seconds ago, to be sent again."""
        overdue = [
            query
            for query in self._open.values()
            if query.sent_at is not None and query.sent_at + timeout <= now
        ]
        for query in overdue:
            query.sent_at = now
        return [query.body for query in overdue]

    def waits_since(self) -> float | None:
        """Return when the oldest query without an answer was sent, by the client's clock in
        seconds.
        """
        sent = (query.sent_at for query in self._open.values() if query.sent_at is not None)
        return min(sent, default=None)

    def connection_lost(self) -> None:
        """Mark every query as not sent."""
        for query in self._open.values():
            query.sent_at = None

    def on_answer(self, message: Json) -> None:
        """Settle the query of an answer."""
        query = self._open.pop(str(message["ref"]), None)
        if query is not None and not query.future.done():
            del message["ref"]
            query.future.set_result(message)

    def on_error(self, message: Json, token_expired: Callable[[], None]) -> None:
        """Settle or retry the query of an error."""
        ref = str(message["ref"])
        query = self._open.get(ref)
        if query is None:
            return
        error = from_message(message)
        if error.code == "internal":
            query.internal_errors += 1
        if error.retry in ("same", "auth") and query.internal_errors < MAX_INTERNAL_TRIES:
            if error.retry == "auth":
                token_expired()
                wait = NEW_TOKEN_DELAY_S
            elif error.retry_after_ms is not None:
                wait = error.retry_after_ms / 1000
            else:
                wait = max(MIN_RETRY_DELAY_S, query.backoff.next())
            query.sent_at = None
            asyncio.get_running_loop().call_later(wait, self._retry, ref)
        elif not query.future.done():
            query.future.set_exception(error)

    def end(self, make: Callable[[], AyesError]) -> None:
        """End every query with an error."""
        for query in self._open.values():
            if not query.future.done():
                query.future.set_exception(make())
        self._open.clear()

    def _send(self, query: Query) -> None:
        if self._send_body(query.body):
            query.sent_at = asyncio.get_running_loop().time()

    def _retry(self, ref: str) -> None:
        query = self._open.get(ref)
        if query is not None and query.sent_at is None:
            self._send(query)
