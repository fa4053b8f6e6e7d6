"""The worst load of one user leaves almost no memory in use.

The short form of ``benchmarks/memory.py``.
"""

from __future__ import annotations

from pathlib import Path

from tests.attacks.memory import MIB, worst
from tests.attacks.stopping import is_defect
from tests.promises.running import killable

#: Seconds of the attack. A busy machine does less in them, which proves nothing wrong.
ATTACK_S = 8.0
#: Memory that may stay in use after the attack, the server's caches included.
MAX_LEFT = 64 * MIB


async def test_one_users_worst_leaves_little_memory_in_use(
    database_url: str, tmp_path: Path
) -> None:
    async with killable(database_url, tmp_path) as server:
        found = await worst(server, server.process.pid, ATTACK_S, enough=MAX_LEFT)
        assert found.left <= MAX_LEFT, found
        # The attack did its work.
        for what in ("proposals", "subscribed", "requests", "refused", "withdrawn"):
            assert found.done.get(what), found
    assert not [line for line in server.log if is_defect(line)]
