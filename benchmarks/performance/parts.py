"""A vote's processor time, by part of the server."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.peers.installing import Peers
from benchmarks.performance.member import Member
from benchmarks.performance.parties import Party, ayes
from benchmarks.performance.plan import Plan
from benchmarks.performance.rooms import USERS
from benchmarks.rig import close
from benchmarks.server_process import running

#: Samples a second. The profiler does not stop the server, which would distort what it sees.
SAMPLES = 200
REST = "the event loop, the rest"
#: Parts of the server by the file that ran; the first that is found in its path counts.
PARTS = {
    # The frames below the event loop, which is no Python of its own.
    "/server/cli/": REST,
    "/server/process.py": REST,
    "/handlers/": "deciding, lanes",
    "/persistence/": "statements, journal",
    "/asyncpg/": "the driver of PostgreSQL",
    "/sqlalchemy/": "the driver of PostgreSQL",
    "/protocol/": "decoding and encoding messages",
    "/server/rooms/": "rooms",
    "/server/sessions/": "sessions",
    "/server/transport/": "frames and sockets",
    "/server/": "routing, limits, metrics",
}

_LINE = re.compile(r"^(.*) (\d+)$")


async def measure_parts(peers: Peers, plan: Plan) -> list[dict[str, Any]]:
    """The three loads of ``rooms.py``, each with its processor time by process and by part."""
    loads = (
        ("100 watch and vote, 1 in flight", True, 1),
        ("nobody watches, 1 in flight", False, 1),
        ("nobody watches, 16 in flight", False, 16),
    )
    async with running() as server:
        party = await ayes(server, USERS)
        members = await party.members(USERS)
        found = [
            {"load": title} | await _of(peers, plan, party, members, watched, inflight)
            for title, watched, inflight in loads
        ]
        close(members)
    return found


async def _of(
    peers: Peers, plan: Plan, party: Party, members: list[Member], watched: bool, inflight: int
) -> dict[str, Any]:
    watchers = members if watched else []
    run = await party.measure(members, watchers, inflight=inflight, seconds=plan.seconds)
    [pid] = party.pids["server"]()
    sampling = asyncio.create_task(_samples(peers, pid, plan.seconds))
    await party.measure(members, watchers, inflight=inflight, seconds=plan.seconds)
    shares = await sampling
    return {
        "server_us": round(run.us("server"), 1),
        "server_user_us": round(run.us("user"), 1),
        "server_system_us": round(run.us("system"), 1),
        "postgresql_us": round(run.us("postgresql"), 1),
        "parts_us": {part: round(run.us("server") * share, 1) for part, share in shares.items()},
    }


async def _samples(peers: Peers, pid: int, seconds: float) -> dict[str, float]:
    """The share of each part among the samples of a running server."""
    with tempfile.TemporaryDirectory(prefix="ayes-parts-") as name:
        output = Path(name) / "samples"
        process = await asyncio.create_subprocess_exec(
            *(peers.py_spy, "record", "--nonblocking", "--full-filenames", "--format", "raw"),
            *("--rate", str(SAMPLES), "--duration", str(max(1, round(seconds)))),
            *("--pid", str(pid), "--output", str(output)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await process.wait()
        return shares_of(output.read_text()) if output.exists() else {}


def shares_of(samples: str) -> dict[str, float]:
    """Sum up collapsed stacks by the part of their innermost frame."""
    counts: Counter[str] = Counter()
    for line in samples.splitlines():
        if found := _LINE.match(line):
            innermost = found[1].rpartition(";")[2]
            part = next((name for path, name in PARTS.items() if path in innermost), REST)
            counts[part] += int(found[2])
    total = counts.total() or 1
    return {part: count / total for part, count in counts.most_common()}
