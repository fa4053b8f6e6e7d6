"""``/metrics``: each metric is declared once and has the right value."""

from __future__ import annotations

import asyncio
import gc
import re
import time
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from persistence.database.histogram import SIZE_BOUNDS
from persistence.journal.transaction import Transaction
from server.config.loading import SettingsError, load
from server.http.metric_table import METRICS, unit_of
from server.http.metrics_port import MAX_METRICS_CONNECTIONS
from server.measures.event_loop import LAG_INTERVAL_S, EventLoopMonitor
from tests.parts import free_port
from tests.programs import program
from tests.promises.running import Running, killable
from tests.promises.scenes import gathering


async def read(server: Running) -> dict[str, float]:
    """Sample name → value."""
    url = f"http://127.0.0.1:{server.port}/metrics"
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(url)
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {sample.name: sample.value for family in families for sample in family.samples}


async def read_samples(server: Running) -> list[Sample]:
    """Every sample, with its labels."""
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://127.0.0.1:{server.port}/metrics")
    families = text_string_to_metric_families(answer.text)
    return [sample for family in families for sample in family.samples]


async def test_the_metrics_say_what_happened(server: Running) -> None:
    before = await read(server)
    scene = await gathering(server, 2)
    await scene.admin.subscribe(scene.event)
    await scene.members[0].refused("forbidden", "event.pause", event=scene.event)
    after = await read(server)
    assert after["ayes_sockets"] == 3
    assert after["ayes_rooms"] == 1
    # Made, started, joined twice
    assert after["ayes_commands_acked_total"] - before["ayes_commands_acked_total"] == 4
    assert after["ayes_commands_refused_total"] - before["ayes_commands_refused_total"] == 1
    assert after["ayes_transaction_seconds_count"] == after["ayes_transactions_total"] > 0
    assert after["ayes_draining"] == 0


SPELLINGS = [
    *("/%6detrics", "/metric%73", "/%6D%65trics", "/metrics%00", "/metrics%2f", "/%2fmetrics"),
    *("//metrics", "/metrics/", "/./metrics", "/x/../metrics", "/metrics;x", "/metrics%3bx"),
    *("/%256detrics", "/METRICS", "/metrics%20", "/metrics.", "/v1/../metrics", "/metrics#x"),
]


async def asked(port: int, target: str, method: str = "GET") -> bytes:
    """The answer to a request line, as received."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{method} {target} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n"
    writer.write(head.encode())
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


async def test_the_metrics_have_one_spelling(server: Running) -> None:
    assert b" 200 " in (await asked(server.port, "/metrics?x=1"))[:20]
    for target in SPELLINGS:
        answer = await asked(server.port, target)
        assert b"ayes_sockets" not in answer, target


async def test_the_metrics_may_have_a_port_of_their_own(database_url: str, tmp_path: Path) -> None:
    port = free_port()
    async with killable(database_url, tmp_path, metrics_port=port) as server:
        told = await asked(port, "/metrics")
        assert told.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain")
        assert b"ayes_sockets 0.0" in told
        assert (await asked(port, "/metrics?x", "HEAD")).endswith(b"\r\n\r\n")
        for target in SPELLINGS:
            assert (await asked(port, target)).startswith(b"HTTP/1.1 404"), target
        assert (await asked(port, "/metrics", "POST")).startswith(b"HTTP/1.1 405")
        assert (await asked(port, "x" * 20_000)) == b""
        assert b" 404 " in (await asked(server.port, "/metrics"))[:20]
        assert b" 200 " in (await asked(server.port, "/healthz"))[:20]
        # Silent connections are limited, and block no other for long.
        silent = [
            await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_METRICS_CONNECTIONS)
        ]
        assert await asked_or_cut(port) == b""
        for reader, writer in silent:
            writer.close()
            assert await reader.read() == b""
        assert b"ayes_sockets" in await asked(port, "/metrics")
        assert await server.terminate() == 0


async def asked_or_cut(port: int) -> bytes:
    try:
        return await asked(port, "/metrics")
    except ConnectionError:
        return b""


def test_the_two_ports_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AYES_METRICS_PORT", "8400")
    with pytest.raises(SettingsError, match="AYES_METRICS_PORT"):
        load()


SUFFIXES = {"counter": "_total", "gauge": "", "histogram": "_count"}
#: Labels with one value for each name in the code or in the protocol.
LABELS = {
    *("version", "rules", "generation", "work", "kind", "code", "outcome", "resumes", "cause"),
    *("statement", "reason", "direction", "budget"),
}


async def test_every_declared_metric_is_in_the_answer(server: Running) -> None:
    found = await read(server)
    for name, declared in METRICS.items():
        assert f"{name}{SUFFIXES[declared.kind]}" in found


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_has_its_unit_in_its_name_and_no_id_in_a_label(name: str) -> None:
    declared = METRICS[name]
    assert re.fullmatch(r"ayes(_[a-z]+)+", name)
    assert set(declared.labels) <= LABELS
    assert bool(declared.buckets) == (declared.kind == "histogram")
    if declared.buckets and declared.buckets is not SIZE_BOUNDS:
        assert unit_of(name) == "seconds"
    if "byte" in declared.help.lower():
        assert unit_of(name) == "bytes"


async def test_a_histogram_has_the_buckets_that_the_table_says(server: Running) -> None:
    await gathering(server, 1)
    found = await read_samples(server)
    for name, declared in METRICS.items():
        if declared.kind == "histogram":
            bounds = {float(s.labels["le"]) for s in found if s.name == f"{name}_bucket"}
            assert bounds == {*declared.buckets, float("inf")}, name


async def test_prometheus_finds_no_fault_with_the_metrics(server: Running) -> None:
    """``promtool check metrics`` accepts a scrape after some use."""
    scene = await gathering(server, 1)
    await scene.watch(scene.members[0])
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://127.0.0.1:{server.port}/metrics")
    command = [program("promtool", "prometheus"), "check", "metrics"]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=STDOUT)
    async with asyncio.timeout(60):
        output, _ = await process.communicate(answer.content)
    assert (process.returncode, output) == (0, b""), output.decode()


async def test_what_clients_do_is_counted(server: Running) -> None:
    scene = await gathering(server, 1)
    client = scene.members[0]
    proposal = await scene.propose()
    await client.subscribe(scene.event)
    counters, counts = server.node.counters, server.node.lanes.counts
    delivered, replayed = sum(counters.delivery_seconds.counts), counts.replayed
    vote = {"event": scene.event, "proposal": proposal, "revision": 1}
    ack = await client.ack("vote.cast", id="the-same", **vote)
    await client.ack("vote.cast", id="the-same", **vote)
    await client.refused("id_conflict", "vote.retract", id="the-same", **vote)
    await client.rooms[scene.event].reached(ack["seq"])
    assert sum(counters.delivery_seconds.counts) == delivered + 1
    assert counts.replayed == replayed + 1
    assert counters.errors["id_conflict"] == 1
    assert sum(counts.answer_seconds.counts) == counts.acked + counts.refused
    assert counts.answer_seconds.sum > 0
    assert server.node.connections.users_online() == 2
    point = {"event": scene.event, "epoch": "e_restored", "seq": ack["seq"]}
    again = await server.connect(client.user, resume=[point])
    await again.until(lambda: scene.event in again.rooms, "the room")
    assert counters.snapshots["epoch"] == 1
    assert counters.hellos[True, "welcomed"] == 1
    assert (counters.resumed, counters.not_resumed) == (0, 1)


async def test_a_closed_socket_is_counted_by_its_code(server: Running) -> None:
    told = await server.open()
    assert (await told.hello("no token"))["type"] == "error"
    assert await told.gone() == 4500
    closed = [s for s in await read_samples(server) if s.name == "ayes_sockets_closed_total"]
    assert {s.labels["code"]: s.value for s in closed if s.value} == {"4500": 1}
    assert server.node.counters.hellos[False, "bad_token"] == 1


async def test_a_lost_link_is_counted_by_its_cause(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server, 0)
    counts = server.node.lanes.counts
    commit = Transaction.commit

    async def lose_once(transaction: Transaction) -> None:
        monkeypatch.setattr(Transaction, "commit", commit)
        raise ConnectionResetError

    monkeypatch.setattr(Transaction, "commit", lose_once)
    alone = counts.alone
    await scene.propose()
    assert {cause: count for cause, count in counts.failed.items() if count} == {"link": 1}
    assert counts.alone == alone + 1
    assert sum(counts.lock_wait_seconds.counts) == 1


async def test_the_statistics_of_the_database_are_read(server: Running) -> None:
    await gathering(server, 0)
    await server.node.statistics.task.once()
    latest = server.node.statistics.latest
    assert latest.bytes > 0
    assert latest.index_hits > 0
    assert latest.max_sessions >= latest.sessions > 0


def test_a_late_event_loop_and_a_collection_are_measured() -> None:
    async def block() -> EventLoopMonitor:
        monitor = EventLoopMonitor()
        monitor.start()
        time.sleep(LAG_INTERVAL_S)  # noqa: ASYNC251 - the lag to be measured
        gc.collect()
        while not sum(monitor.lag_seconds.counts):
            await asyncio.sleep(0.01)
        monitor.stop()
        return monitor

    monitor = asyncio.run(block())
    assert monitor.lag_seconds.sum >= 0
    assert sum(monitor.pause_seconds[2].counts) == 1
    assert monitor._on_collection not in gc.callbacks
