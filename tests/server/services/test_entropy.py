"""Every command has its own random bytes, in any batch."""

from __future__ import annotations

import os

import pytest

from handlers.lanes.decide import ENTROPY_BYTES
from server.services.entropy import COMMANDS_PER_READ, entropy


def test_no_two_commands_have_the_same() -> None:
    found = [entropy() for _ in range(3 * COMMANDS_PER_READ)]
    assert len(set(found)) == len(found)
    assert {len(one) for one in found} == {ENTROPY_BYTES}


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_does_not_give_away_what_its_parent_has() -> None:
    entropy()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, entropy())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, ENTROPY_BYTES)
    os.close(reader)
    os.close(writer)
    assert theirs not in [entropy() for _ in range(COMMANDS_PER_READ)]
