"""Metrics for Prometheus, each declared once: name, kind, help, and how its value is read.

Values are read at each scrape from counters that the parts have anyway. A vote costs nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from server.node import Node

Kind: TypeAlias = Literal["counter", "gauge"]
#: Bounds of the latency buckets in seconds; a single vote takes one or two milliseconds.
BUCKETS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 5.0)


class Declared(NamedTuple):
    """A metric, and how its value is read."""

    kind: Kind
    help: str
    read: Callable[[Node], float]


METRICS: dict[str, Declared] = {
    "ayes_sockets": Declared("gauge", "Open WebSockets.", lambda n: len(n.sockets.all)),
    "ayes_rooms": Declared("gauge", "Events watched here.", lambda n: n.rooms.count()),
    "ayes_commands_waiting": Declared(
        "gauge", "Commands that wait for their decision.", lambda n: n.lanes.waiting()
    ),
    "ayes_draining": Declared(
        "gauge", "1 while the server goes away.", lambda n: n.draining.has_begun
    ),
    "ayes_bus_up": Declared(
        "gauge",
        "1 while Redis, or every shard of it, answers; always 1 without Redis.",
        lambda n: n.bus.is_up,
    ),
    "ayes_commands_acked": Declared(
        "counter", "Commands answered with an ack.", lambda n: n.lanes.counts.acked
    ),
    "ayes_commands_refused": Declared(
        "counter",
        "Commands answered with an error decided in a transaction.",
        lambda n: n.lanes.counts.refused,
    ),
    "ayes_commands_undecided": Declared(
        "counter",
        "Commands given up on: busy, overloaded, commit_unknown, internal.",
        lambda n: n.lanes.counts.undecided,
    ),
    "ayes_origins_refused": Declared(
        "counter",
        "Requests of pages from origins that are not allowed.",
        lambda n: n.origins.refused,
    ),
    "ayes_transactions": Declared(
        "counter", "Transactions committed.", lambda n: n.lanes.counts.transactions
    ),
    "ayes_batches_alone": Declared(
        "counter", "Batches that could not share a transaction.", lambda n: n.lanes.counts.alone
    ),
    "ayes_transactions_retried": Declared(
        "counter", "Transactions tried again.", lambda n: n.lanes.counts.retried
    ),
}


class _Reader(Collector):
    """Reads the declared metrics of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        for name, declared in METRICS.items():
            family = CounterMetricFamily if declared.kind == "counter" else GaugeMetricFamily
            yield family(name, declared.help, value=float(declared.read(self._node)))
        yield from self._background()

    def _background(self) -> Iterator[Metric]:
        """Yield the state of the server's background tasks."""
        failing = GaugeMetricFamily(
            "ayes_background_failing",
            "1 while the last try of this work failed, by its reason.",
            labels=("work", "kind"),
        )
        failed = CounterMetricFamily(
            "ayes_background_failures",
            "Failed tries: unreachable (database away), refused (by the database), defect.",
            labels=("work", "kind"),
        )
        for failures in self._node.failures:
            for kind, count in failures.counts.items():
                labels = (failures.name, kind.value)
                failing.add_metric(labels, float(failures.failing is kind))
                failed.add_metric(labels, float(count))
        yield failing
        yield failed


def exposition(node: Node) -> Callable[[], bytes]:
    """Make the function that renders ``node``'s metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reader(node))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    taken = Histogram(
        "ayes_transaction_seconds",
        "From the start of a transaction to its commit.",
        buckets=BUCKETS,
        registry=registry,
    )
    node.lanes.end.observe = taken.observe

    return partial(generate_latest, registry)


def routes(node: Node) -> list[Route]:
    """Return the route of ``/metrics``, unless it has its own port.

    Only the exact spelling is accepted. A proxy that hides the path compares it undecoded, but
    routes match the decoded path, so `/%6detrics` would pass the proxy.
    """
    if node.settings.metrics_port:
        return []
    render = exposition(node)

    async def metrics(request: Request) -> Response:
        if request.scope.get("raw_path") != b"/metrics":
            raise HTTPException(404)
        return Response(render(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/metrics", metrics)]
