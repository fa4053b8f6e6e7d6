"""Alerts, dashboard and Prometheus' configuration, in a real Prometheus."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import yaml

from scripts import dashboard
from server.http.metric_table import METRICS
from tests.parts import ROOT, database, free_port
from tests.programs import program
from tests.promises.running import Running, running
from tests.promises.scenes import Scene, gathering

FOLDER = ROOT / "deploy" / "prometheus"
RULES = ("recording.yml", "alerts.yml")
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
#: Longest wait for Prometheus, whose speed is not tested.
PATIENCE_S = 60.0


@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", *RULES),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=lambda command: command[2],
)
def test_prometheus_takes_the_files(command: tuple[str, ...]) -> None:
    """Each alert fires at its fault and clears after it, on promtool's own clock."""
    found = subprocess.run(
        [program("promtool", "prometheus"), *command],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_each_alert_has_a_test_and_a_page() -> None:
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
    assert set(ALERTS) <= {test["name"] for test in tests}
    for name, rule in ALERTS.items():
        page = ROOT / rule["annotations"]["runbook"]
        assert page == ROOT / "docs" / "runbooks" / f"{name}.md"
        text = page.read_text()
        assert re.findall("^#+ .*", text, re.MULTILINE) == [f"# {name}", "## Look", "## Do"]
        assert rule["labels"]["severity"] in ("page", "ticket")
    assert {path.stem for path in (ROOT / "docs" / "runbooks").glob("Ayes*.md")} == set(ALERTS)


def test_rules_and_dashboard_read_metrics_that_are_declared() -> None:
    names = {
        name + suffix
        for name, declared in METRICS.items()
        for suffix in {
            "counter": ("_total",),
            "gauge": ("",),
            "histogram": ("_bucket", "_sum", "_count"),
        }[declared.kind]
    }
    recorded = set(re.findall(r"record: (\S+)", (FOLDER / "recording.yml").read_text()))
    texts = [*dashboard.every_query(), *((FOLDER / name).read_text() for name in RULES)]
    for text in texts:
        used = set(re.findall(r"\b(?:job|instance):ayes_\w+:\w+", text))
        assert used <= recorded
        for name in re.findall(r"(?<![:\w])ayes_\w+", text):
            assert name in names, name


def test_the_dashboard_is_current_and_fits_one_screen() -> None:
    """If this fails, run scripts/docs."""
    made = dashboard.dashboard()
    assert json.loads(dashboard.FILE.read_text()) == made
    # Grafana's unit is 38 pixels high with its gap; a screen of 1080 lines shows 27 of them.
    assert max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in made["panels"]) <= 27


class Prometheus:
    """A running Prometheus, asked over its API."""

    def __init__(self, port: int) -> None:
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)

    async def query(self, query: str) -> list[dict[str, Any]]:
        """The samples of an instant query."""
        answer = (await self.http.get("/api/v1/query", params={"query": query})).json()
        assert answer["status"] == "success", answer
        samples: list[dict[str, Any]] = answer["data"]["result"]
        return samples

    async def firing(self, within: str = "") -> set[str]:
        """The alerts that fire now, or fired ``within`` a time."""
        series = 'ALERTS{alertstate="firing"}'
        samples = await self.query(f"count_over_time({series}[{within}])" if within else series)
        return {sample["metric"]["alertname"] for sample in samples}

    async def until(self, found: Callable[[], Awaitable[bool]], what: Callable[[], str]) -> None:
        """Wait until ``found``."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await found():
                    await asyncio.sleep(0.2)
        except TimeoutError:
            pytest.fail(what())


@asynccontextmanager
async def prometheus(folder: Path, server: Running) -> AsyncIterator[Prometheus]:
    """Prometheus with the files of ``deploy``, at a high speed: three scrapes a second."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "300ms", "evaluation_interval": "300ms"}
    [job] = config["scrape_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{server.port}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    for name in RULES:
        text = (FOLDER / name).read_text()
        text = re.sub(r"\[\d+m\]", "[4s]", text)
        (folder / name).write_text(re.sub(r"for: \w+", "for: 0s", text))
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program("prometheus", "prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    )
    found = Prometheus(port)

    async def ready() -> bool:
        try:
            return (await found.http.get("/-/ready")).status_code == 200
        except httpx.TransportError:
            assert process.returncode is None
            return False

    try:
        await found.until(ready, lambda: "Prometheus is not ready")
        yield found
    finally:
        await found.http.aclose()
        process.terminate()
        await process.wait()


async def use(scene: Scene) -> None:
    """Use every part a little, again and again."""
    proposal = await scene.propose()
    vote: dict[str, Any] = {"event": scene.event, "proposal": proposal, "revision": 1}
    while True:
        await scene.members[0].ack("vote.cast", **vote)
        await scene.members[0].ack("vote.retract", **vote)
        await scene.server.node.statistics.task.once()  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)


async def refuse(server: Running, scene: Scene, connection: asyncpg.Connection[Any]) -> None:
    """Cause AyesBackgroundRefused: rename a table of the background work."""
    await connection.execute("ALTER TABLE revocations RENAME TO renamed")


async def hold_the_lock(server: Running, scene: Scene, connection: asyncpg.Connection[Any]) -> None:
    """Cause AyesLockWaits: another session locks the event's row."""
    async with connection.transaction():
        await connection.execute("SELECT 1 FROM events WHERE id = $1 FOR UPDATE", scene.event)
        waited = server.node.lanes.counts.alone
        asking = asyncio.create_task(scene.propose())
        while server.node.lanes.counts.alone == waited:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.8)  # the wait that is measured
    await asking


async def block_the_loop(
    server: Running, scene: Scene, connection: asyncpg.Connection[Any]
) -> None:
    """Cause AyesLoopLag."""
    for _ in range(2):
        time.sleep(0.6)  # noqa: ASYNC251 - what blocks the loop
        await asyncio.sleep(0)


async def bring_bad_tokens(
    server: Running, scene: Scene, connection: asyncpg.Connection[Any]
) -> None:
    """Cause AyesHandshakesFail."""
    for _ in range(10):
        client = await server.open()
        await client.hello("no token")
        await client.gone()


async def know_too_much(server: Running, scene: Scene, connection: asyncpg.Connection[Any]) -> None:
    """Cause AyesCommittedDataLost: a client knows a step that the database lacks."""
    client = await scene.newcomer(scene.members[0].user)
    epoch = server.node.rooms.by_event[scene.event].epoch
    point = {"event": scene.event, "epoch": epoch, "seq": 1_000_000}
    await client.request({"type": "subscribe", "ref": 1} | point)


#: Alert → what causes it on a running server.
FAULTS: dict[str, Callable[[Running, Scene, asyncpg.Connection[Any]], Awaitable[None]]] = {
    "AyesBackgroundRefused": refuse,
    "AyesLockWaits": hold_the_lock,
    "AyesLoopLag": block_the_loop,
    "AyesHandshakesFail": bring_bad_tokens,
    "AyesCommittedDataLost": know_too_much,
}


#: Alerts that a loaded machine causes by itself.
SLOWNESS = {"AyesLoopLag"}


async def test_queries_have_answers_and_alerts_fire_at_real_faults_and_clear(
    postgres_url: str, template: str, tmp_path: Path
) -> None:
    """A single test, since most of its time is the start of Prometheus."""
    with database(postgres_url, template) as url:
        async with running(url) as server, prometheus(tmp_path, server) as found:
            scene = await gathering(server, 1)
            await scene.watch(*scene.everyone)
            using = asyncio.create_task(use(scene))
            await _each_query_has_an_answer(found)
            using.cancel()
            await asyncio.gather(using, return_exceptions=True)
            assert not await found.firing() & set(FAULTS) - SLOWNESS
            connection = await asyncpg.connect(url)
            try:
                for cause in FAULTS.values():
                    await cause(server, scene, connection)
                await _fire(found, set(FAULTS))
                await connection.execute("ALTER TABLE renamed RENAME TO revocations")
                await _clear(found, set(FAULTS) - SLOWNESS)
            finally:
                await connection.close()
            await server.node.database.close()
            await _fire(found, {"AyesDatabaseUnreachable"})
            await server.node.database.open()
            await server.node.statistics.task.once()
            await _clear(found, {"AyesDatabaseUnreachable"})
            await server.drain()
            await _fire(found, {"AyesNodeDown"})


async def _each_query_has_an_answer(found: Prometheus) -> None:
    left = [query.replace("$__rate_interval", "4s") for query in dashboard.every_query()]

    async def answered() -> bool:
        left[:] = [query for query in left if not await found.query(query)]
        return not left

    await found.until(answered, lambda: f"no answer to {left}")


async def _fire(found: Prometheus, alerts: set[str]) -> None:
    left = set(alerts)

    async def fired() -> bool:
        left.difference_update(await found.firing(within="2m"))
        return not left

    await found.until(fired, lambda: f"not fired: {left}")


async def _clear(found: Prometheus, alerts: set[str]) -> None:
    async def cleared() -> bool:
        return not await found.firing() & alerts

    await found.until(cleared, lambda: f"not cleared: one of {alerts}")
