"""Faults of clients: sockets lost or half-open, commands kept in outboxes and sent late."""

from __future__ import annotations

import asyncio
import random

from tests.campaign.fault import Fault, Scene

#: Sockets that are lost at once.
CHURN = 40
#: Sockets that are half-open at once, and for how long; then they are gone.
HALF_OPEN, HALF_OPEN_SECONDS = 10, 4.0
#: Commands that stay in their senders' outboxes, and for how long at most.
KEPT, KEPT_SECONDS = 40, 12.0
#: Commands of earlier rounds that are sent again at once.
OLD = 60


async def _sockets_cut(scene: Scene, rng: random.Random) -> bool:
    await scene.waves.sent()
    there = [seat for seat in scene.all_seats if seat.is_open]
    rng.shuffle(there)
    # First those that wait for an answer: the loss of an idle socket has no effect to check.
    for seat in sorted(there, key=lambda seat: not seat.is_asked)[:CHURN]:
        assert seat.line is not None
        seat.line.abort()
    return bool(there)


async def _half_open(scene: Scene, rng: random.Random) -> bool:
    there = [seat for seat in scene.all_seats if seat.is_open and seat.view is None]
    lines = [seat.line for seat in rng.sample(there, min(HALF_OPEN, len(there)))]
    for line in lines:
        assert line is not None
        line.go_deaf()
    await asyncio.sleep(HALF_OPEN_SECONDS)
    for line in lines:
        assert line is not None
        line.abort()
    return bool(lines)


async def _kept(scene: Scene, rng: random.Random) -> bool:
    scene.hold_back(KEPT, rng.uniform(KEPT_SECONDS / 4, KEPT_SECONDS))
    return True


async def _old_outboxes(scene: Scene, rng: random.Random) -> bool:
    return await scene.send_again(rng, OLD) > 0


FAULTS: dict[str, Fault] = {
    "sockets cut": Fault(("sockets",), _sockets_cut),
    "sockets half-open": Fault(("half-open sockets",), _half_open),
    "commands kept in outboxes": Fault(("outboxes",), _kept),
    "old outboxes sent": Fault(("old outboxes",), _old_outboxes),
}
