"""Builds wheels, sdists and the npm package, installs them in clean environments, and tries them.

Nothing is published. Everything that is tried is what would be published: the wheel is built from
the sdist, and the smoke test imports no file of the checkout.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scripts.provenance import STATEMENT, NotCommitted, commit_of, statement  # noqa: E402
from scripts.renumber import ReleaseError, number, renumber  # noqa: E402
from tests.node import NODE, NPM  # noqa: E402

#: Longest time for one step. Most of it is for a slow registry.
STEP_TIMEOUT_S = 240.0
#: Longest time for the installed server to make its database and to listen.
START_TIMEOUT_S = 60.0
#: The file with the hashes; it also marks a folder as a release.
SUMS = "SHA256SUMS"
#: The folders that have a Python package, by its name.
PACKAGES = {"ayes": ROOT, "ayes-client": ROOT / "clients" / "python"}
#: The installed JavaScript client, used as its README says.
_JAVASCRIPT = """
import { Client } from "ayes-client";
const client = new Client(process.argv[2], { token: process.argv[3] }).start();
const room = await client.subscribe(process.argv[4]);
const [id] = Object.keys(room.state.proposals);
const ack = await room.vote(id);
console.log(JSON.stringify(ack.result));
await client.stop();
"""


def say(text: str) -> None:
    """Print one line about what is done."""
    print(f"release: {text}", flush=True)


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command away from the checkout's modules; return what it prints."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    kept = {name: value for name, value in kept.items() if not name.startswith("AYES_")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=STEP_TIMEOUT_S,
    )
    if done.returncode:
        raise ReleaseError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def empty(into: Path) -> None:
    """Make the folder, and delete an earlier release in it. Raises if it has other files."""
    into.mkdir(parents=True, exist_ok=True)
    if any(into.iterdir()) and not (into / SUMS).is_file():
        raise ReleaseError(f"{into} is not empty, and holds no release")
    for path in into.iterdir():
        path.unlink()


def build(into: Path) -> None:
    """Build the sdist of each package, its wheel from the sdist, and the npm package."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, folder in PACKAGES.items():
            _hatch(folder, "sdist", into)
            [archive] = into.glob(f"{name.replace('-', '_')}-[0-9]*.tar.gz")
            shutil.unpack_archive(archive, scratch, filter="data")
            _hatch(Path(scratch) / archive.name.removesuffix(".tar.gz"), "wheel", into)
    run(*NPM, "pack", "--pack-destination", into, cwd=ROOT / "clients" / "js")


def _hatch(folder: Path, target: str, into: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", into, cwd=folder)


def environment(folder: Path, wheel: Path) -> Path:
    """Make a clean environment with ``wheel`` and the tested versions of what it needs."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-input"),
        *("--disable-pip-version-check", "-c", ROOT / "constraints.txt", wheel),
        cwd=folder,
    )
    return python


@contextmanager
def served(python: Path, folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Run the installed server on a database of its own; its address and environment."""
    data = folder / "data"
    given = {
        "AYES_DATA_DIR": str(data),
        "AYES_PORT": "0",
        "AYES_AUTH_SECRET": secrets.token_urlsafe(48),
        "AYES_ADMIN_TOKEN": secrets.token_urlsafe(48),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AYES_")}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [python.parent / "ayes", "serve"],
            cwd=folder,
            env=kept | given,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            yield _address(process), given
        finally:
            process.terminate()
            if process.wait(START_TIMEOUT_S):
                raise ReleaseError((folder / "server.log").read_text())


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.search(r"ayes is ready: (http://\S+)", line):
            return match[1]
    raise ReleaseError("the installed server did not start")


def smoke(into: Path, scratch: Path) -> None:
    """Install what was built, and decide something with it."""
    [server] = into.glob("ayes-[0-9]*-py3-none-any.whl")
    [client] = into.glob("ayes_client-*.whl")
    [npm] = into.glob("ayes-client-*.tgz")
    say("a clean environment for the server, another for the client, and one of npm's")
    with ThreadPoolExecutor() as both:
        # Both wait for a registry most of their time.
        first = both.submit(environment, scratch / "server", server)
        second = both.submit(environment, scratch / "client", client)
        python, bot = first.result(), second.result()
    for name, found in (("ayes", python), ("ayes-client", bot)):
        bill = run(found, "-I", ROOT / "scripts" / "sbom.py", name, cwd=scratch)
        (into / f"{name}-{number(ROOT)}.cdx.json").write_text(bill)
    page = scratch / "npm"
    page.mkdir()
    (page / "package.json").write_text('{"private": true, "type": "module"}')
    run(*NPM, "install", "--offline", "--no-audit", "--no-fund", npm, cwd=page)
    (page / "vote.mjs").write_text(_JAVASCRIPT)
    ayes, cli = python.parent / "ayes", bot.parent / "ayes-client"
    say("the installed server decides what the installed clients ask for")
    with served(python, scratch) as (url, given):
        for path in ("/", "/admin", "/sdk/ayes.js", "/v1/openapi.json", "/readyz", "/metrics"):
            with urllib.request.urlopen(url + path, timeout=30) as answer:  # noqa: S310 - our own
                if answer.status != 200 or not answer.read():
                    raise ReleaseError(f"{path} is not served")
        token = run(ayes, "token", "--user", "ada", cwd=scratch, **given).strip()
        mine = {"AYES_URL": url, "AYES_TOKEN": token}
        made = run(cli, "create", "Which release?", "--option", "This", cwd=scratch, **mine)
        event = made.split()[2].rstrip(",")
        run(cli, "start", event, cwd=scratch, **mine)
        run(cli, "propose", event, "assumption", "It installs", cwd=scratch, **mine)
        said = json.loads(run(NODE, "vote.mjs", url, token, event, cwd=page))
        if said["agree"] != 1:
            raise ReleaseError(f"the vote was not counted: {said}")
        proof = run(ayes, "verify", event, cwd=scratch, **given)
        run(ayes, "admin", "--url", url, "events", event, cwd=scratch, **given)
        say(proof.strip())


def seal(into: Path, commit: str) -> None:
    """Write what the files were built from, and the SHA-256 of each for ``sha256sum --check``."""
    built = [path for path in into.iterdir() if path.name not in (SUMS, STATEMENT)]
    said = statement(built, commit, number(ROOT))
    (into / STATEMENT).write_text(json.dumps(said, indent=2) + "\n")
    files = sorted(path for path in into.iterdir() if path.name != SUMS)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in files]
    (into / SUMS).write_text("\n".join(lines) + "\n")
    for path in files:
        say(f"{path.name} ({path.stat().st_size:,} bytes)")


def main() -> int:
    """Run the steps; 1 if one fails."""
    parser = argparse.ArgumentParser(prog="scripts/release", description=__doc__)
    parser.add_argument("into", nargs="?", type=Path, default=ROOT / "dist")
    parser.add_argument("--number", help="write this version everywhere first, and stop there")
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        if arguments.number is not None:
            renumber(ROOT, arguments.number, datetime.now(UTC).date().isoformat())
            say(f"{arguments.number} is written; look at git diff, then commit and tag it")
            return 0
        into = arguments.into.resolve()
        commit = commit_of(ROOT)
        empty(into)
        say(f"building {number(ROOT)} of commit {commit}")
        build(into)
        with tempfile.TemporaryDirectory(prefix="ayes-release-") as scratch:
            # The account of the embedded database must be able to enter it.
            Path(scratch).chmod(0o755)
            smoke(into, Path(scratch))
        seal(into, commit)
    except (ReleaseError, NotCommitted, subprocess.TimeoutExpired) as err:
        print(f"release: {err}", file=sys.stderr)
        return 1
    say(f"{time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
