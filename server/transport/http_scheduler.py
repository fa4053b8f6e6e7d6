"""The share of the event loop that HTTP requests get, so that they do not delay the sockets."""

from __future__ import annotations

import asyncio

from server.limits.fair_scheduler import FairScheduler, Runnable
from server.limits.token_bucket import TokenBucket

#: HTTP requests of one server that are read without delay, per second and in one burst; further
#: ones take turns. Fits a few dozen people who open the page in the same moment.
REQUESTS_PER_SECOND = 200.0
REQUEST_BURST = 1_000.0
#: Time of the loop that stays free for other work, as a multiple of what throttled requests used.
#: At 1, clients that vote over HTTP at full speed get half of the loop.
IDLE_RATIO = 1
#: Health probes (``/healthz``, ``/readyz``) that are exempt from the limit above, per second and in
#: one burst; further ones count as requests. Without it an orchestrator would restart a server that
#: is merely busy. Load balancers and Kubernetes send a few per second.
PROBES_PER_SECOND = 20.0
PROBE_BURST = 20.0
#: Seconds charged for the work after a request was parsed; a refusal or an empty list costs about
#: as much.
REQUEST_COST_S = 0.000_3


class HttpScheduler:
    """Schedules the requests of one server, over all its HTTP connections."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._turns = FairScheduler(loop, idle_ratio=IDLE_RATIO)
        self._requests = TokenBucket(REQUESTS_PER_SECOND, REQUEST_BURST, loop.time())
        self._probes = TokenBucket(PROBES_PER_SECOND, PROBE_BURST, loop.time())

    def may_run_now(self) -> bool:
        """Return whether a request may be read without delay."""
        return not self._turns.busy and self._requests.has(self._loop.time())

    def admit_probe(self) -> bool:
        """Return whether a health probe is within its own budget, and count it if so."""
        return self._probes.take(self._loop.time())

    def wait(self, connection: Runnable) -> None:
        """Queue ``connection``; its ``run_slice`` is called once."""
        self._turns.wait(connection)

    def record(self) -> None:
        """Count a request that is read now, whether or not it was delayed."""
        self._requests.spend()
        self._turns.charge(REQUEST_COST_S)
