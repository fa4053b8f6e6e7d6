"""``/metrics`` for Prometheus: renders what ``metric_table`` declares."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from persistence.database.histogram import Histogram
from server.http.metric_table import METRICS, Declared, Labels, Value
from server.http.process_metrics import ProcessMetrics

if TYPE_CHECKING:
    from server.node import Node


class _Reader(Collector):
    """Reads the declared metrics of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        for name, declared in METRICS.items():
            yield _family(name, declared, self._node)


def _family(name: str, declared: Declared, node: Node) -> Metric:
    """Read a metric."""
    found = declared.read(node)
    values: dict[Labels, Value] = (
        {(): found} if isinstance(found, Histogram | float | int) else dict(found)
    )
    if declared.kind == "histogram":
        histogram = HistogramMetricFamily(name, declared.help, labels=declared.labels)
        for labels, value in values.items():
            assert isinstance(value, Histogram)
            bounds = [*map(str, map(float, value.bounds)), "+Inf"]
            buckets = list(zip(bounds, accumulate(value.counts), strict=True))
            histogram.add_metric(labels, buckets, value.sum)
        return histogram
    kind = CounterMetricFamily if declared.kind == "counter" else GaugeMetricFamily
    family = kind(name, declared.help, labels=declared.labels)
    for labels, value in values.items():
        assert not isinstance(value, Histogram)
        family.add_metric(labels, float(value))
    return family


def exposition(node: Node) -> Callable[[], bytes]:
    """Make the function that renders ``node``'s metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reader(node))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return partial(generate_latest, registry)


#: Returns metrics in Prometheus' text format.
Render: TypeAlias = Callable[[], Awaitable[bytes]]


def metrics_of(node: Node, processes: ProcessMetrics | None = None) -> Render:
    """Make the function that renders ``node``'s metrics, or those of all ``processes``."""
    if processes is not None:
        return processes.render
    own = exposition(node)

    async def render() -> bytes:
        return own()

    return render


def routes(node: Node, render: Render) -> list[Route]:
    """Return the route of ``/metrics``, unless it has its own port.

    Only the exact spelling is accepted. A proxy that hides the path compares it undecoded, but
    routes match the decoded path, so `/%6detrics` would pass the proxy.
    """
    if node.settings.metrics_port:
        return []

    async def metrics(request: Request) -> Response:
        if request.scope.get("raw_path") != b"/metrics":
            raise HTTPException(404)
        return Response(await render(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/metrics", metrics)]
