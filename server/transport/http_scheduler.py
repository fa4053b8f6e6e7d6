"""What all requests over HTTP may take of the loop, so that no number of them keeps the sockets
from it: at once within a budget, by turns beyond it."""

from __future__ import annotations

import asyncio

from uvicorn.server import ServerState

from server.limits.fair_scheduler import FairScheduler, Runnable
from server.limits.token_bucket import TokenBucket

#: Requests a second that are taken as they come, and at once: a few dozen people who open the page
#: in one moment.
REQUESTS_PER_SECOND = 200.0
REQUEST_BURST = 1_000.0
#: The loop's time for everybody else, as a multiple of what the requests beyond that had: bots that
#: vote over HTTP at full speed still have half of it.
IDLE_RATIO = 1
#: Probes (``/healthz``, ``/readyz``) a second, and at once, that no number of other requests keeps
#: waiting: whoever watches over a busy server would else take it for dead, and end it. A balancer
#: or two and Kubernetes send a few.
PROBES_PER_SECOND = 20.0
PROBE_BURST = 20.0
#: Reckoned for what a request costs after it was parsed, in seconds: a refusal or an empty list.
REQUEST_COST_S = 0.000_3


class HttpScheduler:
    """The requests of one server, over all its connections."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._turns = FairScheduler(loop, idle_ratio=IDLE_RATIO)
        self._bucket = TokenBucket(REQUESTS_PER_SECOND, REQUEST_BURST, loop.time())
        self._probes = TokenBucket(PROBES_PER_SECOND, PROBE_BURST, loop.time())

    def may_run_now(self) -> bool:
        """Whether a request may be taken as it comes."""
        return not self._turns.busy and self._bucket.has(self._loop.time())

    def admit_probe(self) -> bool:
        """Whether a probe may, which is counted: it has a budget of its own."""
        return self._probes.take(self._loop.time())

    def wait(self, connection: Runnable) -> None:
        """``connection`` has one that may not; its ``run_slice`` is called once."""
        self._turns.wait(connection)

    def record(self) -> None:
        """A request is taken: every one counts, those that come in one piece too."""
        self._bucket.spend()
        self._turns.charge(REQUEST_COST_S)


def shared_scheduler(state: ServerState, loop: asyncio.AbstractEventLoop) -> HttpScheduler:
    """The pacing of all connections of one server."""
    found = getattr(state, "ayes_scheduler", None)
    if not isinstance(found, HttpScheduler):
        found = HttpScheduler(loop)
        state.ayes_scheduler = found  # type: ignore[attr-defined]  # ours, on uvicorn's object
    return found
