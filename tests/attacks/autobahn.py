"""Autobahn|Testsuite 0.8.2 against the guard.

    python -m tests.attacks.autobahn --python /path/to/python2.7 [--deflate | --keep]

The suite runs on Python 2.7 only, which few machines have. The first run installs the suite from
PyPI into ``build/autobahn``, which takes some minutes. Each run takes sections 1 to 7, 9 and 10,
the ones about the protocol itself, and compares the outcome with ``autobahn.json`` in this folder.
``--keep`` writes that file again. ``--deflate`` runs sections 12 and 13 instead, with
permessage-deflate on (some ten minutes): all must pass.
``test_conformance.py`` is the shorter list that needs nothing and runs with the tests.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import uvloop

from tests.attacks.echo import PATHS, WIDE, echoing

#: Path → case → what the suite says of it: of the behaviour, and of the close.
Outcome: TypeAlias = dict[str, dict[str, list[str]]]

SUITE = "autobahntestsuite==0.8.2"
BASELINE = Path(__file__).with_name("autobahn.json")
PLACE = Path(__file__).parents[2] / "build" / "autobahn"
#: Longest that the whole suite may take: 16 MiB in 64-byte fragments, in Python 2.7, is slow.
LIMIT_S = 1_200

#: Sections about permessage-deflate.
DEFLATED = ["12.*", "13.*"]
CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]
#: Cases with binary messages, which a receiver on the wire never sees.
BINARY = ["12.2.*", "12.3.*", "12.5.*", "1.2.*", "9.2.*", "9.4.*", "9.6.*", "9.8.*"]

#: Outcomes that the suite itself does not call a failure.
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}
#: A close frame inside a fragmented message: the suite wants it echoed, ``websockets`` documents
#: that it takes the unfinished message for a violation (1002).
EXPECTED_TO_FAIL = {"7.1.5"}

#: ``site.addsitedir`` rather than PYTHONPATH: zope is a namespace package that needs its .pth.
_RUN = (
    "import site, sys; site.addsitedir(sys.argv.pop(1)); sys.argv[0] = 'wstest'; "
    "from autobahntestsuite.wstest import run; run()"
)


async def install(python: str) -> Path:
    """Return the suite's folder; install the suite if it is missing."""
    site = PLACE / "site"
    if not site.exists():
        site.mkdir(parents=True)
        await _command(python, "-m", "pip", "install", "--quiet", "--target", str(site), SUITE)
    return site


async def run(python: str, *, deflates: bool) -> Outcome:
    """All cases against both paths."""
    site = await install(python)
    outcome: Outcome = {}
    for path in PATHS:
        reports = PLACE / f"reports-{path[1:]}"
        # A thousand large messages at once in each of their cases: they must not wait for turns.
        budgets = replace(WIDE, burst=1e9) if deflates else WIDE
        async with echoing(budgets, deflates=deflates) as served:
            spec = {
                "outdir": str(reports),
                "servers": [
                    {
                        "agent": path,
                        "url": f"ws://127.0.0.1:{served.port}{path}",
                        "options": {"version": 18},
                    }
                ],
                "cases": DEFLATED if deflates else CASES,
                "exclude-cases": BINARY if path == "/wire" else [],
                "exclude-agent-cases": {},
            }
            written = PLACE / f"spec-{path[1:]}.json"
            written.write_text(json.dumps(spec))
            await _command(python, "-c", _RUN, str(site), "-m", "fuzzingclient", "-s", str(written))
        found = json.loads((reports / "index.json").read_text())[path]
        outcome[path] = {
            case: [found[case]["behavior"], found[case]["behaviorClose"]]
            for case in sorted(found, key=lambda case: [int(part) for part in case.split(".")])
        }
    return outcome


def _plain(said: list[str]) -> list[str]:
    """Leave out differences of timing: NON-STRICT means that a close came before an echo."""
    return ["OK" if word == "NON-STRICT" else word for word in said]


async def _command(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *arguments, cwd=PLACE, stdout=asyncio.subprocess.DEVNULL, env={"PATH": os.environ["PATH"]}
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            status = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status:
        raise SystemExit(f"{arguments[0]} ended with {status}")


def failures(outcome: Outcome) -> list[str]:
    """The cases that fail and are not expected to."""
    return [
        f"{path} {case}: {', '.join(said)}"
        for path, cases in outcome.items()
        for case, said in cases.items()
        if case not in EXPECTED_TO_FAIL and not GOOD.issuperset(said)
    ]


def main() -> int:
    """Run the suite, print the outcome, and compare it with the baseline."""
    parser = argparse.ArgumentParser(prog="python -m tests.attacks.autobahn")
    parser.add_argument("--python", default="python2.7", help="a Python 2.7")
    parser.add_argument("--deflate", action="store_true", help="sections 12 and 13")
    parser.add_argument("--keep", action="store_true", help="write the baseline anew")
    given = parser.parse_args()
    outcome = uvloop.run(run(given.python, deflates=given.deflate))
    for path, cases in outcome.items():
        counted = dict(Counter(said for said, _ in cases.values()))
        print(path, len(cases), "cases:", counted)  # noqa: T201 - the command's own output
    wrong = failures(outcome)
    if given.deflate:
        pass
    elif given.keep:
        BASELINE.write_text(json.dumps(outcome, indent=1) + "\n")
    else:
        kept: Outcome = json.loads(BASELINE.read_text())
        wrong += [
            f"{path} {case}: was {kept[path].get(case)}, is {said}"
            for path, cases in outcome.items()
            for case, said in cases.items()
            if _plain(kept[path].get(case, [])) != _plain(said)
        ]
    print("\n".join(wrong) or "as it should be")  # noqa: T201 - as above
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
