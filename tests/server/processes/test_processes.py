"""``ayes serve --processes 2``: one port, two processes, each vote once, after either's death."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from pathlib import Path

import httpx

from server.http.process_metrics import merged
from tests.promises.client import Client, Gone
from tests.promises.running import Killable, killable, token
from tests.promises.scenes import Scene, gathering

#: Longest wait for what surely comes.
PATIENCE = 30.0
SOCKETS = re.compile(r'^ayes_sockets\{process="(\d)"\} (\S+)$', re.MULTILINE)
UP = re.compile(r'^ayes_process_up\{process="(\d)"\} (\S+)$', re.MULTILINE)


def children(pid: int) -> dict[str, list[int]]:
    """The processes that ``pid`` has started, by their commands."""
    found: dict[str, list[int]] = {}
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            line = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            kind = "server" if "server.processes.child" in line else "redis"
            found.setdefault(kind, []).append(int(child))
    return found


async def metrics(server: Killable, path: str = "/metrics") -> str:
    """The metrics, from whichever process answers."""
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(server.base + path)).text


async def on_both(server: Killable, scene: Scene) -> list[Client]:
    """Members of an event, until both processes have at least two sockets."""
    members: list[Client] = []
    async with asyncio.timeout(PATIENCE):
        while True:
            # All at once: one after another, the first process that wakes may take all of them.
            members += await asyncio.gather(*(scene.member() for _ in range(4)))
            counts = dict(SOCKETS.findall(await metrics(server)))
            if len(counts) == 2 and all(float(count) >= 2 for count in counts.values()):
                return members


async def vote(server: Killable, client: Client, scene: Scene, proposal: str) -> Client:
    """Vote as a reliable client: the same id again until the ack, on any socket."""
    id = client.new_id()
    fields = {"event": scene.event, "proposal": proposal, "revision": 1}
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                answer = await client.send("vote.cast", id=id, **fields)
            except Gone:
                client = await again(server, client)
                continue
            if answer["type"] == "ack":
                return client
            assert answer["retry"] == "same", answer
            await asyncio.sleep(answer["retry_after_ms"] / 1000)


async def again(server: Killable, client: Client) -> Client:
    """The same user on a new socket."""
    while True:
        try:
            new = await server.open(client.user)
            await new.hello(token(client.user))
            return new
        except (Gone, OSError):
            await asyncio.sleep(0.05)


async def test_votes_through_two_processes_count_once_and_a_killed_one_loses_none(
    migrated_url: str, tmp_path: Path
) -> None:
    async with killable(migrated_url, tmp_path, processes=2) as server:
        scene = await gathering(server, 0)
        room = (await scene.watch(scene.admin))[0]
        proposal = await scene.propose()
        members = await on_both(server, scene)
        half = len(members) // 2
        for client in members[:half]:
            await vote(server, client, scene, proposal)
        await room.client.until(
            lambda: room.state["proposals"][proposal]["agree"] == half, "half of the votes"
        )
        first, second = children(server.process.pid)["server"]
        voting = [vote(server, client, scene, proposal) for client in members[half:]]
        working = asyncio.gather(*voting)
        os.kill(first, signal.SIGKILL)
        await working
        fresh = await again(server, scene.admin)
        seen = await fresh.subscribe(scene.event)
        assert seen.state["proposals"][proposal]["agree"] == len(members)
        async with asyncio.timeout(PATIENCE):
            while [up for _, up in UP.findall(await metrics(server))] != ["1.0", "1.0"]:
                await asyncio.sleep(0.1)
        now = children(server.process.pid)["server"]
        assert second in now
        assert first not in now
        assert any("ended (SIGKILL)" in line for line in server.log)
        # The killed process's sockets broke, which is not a broken promise.
        server.clients.clear()
        for client in (*members, scene.admin, fresh):
            client.socket.transport.abort()


async def test_a_stop_ends_every_process_and_the_redis(migrated_url: str, tmp_path: Path) -> None:
    async with killable(migrated_url, tmp_path, processes=2, drain_seconds=1) as server:
        scene = await gathering(server, 2)
        before = children(server.process.pid)
        assert len(before["server"]) == 2
        assert len(before["redis"]) == 1
        assert await server.terminate() == 0
        for pid in (*before["server"], *before["redis"]):
            assert not Path(f"/proc/{pid}").exists()
        assert [await client.gone() for client in scene.everyone] == [4001] * 3


async def test_processes_end_with_a_killed_supervisor(migrated_url: str, tmp_path: Path) -> None:
    async with killable(migrated_url, tmp_path, processes=2, drain_seconds=0) as server:
        before = children(server.process.pid)
        await server.kill()
        async with asyncio.timeout(PATIENCE):
            while any(
                Path(f"/proc/{pid}/exe").exists() for pid in (*before["server"], *before["redis"])
            ):
                await asyncio.sleep(0.05)


async def test_the_redis_of_the_processes_comes_back(migrated_url: str, tmp_path: Path) -> None:
    async with killable(migrated_url, tmp_path, processes=2) as server:
        (redis,) = children(server.process.pid)["redis"]
        os.kill(redis, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            while (found := children(server.process.pid).get("redis", [])) in ([], [redis]):
                await asyncio.sleep(0.05)
            while "ayes_bus_up{" not in (text := await metrics(server)) or " 0.0\n" in "".join(
                re.findall(r"^ayes_bus_up.*\n", text, re.MULTILINE)
            ):
                await asyncio.sleep(0.1)
        assert len(found) == 1


async def test_lines_and_metrics_name_their_process(migrated_url: str, tmp_path: Path) -> None:
    async with killable(migrated_url, tmp_path, processes=2, log_level="debug") as server:
        scene = await gathering(server, 3)
        assert any(re.search(r" \[\d\] ayes", line) for line in server.log)
        for _ in range(4):
            text = await metrics(server)
            assert dict(UP.findall(text)) == {"1": "1.0", "2": "1.0"}
            # Whichever process answers, every socket is counted once.
            sockets = SOCKETS.findall(text)
            assert [number for number, _ in sockets] == ["1", "2"]
            assert sum(float(count) for _, count in sockets) == len(scene.everyone)


def test_merged_metrics_stay_together_by_family() -> None:
    head = b"# HELP a_total x\n# TYPE a_total counter\n"
    one = head + b'a_total{code="1"} 2.0\n# TYPE b gauge\nb 1.0\n'
    other = head + b"a_total{} 3.0\n# TYPE b gauge\nb 5.0\n"
    assert merged({1: one, 2: other, 3: None}).decode().splitlines()[2:] == [
        'ayes_process_up{process="1"} 1.0',
        'ayes_process_up{process="2"} 1.0',
        'ayes_process_up{process="3"} 0.0',
        "# HELP a_total x",
        "# TYPE a_total counter",
        'a_total{process="1",code="1"} 2.0',
        'a_total{process="2"} 3.0',
        "# TYPE b gauge",
        'b{process="1"} 1.0',
        'b{process="2"} 5.0',
    ]
