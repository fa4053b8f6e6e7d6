"""``python -m tests.campaign``: run a campaign, print its report; the exit status says how it was.

The seed is printed first, and again with each violation. The same seed with the same numbers
is the same plan.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from tests.campaign.campaign import Wanted, campaign
from tests.campaign.command import run
from tests.campaign.report import Report


def main() -> int:
    """Run the campaign; the exit status is 0 if nothing is wrong and something was proved."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--commands", type=int, default=20_000)
    parser.add_argument("--faults", type=int, default=Wanted.faults)
    parser.add_argument("--only", default="", help="only faults whose names match this")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--wide", type=int, default=0, help="events of one round over many")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31))
    parser.add_argument("--seconds", type=float, default=3_600.0, help="begin no round after that")
    parser.add_argument("--plant", default="", help="put one of tests.campaign.bugs into the nodes")
    parser.add_argument("--json", type=Path, help="write the report there")
    parser.add_argument("--markdown", type=Path, help="and, for people, there")
    parser.add_argument("--keep", type=Path, help="keep histories with something wrong there")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)  # noqa: T201
    keep = given.keep or Path(tempfile.mkdtemp(prefix="ayes-campaign-"))
    keep.mkdir(parents=True, exist_ok=True)
    wanted = Wanted(
        seed=given.seed,
        commands=given.commands,
        faults=given.faults,
        only=given.only,
        nodes=given.nodes,
        wide=given.wide,
        seconds=given.seconds,
        planted=given.plant,
        keep=keep,
    )

    def tell(report: Report) -> None:
        if given.json:
            given.json.write_text(report.json())
        if given.markdown:
            given.markdown.write_text(report.markdown())

    report = run(campaign(wanted, tell))
    print(report.markdown())  # noqa: T201
    if report.wrong:
        print(f"histories with something wrong: {keep}")  # noqa: T201
    elif given.keep is None:
        keep.rmdir()
    return int(bool(report.wrong or report.weak()))


if __name__ == "__main__":
    sys.exit(main())
