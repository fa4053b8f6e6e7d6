"""``/healthz`` and ``/readyz``: is the process alive, and should clients be sent to it."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from persistence.database.failures import trouble_of
from persistence.database.faults import PoolTimeoutError
from persistence.queries import event_reads
from server.node import Node

log = logging.getLogger("ayes.probes")

#: Longest that ``/readyz`` waits for the database; beyond it, the node is not ready. Shorter than
#: the timeouts that load balancers use by default.
READY_TIMEOUT_S: Final = 2.0


def routes(node: Node) -> list[Route]:
    """Return the routes of the two probes."""

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        ready = await _is_ready(node)
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


async def _is_ready(node: Node) -> bool:
    """Whether a load balancer should send clients to ``node``."""
    if node.draining.has_begun:
        return False
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            await event_reads.clock(node.database)
    except Exception as err:
        # Its deadline is shorter than the pool's own.
        cause = PoolTimeoutError() if node.database.is_short() else err
        log.info("not ready: %s: %r", trouble_of(cause), err)
        return False
    return True
