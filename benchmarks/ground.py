"""The place of attacks: a server in a process of its own, and a member who keeps voting."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.attacks.stopping import is_defect
from tests.attacks.target import Bystander
from tests.promises.running import Killable, killable
from tests.promises.scenes import Scene, gathering

#: Seconds of each attack, and of the same votes before it.
ATTACK_S = 3.0
ROUNDS = 5
SETTINGS = {"connections_per_user": 100_000, "unauthenticated": 100}


@dataclass(frozen=True)
class Ground:
    """The server and the event under attack."""

    url: str
    directory: Path

    @asynccontextmanager
    async def room(self, **settings: Any) -> AsyncIterator[tuple[Killable, Scene, Bystander]]:
        """A server, an event, and a member who votes in it; its log must stay clean."""
        async with killable(self.url, self.directory / "server", **SETTINGS | settings) as server:
            scene = await gathering(server, 4)
            bystander = await Bystander.of(scene)
            await bystander.votes(50)
            yield server, scene, bystander
            await server.leave()
            status = await server.terminate()
        wrong = [line for line in server.log if is_defect(line)]
        if wrong or status:
            raise RuntimeError(f"exit {status}; {wrong[:5]}")


async def undisturbed(bystander: Bystander) -> list[float]:
    """Latencies of votes: under an attack, and before it."""
    seen = len(bystander.waits)
    async with bystander.voting():
        await asyncio.sleep(ATTACK_S)
    return bystander.waits[seen:]


def p50(waits: list[float]) -> float:
    """In milliseconds."""
    return statistics.median(waits) * 1_000


def p99(waits: list[float]) -> float:
    """In milliseconds."""
    return statistics.quantiles(waits, n=100, method="inclusive")[98] * 1_000
