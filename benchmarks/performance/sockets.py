"""Memory of one silent socket that is in a room: the server's and its peers'."""

from __future__ import annotations

import asyncio

from benchmarks.listeners import listening
from benchmarks.machine import resident_kib
from benchmarks.peers.installing import Peers
from benchmarks.performance.frames import commands, sending
from benchmarks.performance.plan import Plan
from benchmarks.report import Row, Target
from benchmarks.server_process import running
from benchmarks.sockets import SETTLE, SOCKETS_EACH, opening, room

#: Sockets opened before the counting begins.
WARMING = 100


async def measure_sockets(peers: Peers, plan: Plan) -> list[Row]:
    """The server with a room, then each peer with the same number of sockets."""
    ours = await _ours(plan.idle)
    rows: list[Row] = []
    for name in list(commands(peers))[1:]:
        target = Target(30, 20, "less") if not rows else None
        row = Row("KiB of one idle, subscribed socket", "KiB", name)
        row.add(ours, await _theirs(peers, name, plan.idle))
        rows.append(row)
        if target is not None:
            alone = Row("KiB of one idle, subscribed socket", "KiB", target=target)
            alone.add(ours)
            rows.insert(0, alone)
    return rows


async def _ours(sockets: int) -> float:
    async with running() as server:
        users, gathering, admin = await room(server, "idle", max(sockets, SOCKETS_EACH * 2))
        async with listening() as listeners:
            await listeners.ask(opening(server, gathering, users[:WARMING]))
            before = await _settled(server.pid)
            await listeners.ask(opening(server, gathering, users[:sockets]))
            after = await _settled(server.pid)
        admin.close()
    return (after - before) / sockets


async def _theirs(peers: Peers, name: str, sockets: int) -> float:
    async with sending(peers, name, WARMING) as sender:
        port = sender.port
        before = await _settled(sender.child.pid)
        await sender.readers.ask({"port": port, "sockets": sockets})
        after = await _settled(sender.child.pid)
    return (after - before) / sockets


async def _settled(pid: int) -> int:
    await asyncio.sleep(SETTLE)
    return resident_kib(pid)
