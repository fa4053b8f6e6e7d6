"""``/metrics``: each metric is declared once and says what happened."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.config.loading import SettingsError, load
from server.http.metrics import METRICS
from server.http.metrics_port import MAX_METRICS_CONNECTIONS
from tests.parts import free_port
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


async def test_the_metrics_say_what_happened(server: Running) -> None:
    before = await read(server)
    scene = await gathering(server, 2)
    await scene.admin.subscribe(scene.event)
    await scene.members[0].refused("forbidden", "event.pause", event=scene.event)
    after = await read(server)
    assert after["ayes_sockets"] == 3
    assert after["ayes_rooms"] == 1
    # Made, started, joined twice.
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
    """The answer to a request line, as it came."""
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
        # Silent connections are bounded, and keep nobody out for long.
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


async def test_every_declared_metric_is_told(server: Running) -> None:
    told = await read(server)
    for name, declared in METRICS.items():
        assert (f"{name}_total" if declared.kind == "counter" else name) in told
