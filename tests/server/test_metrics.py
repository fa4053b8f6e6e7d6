"""``/metrics``: each metric is declared once and says what happened."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from server.metrics import METRICS
from tests.promises.running import Running
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


async def test_every_declared_metric_is_told(server: Running) -> None:
    told = await read(server)
    for name, declared in METRICS.items():
        assert (f"{name}_total" if declared.kind == "counter" else name) in told
