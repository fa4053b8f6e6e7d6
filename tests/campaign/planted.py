"""``python -m tests.campaign.planted [BUG…]``: planted bugs are found, clean runs pass.

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
from tests.campaign.bugs import Bug
from tests.campaign.deletion_bugs import ALL_BUGS as BUGS
from tests.campaign.event import Patience
from tests.campaign.judging import cases_of, judge
from tests.campaign.plan import plan, with_deletions
from tests.campaign.round import Round
from tests.campaign.striker import Striker
from tests.campaign.venue import Venue, venue

#: Commands of a round in which a bug is looked for, and of a clean one.
COMMANDS = 400
#: Rounds in which a bug must show, each with a plan of its own.
TRIES = 3
CLEAN = 20
#: With a bug in a node, an answer that does not come soon never comes.
IMPATIENT = Patience(answer=4.0, tries=4, heal=3.0)
#: Longest that a round lasts; with some bugs a command would wait for ever.
LOOK_SECONDS = 25.0
#: The same for a round with deletions, in addition; each starts processes.
DELETION_SECONDS = 25.0
#: Longest that a clean round lasts; it comes to its end on the slowest machine too.
CLEAN_SECONDS = 300.0
_INVARIANT = re.compile(r"invariant (\d+),")


class Found:
    """The outcome of a round with a planted bug."""

    def __init__(self, violations: list[str]) -> None:
        self.violations = violations
        self.invariants = {int(number) for v in violations for number in _INVARIANT.findall(v)}


async def look(place: Venue, name: str, seed: int, bug: Bug | None = None) -> Found:
    """Play and judge a small round; with ``bug`` planted in the nodes, if one is given."""
    drawn = plan(seed, COMMANDS, bug.faults if bug else ())
    drawn = with_deletions(drawn, bug.deletions if bug else 1)
    striker = Striker()
    played = Round(place, drawn, striker.fire, name=name)
    played.most_strikes = 0
    striker.scene = played
    if bug:
        played.patience = IMPATIENT
        played.policy = played.policy | dict(bug.policy)
    try:
        patience = LOOK_SECONDS + (DELETION_SECONDS if bug and bug.deletions else 0)
        async with asyncio.timeout(patience if bug else CLEAN_SECONDS):
            await played.run()
    except Exception as err:
        # A client that folds a buggy node's messages may fail.
        if not bug:
            raise
        played.violations.append(f"not to its end: {err!r}")
    finally:
        # A fault may be starting a node; then only that fault may start it.
        striker.resting = True
        await played.faults_over()
    with tempfile.TemporaryDirectory(prefix="ayes-planted-") as folder:
        found = await judge(name, await cases_of(played), Path(folder), apart=False)
    return Found(found + played.violations)


async def caught(place: Venue, name: str, seed: int) -> tuple[Found, int]:
    """Play rounds with the bug until it shows; return the violations, and the number of rounds."""
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
    """Look for all of ``names``; return the number of missed bugs, and of false alarms."""
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
    """Return 0 if every bug was found without a false alarm."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign.planted", description=__doc__)
    parser.add_argument("bugs", nargs="*", metavar="BUG", help=", ".join(BUGS))
    parser.add_argument("--clean", type=int, default=CLEAN, help="clean rounds before them")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)  # noqa: T201
    return int(command.run(run(given.bugs or list(BUGS), given.clean, given.seed)) > 0)


if __name__ == "__main__":
    sys.exit(main())
