"""``python -m tests.campaign.planted [BUG…]``: every planted bug is caught, clean runs are not.

Small rounds on one database: the nodes are started again with each bug, and judged by the same
checker as any campaign.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.campaign import command
from tests.campaign.bugs import BUGS, Bug
from tests.campaign.event import Patience
from tests.campaign.judging import cases_of, judge
from tests.campaign.plan import plan
from tests.campaign.round import Round
from tests.campaign.striker import Striker
from tests.campaign.venue import Venue, venue

#: Commands of a round in which a bug is looked for, and of a clean one.
COMMANDS = 400
#: Rounds a bug is given to show, each with a plan of its own.
TRIES = 3
CLEAN = 20
#: With a bug in it, what does not come soon never does.
IMPATIENT = Patience(answer=4.0, tries=4, heal=3.0)
#: Longest that a round goes on; with some bugs a command waits for ever.
LOOK_SECONDS = 25.0
#: The same of a clean round, which comes to its end on the slowest machine too.
CLEAN_SECONDS = 300.0
_INVARIANT = re.compile(r"invariant (\d+),")


class Found:
    """What a round with a bug in it brought to light."""

    def __init__(self, violations: list[str]) -> None:
        self.violations = violations
        self.invariants = {int(number) for v in violations for number in _INVARIANT.findall(v)}


async def look(place: Venue, name: str, seed: int, bug: Bug | None = None) -> Found:
    """One small round, with ``bug`` in the nodes where there is one that was planted."""
    drawn = plan(seed, COMMANDS, bug.faults if bug else ())
    striker = Striker()
    played = Round(place, drawn, striker.fire, name=name)
    played.most_strikes = 0
    striker.scene = played
    if bug:
        played.patience = IMPATIENT
        played.policy = played.policy | dict(bug.policy)
    try:
        async with asyncio.timeout(LOOK_SECONDS if bug else CLEAN_SECONDS):
            await played.run()
    except Exception as err:
        # Who folds what a node with a bug says may be unable to go on.
        if not bug:
            raise
        played.violations.append(f"not to its end: {err!r}")
    finally:
        # A node that is being started by a fault may be started by nobody else.
        striker.resting = True
        await played.faults_over()
    with tempfile.TemporaryDirectory(prefix="ayes-planted-") as folder:
        found = await judge(name, await cases_of(played), Path(folder), apart=False)
    return Found(found + played.violations)


async def caught(place: Venue, name: str, seed: int) -> tuple[Found, int]:
    """Rounds with the bug until it shows; what was found, and in how many."""
    bug = BUGS[name]
    for node in place.nodes:
        await node.close()
        node.planted = name
    await asyncio.gather(*(node.start() for node in place.nodes))
    for number in range(1, TRIES + 1):
        found = await look(
            place, f"{name[:8].replace(' ', '-')}-{seed}-{number}", seed + number, bug
        )
        if found.invariants & bug.breaks:
            break
    return found, number


async def run(names: list[str], clean: int, seed: int) -> int:
    """Look for all of ``names``; how many were missed, and false alarms."""
    wrong = 0
    async with venue() as place:
        for number in range(clean):
            begun = time.monotonic()
            found = await look(place, f"clean-{number}", seed + number)
            print(f"clean run {number + 1}: {len(found.violations)} alarms, "  # noqa: T201
                  f"{time.monotonic() - begun:.1f} s", *found.violations[:3])  # fmt: skip
            wrong += bool(found.violations)
        for name in names:
            begun = time.monotonic()
            found, tries = await caught(place, name, seed)
            hit = bool(found.invariants & BUGS[name].breaks)
            wrong += not hit
            print(f"{'caught' if hit else 'MISSED'}: {name}, by invariants "  # noqa: T201
                  f"{sorted(found.invariants)} in round {tries}, "
                  f"{len(found.violations)} alarms, {time.monotonic() - begun:.1f} s: "
                  f"{(found.violations or ['nothing'])[0][:150]}", flush=True)  # fmt: skip
    return wrong


def main() -> int:
    """0: all caught, and no false alarm."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign.planted", description=__doc__)
    parser.add_argument("bugs", nargs="*", metavar="BUG", help=", ".join(BUGS))
    parser.add_argument("--clean", type=int, default=CLEAN, help="clean rounds before them")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)  # noqa: T201
    return int(command.run(run(given.bugs or list(BUGS), given.clean, given.seed)) > 0)


if __name__ == "__main__":
    sys.exit(main())
