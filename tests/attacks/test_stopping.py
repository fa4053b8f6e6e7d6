"""A stop under load while peers hang; ``benchmarks/attacks.py`` does it twenty times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attacks.stopping import LOAD, stop_under_load


@pytest.mark.timeout(300)
async def test_a_stop_under_load_loses_no_command(migrated_url: str, tmp_path: Path) -> None:
    stopped = await stop_under_load(migrated_url, tmp_path)
    assert not stopped.wrong, stopped.wrong[:5]
    assert stopped.status == 0
    assert stopped.acked >= LOAD
    assert stopped.commands == stopped.acked + stopped.refused + stopped.unanswered
