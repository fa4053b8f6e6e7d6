"""Spans of commands and transactions, as OpenTelemetry's own exporter receives them."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from persistence.database import statements
from server.observability.command_log import CommandLog
from server.observability.traces import Traces
from tests.promises.running import Running, token
from tests.promises.scenes import gathering

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def spans(server: Running) -> Any:
    """The finished spans of ``server``."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces = Traces(provider)
    server.node.observe(traces, None)
    yield exporter.get_finished_spans
    server.node.observe(None, None)
    traces.close()
    assert statements._observers == []


def of(found: tuple[ReadableSpan, ...], name: str, **attributes: str) -> list[ReadableSpan]:
    """The spans of that name with those attributes."""
    return [
        span
        for span in found
        if span.name == name
        and all((span.attributes or {}).get(f"ayes.{key}") == value
                for key, value in attributes.items())
    ]  # fmt: skip


async def test_a_command_is_a_span_linked_to_its_transaction(server: Running, spans: Any) -> None:
    scene = await gathering(server)
    await scene.admin.ack("event.pause", id="traced-one", event=scene.event, traceparent=PARENT)
    [span] = of(spans(), "event.pause", command="traced-one")
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert span.attributes is not None
    assert span.attributes["ayes.answer"] == "ack"
    assert span.attributes["ayes.event"] == scene.event
    assert span.attributes["ayes.connection"]
    [link] = span.links
    [batch] = [s for s in of(spans(), "transaction") if s.context.span_id == link.context.span_id]
    assert span.context.span_id in {each.context.span_id for each in batch.links}
    assert (batch.start_time or 0) <= (span.end_time or 0)


async def test_a_transaction_shows_its_statements_by_name_alone(
    server: Running, spans: Any
) -> None:
    scene = await gathering(server)
    await scene.admin.ack("event.pause", id="traced-sql", event=scene.event)
    [command] = of(spans(), "event.pause", command="traced-sql")
    [link] = command.links
    [batch] = [s for s in of(spans(), "transaction") if s.context.span_id == link.context.span_id]
    inside = [
        span
        for span in spans()
        if span.parent is not None and span.parent.span_id == batch.context.span_id
    ]
    assert inside[-1].name == "commit"
    assert len(inside) >= 3
    assert {span.name for span in inside} <= set(statements.TIMINGS)
    for span in inside:
        assert dict(span.attributes or {}) == {
            "db.system.name": "postgresql",
            "db.query.summary": span.name,
        }
        assert batch.start_time <= span.start_time <= span.end_time <= batch.end_time


async def test_a_refusal_is_an_answer_and_its_span_ends(server: Running, spans: Any) -> None:
    scene = await gathering(server)
    stranger = await scene.newcomer()
    await stranger.send("event.pause", id="a-refusal-1", event=scene.event)
    [span] = of(spans(), "event.pause", command="a-refusal-1")
    assert (span.attributes or {})["ayes.answer"] == "not_found"


async def test_a_repeat_in_another_trace_is_the_same_command(server: Running, spans: Any) -> None:
    scene = await gathering(server)
    wish = {"event": scene.event}
    first = await scene.admin.ack("event.pause", id="traced-two", traceparent=PARENT, **wish)
    again = await scene.admin.ack("event.pause", id="traced-two", **wish)
    other = PARENT.replace("4b", "5c")
    third = await scene.admin.ack("event.pause", id="traced-two", traceparent=other, **wish)
    assert first["hash"] == again["hash"] == third["hash"]
    assert again["replayed"] is third["replayed"] is True
    assert len(of(spans(), "event.pause", command="traced-two")) == 3


@pytest.mark.parametrize("broken", ["", "00-0-0-00", "x" * 256, "00-" + "0" * 32 + "-1-01"])
async def test_a_traceparent_of_another_form_is_ignored(
    server: Running, spans: Any, broken: str
) -> None:
    scene = await gathering(server)
    await scene.admin.ack("event.pause", id="traced-odd", event=scene.event, traceparent=broken)
    [span] = of(spans(), "event.pause", command="traced-odd", event=scene.event)
    assert span.parent is None


async def test_over_http_the_header_names_the_trace(server: Running, spans: Any) -> None:
    scene = await gathering(server)
    command = {"type": "event.pause", "id": "traced-http", "event": scene.event}
    headers = {"authorization": f"Bearer {token(scene.admin.user)}", "traceparent": PARENT}
    async with httpx.AsyncClient(base_url=server.base, trust_env=False) as http:
        answer = await http.post("/v1/commands", json=command, headers=headers)
    assert answer.json()["type"] == "ack"
    [span] = of(spans(), "event.pause", command="traced-http")
    assert f"{span.context.trace_id:032x}" == TRACE


async def test_many_commands_of_one_batch_are_each_linked(server: Running, spans: Any) -> None:
    scene = await gathering(server)
    ids = [f"batch-span-{number}" for number in range(20)]
    await asyncio.gather(
        *(scene.admin.send("event.rotate_code", id=id, event=scene.event) for id in ids)
    )
    found = [span for id in ids for span in of(spans(), "event.rotate_code", command=id)]
    assert len(found) == len(ids)
    assert all(len(span.links) == 1 for span in found)


async def test_at_debug_each_command_has_a_line_with_its_ids(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    scene = await gathering(server)
    server.node.observe(None, CommandLog())
    caplog.set_level(logging.DEBUG, "ayes.commands")
    await scene.admin.ack("event.pause", id="logged-one", event=scene.event)
    server.node.observe(None, None)
    [line] = [vars(r) for r in caplog.records if vars(r).get("command") == "logged-one"]
    assert (line["event"], line["status"], line["type"]) == (scene.event, "ack", "event.pause")
    assert line["connection"]


def test_without_traces_nothing_of_them_is_imported() -> None:
    """Nor of Redis' client, which brings OpenTelemetry along if that is installed."""
    code = (
        "import sys, server.process, server.cli.main; "
        "sys.exit(not sys.modules.keys().isdisjoint("
        "('server.observability.traces', 'opentelemetry', 'redis')))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
