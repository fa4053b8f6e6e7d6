"""Random frames, good and broken, against a real server while a member keeps voting."""

from __future__ import annotations

import pytest

from server.transport.budgets import Budgets
from tests.attacks.conftest import Attack
from tests.attacks.fuzzing import TIMES, fuzz
from tests.attacks.taken import GuardClock
from tests.attacks.target import Bystander
from tests.promises.running import token
from tests.promises.scenes import gathering

FRAMES = 25_000 * TIMES
SEED = 20_261_123


@pytest.mark.timeout(400 * TIMES)
async def test_random_frames_break_nothing(attack: Attack, monkeypatch: pytest.MonkeyPatch) -> None:
    # Many of these never end by themselves. The deadlines are short, in turns of the event loop: a
    # good handshake is always in time, however busy the machine.
    clock = GuardClock(monkeypatch)
    target = await attack(
        budgets=Budgets(handshake_timeout_s=1, close_timeout_s=1),
        connections_per_user=1_000,
        admissions_per_second=1_000_000,
    )
    scene = await gathering(target, 4)
    bystander = await Bystander.of(scene)
    tokens = [token(client.user) for client in scene.members[:4]]
    at_rest = len(target.connections)
    async with bystander.voting(), clock.ticking():
        found = await fuzz(target.port, tokens, scene.event, seed=SEED, frames=FRAMES)
    assert not found.wrong, (len(found.wrong), found.wrong[:10])
    assert found.hung == 0
    assert found.frames >= FRAMES
    # Every kind of input was met.
    assert {1000, 1002, 1005, 1007, 1009} <= set(found.codes), found.codes
    assert {400, 431} & set(found.refused), found.refused
    assert {"bad_request", "unknown_type"} <= set(found.errors), found.errors
    await target.until_left(at_rest)
    assert len(bystander.waits) > 100
    await bystander.vote()
