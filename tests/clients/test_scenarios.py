"""Every scenario with the misbehaving server, for every client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.driving import DRIVERS, driving
from tests.clients.misbehaving import misbehaving
from tests.clients.playing import Line, Player, scenarios

SCENARIOS = dict(scenarios(Path(__file__).parent / "scenarios"))


@pytest.mark.parametrize("lines", SCENARIOS.values(), ids=SCENARIOS)
@pytest.mark.parametrize("client", DRIVERS)
async def test_a_client_keeps_its_promises(client: str, lines: list[Line], tmp_path: Path) -> None:
    async with misbehaving() as server, driving(client) as driver:
        await Player(driver, server, tmp_path).play(lines)
