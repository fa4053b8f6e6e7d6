"""Lets in requests that carry the admin's token, and slows down those that guess it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeAlias

import orjson
from starlette.requests import Request
from starlette.responses import Response

from persistence.database.failures import trouble_of
from persistence.database.overload import unreachable
from protocol.errors import ErrorCode, ProtocolError, RetryableError
from server.http.answers import error_answer, json_answer
from server.limits.addresses import network_of
from server.limits.token_bucket import TokenBucket

if TYPE_CHECKING:
    from server.node import Node

log = logging.getLogger("ayes.admin")

#: Wrong tokens that a network may send at once, and per second after that; beyond, ``rate_limited``
#: without a comparison. People mistype; a token of 32 bytes cannot be guessed at any rate.
WRONG_TOKEN_BURST: Final = 10
WRONG_TOKENS_PER_SECOND: Final = 0.1
#: Networks with a bucket; beyond that the least recently used one is forgotten.
MAX_GUESSING_NETWORKS: Final = 10_000
#: Seconds until a request is answered; then ``timeout``. Its statements end earlier. Erasing and
#: deleting have ``ADMIN_ACT_TIMEOUT_S`` in addition.
ADMIN_TIMEOUT_S: Final = 15.0
#: Requests of the admin that run at once; further ones are ``busy``. They share the loop and the
#: pool with votes.
MAX_ADMIN_REQUESTS: Final = 4
#: Milliseconds until a ``busy`` client tries again.
ADMIN_RETRY_DELAY_MS: Final = 500

Answering: TypeAlias = Callable[[Request], Awaitable[object]]


class Door:
    """Checks the token of each request; wraps what answers it."""

    def __init__(self, node: Node, token: str) -> None:
        self._node = node
        self._digest = hashlib.sha256(token.encode()).digest()
        self._wrong: OrderedDict[str, TokenBucket] = OrderedDict()
        self._running = 0

    def endpoint(
        self, answering: Answering, *, timeout_s: float = ADMIN_TIMEOUT_S
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return an endpoint that calls ``answering`` for the admin alone."""

        async def answered(request: Request) -> Response:
            try:
                self._admit(request)
                return await self._answer(request, answering, timeout_s)
            except ProtocolError as err:
                return error_answer(err)

        return answered

    def _admit(self, request: Request) -> None:
        """Raise ``unauthenticated``, or ``rate_limited`` for too many wrong tokens."""
        address = request.client.host if request.client else ""
        network, now = network_of(address), time.monotonic()
        bucket = self._wrong.get(network)
        if bucket is not None and not bucket.has(now):
            raise RetryableError(ErrorCode.RATE_LIMITED, retry_after_ms=bucket.wait_ms())
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        digest = hashlib.sha256(given.strip().encode(errors="replace")).digest()
        # Digests, so that the time says nothing of the token's length either.
        if hmac.compare_digest(digest, self._digest) and scheme.lower() == "bearer":
            return
        if bucket is None:
            bucket = self._wrong[network] = TokenBucket(
                WRONG_TOKENS_PER_SECOND, WRONG_TOKEN_BURST, now
            )
            if len(self._wrong) > MAX_GUESSING_NETWORKS:
                self._wrong.popitem(last=False)
        self._wrong.move_to_end(network)
        bucket.take(now)
        # As elsewhere: the next connections of that address wait their turn.
        self._node.reconnects.record_unauthenticated(address, now)
        log.warning("a request with a wrong admin token was refused", extra={"address": address})
        raise RetryableError(ErrorCode.UNAUTHENTICATED)

    async def _answer(self, request: Request, answering: Answering, timeout_s: float) -> Response:
        if self._running >= MAX_ADMIN_REQUESTS:
            raise RetryableError(ErrorCode.BUSY, retry_after_ms=ADMIN_RETRY_DELAY_MS)
        self._running += 1
        try:
            async with asyncio.timeout(timeout_s):
                return json_answer(orjson.dumps(await answering(request)))
        except ProtocolError:
            raise
        except Exception as err:
            found = unreachable(err)
            if isinstance(found, ProtocolError):
                # The words are for the admin alone.
                found.message = str(trouble_of(err))
                raise found from err
            if isinstance(err, TimeoutError):
                raise RetryableError(ErrorCode.TIMEOUT) from err
            log.exception("%s %r failed", request.method, request.url.path)
            raise RetryableError(ErrorCode.INTERNAL) from err
        finally:
            self._running -= 1
