"""A short rolling upgrade across migrations, from the oldest version that is still upgraded from.

That version's code is kept as an archive, since a clone may lack the history. It runs with today's
packages; ``python -m tests.campaign.rolling e30f843`` installs its own.
"""

from __future__ import annotations

import asyncio
import sys

import pytest

from tests.campaign.rolling import PHASES
from tests.promises.running import ROOT

OLD = ROOT / "tests" / "campaign" / "e30f843.tar.xz"
#: Ends an upgrade that hangs. It takes about 30 s on two quiet cores.
UPGRADE_SECONDS = 600.0


@pytest.mark.timeout(UPGRADE_SECONDS + 60)
async def test_no_vote_is_lost_while_two_nodes_are_upgraded_one_after_the_other() -> None:
    """Every answer is in the journal once, no socket lost its place, and each journal is proved."""
    command = [sys.executable, "-m", "tests.campaign.rolling", str(OLD), "--seconds", "1"]
    child = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(UPGRADE_SECONDS):
            output, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert child.returncode == 0, output.decode()
    assert all(f"{phase}: " in output.decode() for phase in PHASES)
