"""The short campaign, and proof that the checker finds bugs; the long ones are commands.

Each is a process of its own, since a campaign needs a loop, a database and a Redis to itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import secrets
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.deletion_bugs import ALL_BUGS
from tests.campaign.faults import FAULTS, MIX, draw
from tests.campaign.plan import plan
from tests.promises.running import ROOT

#: Each run draws its faults from the whole mix.
COMMANDS, FAULT_COUNT = 10_000, 30
#: Events of the round over many events, of five commands each.
WIDE = 200
#: Minimum of faults that must have struck; some faults may find nothing to strike.
MIN_FAULTS = 24
#: Ends a campaign that hangs. A campaign takes about a minute on two quiet cores, and ten times
#: as long at a load of 20.
CAMPAIGN_SECONDS = 1_800
#: The bugs that ``scripts/test`` plants; ``python -m tests.campaign.planted`` plants all.
PLANTED = (
    "ack before commit",
    "refusal not remembered",
    "snapshot outside one read",
    "a lost answer taken for no effect",
    "a forward taken back for no effect",
    "deleted with votes that no export has",
    "a tombstone that forgets",
)
PLANTED_SECONDS = 720


async def run(*arguments: str, seconds: float) -> tuple[int, str]:
    """Run a command of the campaign; return its status and its output."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(seconds):
            out, _ = await child.communicate()
    except TimeoutError:
        # A campaign ends the processes that it started.
        child.terminate()
        out, _ = await child.communicate()
        pytest.fail(f"not done in {seconds} s:\n{out.decode()}")
    assert child.returncode is not None
    return child.returncode, out.decode()


@pytest.mark.timeout(CAMPAIGN_SECONDS + 20)
async def test_the_short_campaign_breaks_no_promise(tmp_path: Path) -> None:
    seed = secrets.randbits(31)
    options = ["--seed", str(seed), "--commands", str(COMMANDS), "--faults", str(FAULT_COUNT)]
    options += ["--wide", str(WIDE)]
    kept = ["--json", str(tmp_path / "report"), "--keep", str(tmp_path / "histories")]
    status, out = await run("tests.campaign", *options, *kept, seconds=CAMPAIGN_SECONDS)
    assert status == 0, out
    report: dict[str, Any] = json.loads((tmp_path / "report").read_text())
    assert report["wrong"] == []
    assert report["commands"] == COMMANDS
    assert sum(report["faults"].values()) >= MIN_FAULTS
    # If ``.ci/run`` has installed the equipment, no fault is left out for the lack of it.
    for piece in os.environ.get("AYES_TEST_EQUIPMENT", "").split(","):
        assert piece not in report["left_out"], report["left_out"]
    assert report["weak"] == []


@pytest.mark.timeout(PLANTED_SECONDS + 20)
async def test_planted_bugs_are_caught_and_a_clean_run_is_not() -> None:
    status, out = await run(
        "tests.campaign.planted", *PLANTED, "--clean", "1", seconds=PLANTED_SECONDS
    )
    assert status == 0, out
    assert sorted(re.findall(r"^caught: (.*), by invariants", out, re.M)) == sorted(PLANTED)


def test_a_seed_gives_the_same_plan() -> None:
    names = list(FAULTS)
    assert plan(7, 500, names) == plan(7, 500, names) != plan(8, 500, names)


def test_a_plan_sends_again_as_often_as_it_should() -> None:
    commands = plan(1, 20_000, []).commands
    shares = {
        "again": sum("at once" in c.echoes or "after" in c.echoes for c in commands),
        "elsewhere": sum("second socket" in c.echoes for c in commands),
        "with other words": sum("other words" in c.echoes for c in commands),
        "hot": sum(c.event == 0 for c in commands),
    }
    assert {name: round(count / 200) for name, count in shares.items()} == {
        "again": pytest.approx(30, abs=1),
        "elsewhere": pytest.approx(20, abs=1),
        "with other words": pytest.approx(5, abs=1),
        "hot": pytest.approx(50, abs=1),
    }


def test_a_whole_mix_has_every_fault() -> None:
    assert Counter(draw(random.Random(1), sum(MIX.values()))) == MIX
    assert set(draw(random.Random(1), 4, only="^kill")) == {
        name for name in FAULTS if "kill -9" in name
    }
    assert set(PLANTED) <= set(ALL_BUGS)


@pytest.mark.parametrize("seed", range(20))
def test_a_small_campaign_has_the_frequent_faults(seed: int) -> None:
    """Otherwise too few of its operations would end unknown for it to prove anything."""
    found = Counter(draw(random.Random(seed), FAULT_COUNT))
    assert sum(found.values()) == FAULT_COUNT
    for name, often in MIX.items():
        assert abs(found[name] - often * FAULT_COUNT / sum(MIX.values())) < 1, name
