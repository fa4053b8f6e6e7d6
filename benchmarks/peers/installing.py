"""The packages of the peers, in a directory apart from the server's packages."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
#: Longest time to fetch the packages; one of them is a program of 100 MB.
INSTALL_TIMEOUT_S = 300.0


class MissingError(RuntimeError):
    """A program that the peers need is missing; the message names it."""


@dataclass(frozen=True)
class Peers:
    """The places of the peers' programs and packages."""

    directory: Path
    node: str
    redis: str

    @property
    def bun(self) -> str:
        """The program Bun."""
        return str(self.directory / "node_modules" / ".bin" / "bun")

    @property
    def py_spy(self) -> str:
        """The sampling profiler py-spy."""
        return str(self.directory / "python" / "bin" / "py-spy")

    def python(self) -> dict[str, str]:
        """Environment variables with which Python finds the peers' packages."""
        path = os.pathsep.join([str(self.directory / "python"), str(HERE.parents[1])])
        return os.environ | {"PYTHONPATH": path}

    def script(self, name: str) -> str:
        """The path of a peer's program."""
        return str(HERE / name)


async def installed() -> Peers:
    """The peers' packages; fetched the first time, and again if their versions have changed.

    Raises ``MissingError``.
    """
    node, npm = _program("node"), _program("npm")
    redis = shutil.which("redis-server") or _program("valkey-server")
    pins = b"".join((HERE / name).read_bytes() for name in ("package.json", "requirements.txt"))
    digest = hashlib.sha256(pins + sys.version.encode()).hexdigest()[:12]
    directory = Path(tempfile.gettempdir()) / f"ayes-peers-{os.getuid()}-{digest}"
    if not (directory / "complete").exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
        shutil.copy(HERE / "package.json", directory)
        await asyncio.gather(
            _run(directory, npm, "install", "--silent", "--no-audit", "--no-fund"),
            _run(
                *(directory, sys.executable, "-m", "pip", "install", "--quiet"),
                *("--disable-pip-version-check", "--target", str(directory / "python")),
                *("-r", str(HERE / "requirements.txt")),
            ),
        )
        (directory / "complete").touch()
    return Peers(directory, node, redis)


async def versions(peers: Peers) -> dict[str, str]:
    """The versions of the programs, and those of the packages."""
    found = {
        "node": await _output(peers.node, "--version"),
        "redis": await _output(peers.redis, "--version"),
    }
    found["redis"] = found["redis"].partition("v=")[2].split(" ")[0] or found["redis"]
    for line in (HERE / "requirements.txt").read_text().splitlines():
        name, pinned, number = line.partition("==")
        if pinned:
            found[name] = number
    for line in (HERE / "package.json").read_text().partition('"dependencies"')[2].splitlines():
        name, pinned, number = line.strip().strip(",").replace('"', "").partition(": ")
        if pinned and number != "{":
            found[name] = number
    return found


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise MissingError(f"the peers need {name}")
    return found


async def _run(directory: Path, *command: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, stdout=asyncio.subprocess.DEVNULL
    )
    if await asyncio.wait_for(process.wait(), INSTALL_TIMEOUT_S):
        raise MissingError(f"failed: {' '.join(command)}")


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode().strip()
