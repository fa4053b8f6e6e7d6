"""OpenTelemetry: a span for each command, from receipt to answer, linked to its transaction.

The transaction's span has a child for each of its statements, by the name that it has in the
metrics. No span has a statement's text or arguments.

Only ``server/process.py`` imports this module, and only with ``AYES_TRACES=on``. The packages come
with the extra ``otel``; the exporter is configured by OpenTelemetry's own variables
(``OTEL_EXPORTER_OTLP_ENDPOINT`` and the others).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, cast
from weakref import WeakKeyDictionary

from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation import set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from handlers.lanes.decide import Answer, Submission
from handlers.lanes.lane import Batch
from persistence.database import statements
from protocol.commands import event_of, type_of
from protocol.errors import ERRORS
from server.config.start_error import StartError
from server.config.version import ayes_version

#: Commands that the span of one transaction links to; further ones link to it, and not it to them.
#: It is the default of OpenTelemetry's SDK, which would drop the rest without a word.
MAX_LINKS: Final = 128
#: Milliseconds that the end of the server waits for the last spans to be exported; then they are
#: lost. A collector that does not answer must not hold the server.
FLUSH_TIMEOUT_MS: Final = 2_000
#: Statements of one task that are kept until its transaction has committed; older ones are dropped.
#: A transaction has fewer than ten, and its retries some more.
MAX_STATEMENTS: Final = 64

_PROPAGATOR: Final = TraceContextTextMapPropagator()


def provider() -> TracerProvider:
    """Return a provider that exports over OTLP. Raises ``StartError`` without the exporter."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as err:
        raise StartError(
            f"AYES_TRACES=on needs the extra: pip install 'ayes[otel]' ({err})"
        ) from err
    own = Resource.create({"service.name": "ayes", "service.version": ayes_version()})
    # OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME win over the server's own names.
    made = TracerProvider(resource=own.merge(OTELResourceDetector().detect()))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


class Traces:
    """Makes the spans; a ``CommandObserver`` and a ``TransactionObserver``."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer: Tracer = provider.get_tracer("ayes", ayes_version())
        self._ran: WeakKeyDictionary[asyncio.Task[object], deque[tuple[str, float, float]]] = (
            WeakKeyDictionary()
        )
        self._unobserve = statements.observe(self._statement_ran)

    def received(self, submission: Submission, connection: str, traceparent: str | None) -> None:
        """Begin the span of a command; it ends with the answer.

        A ``traceparent`` that is not of the W3C's form is ignored, as the W3C asks.
        """
        command = submission.command
        parent = None if traceparent is None else _PROPAGATOR.extract({"traceparent": traceparent})
        span = self._tracer.start_span(
            type_of(command),
            parent,
            kind=SpanKind.SERVER,
            attributes={
                "ayes.command": command.id,
                "ayes.event": event_of(command) or "",
                "ayes.connection": connection,
            },
        )
        submission.span = span
        reply = submission.reply

        def answered(submission: Submission, answer: Answer) -> None:
            reply(submission, answer)
            span.set_attribute("ayes.answer", "ack" if answer.error is None else answer.error.value)
            if answer.error is not None and ERRORS[answer.error].effect == "unknown":
                span.set_status(StatusCode.ERROR, answer.error.value)
            span.end()

        submission.reply = answered

    def committed(self, batches: Sequence[Batch], started: float) -> None:
        """Make the span of a transaction that began at ``started`` (``time.monotonic()``).

        It links to its commands, and each of them to it. Its children are its statements.
        """
        ran = self._statements_since(started)
        spans = [
            cast("Span", submission.span)
            for batch in batches
            for submission in batch.submissions
            if submission.span is not None
        ]
        if not spans:
            return
        # Spans have the wall clock's time.
        ahead = time.time_ns() - time.monotonic_ns()
        span = self._tracer.start_span(
            "transaction",
            set_span_in_context(spans[0]),
            kind=SpanKind.INTERNAL,
            attributes={"ayes.events": len(batches), "ayes.commands": len(spans)},
            links=[Link(each.get_span_context()) for each in spans[:MAX_LINKS]],
            start_time=int(started * 1e9) + ahead,
        )
        inside = set_span_in_context(span)
        for name, began, ended in ran:
            child = self._tracer.start_span(
                name, inside, kind=SpanKind.CLIENT, start_time=int(began * 1e9) + ahead,
                attributes={"db.system.name": "postgresql", "db.query.summary": name},
            )  # fmt: skip
            child.end(int(ended * 1e9) + ahead)
        span.end()
        for each in spans:
            each.add_link(span.get_span_context())

    def _statement_ran(self, name: str, began: float, ended: float) -> None:
        task = asyncio.current_task()
        if task is not None:
            ran = self._ran.setdefault(task, deque(maxlen=MAX_STATEMENTS))
            ran.append((name, began, ended))

    def _statements_since(self, started: float) -> list[tuple[str, float, float]]:
        """Take the statements that this task has run since ``started``, and forget the others."""
        task = asyncio.current_task()
        ran = self._ran.pop(task, ()) if task is not None else ()
        return [each for each in ran if each[1] >= started]

    def close(self) -> None:
        """Export the last spans."""
        self._unobserve()
        self._provider.force_flush(FLUSH_TIMEOUT_MS)
        self._provider.shutdown()
