"""The peer of the fan-out: Node's ``ws``, installed by npm into a directory that goes away."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.child import Child, started

VERSION = "8"
SCRIPT = Path(__file__).parent / "peers" / "broadcast.js"
INSTALL_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Broadcast:
    """A running peer."""

    child: Child
    port: int
    version: str

    async def send(self, text: str | None) -> None:
        """Send ``text`` to every socket over and over, or stop."""
        await self.child.ask({"send": text})

    async def sockets(self) -> int:
        """How many are connected."""
        count: int = (await self.child.ask({}))["members"]
        return count


@asynccontextmanager
async def broadcasting() -> AsyncIterator[Broadcast]:
    """The peer on a free port; raises ``RuntimeError`` where there is no Node or no npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise RuntimeError("the peer needs node and npm")
    with tempfile.TemporaryDirectory(prefix="ayes-ws-") as name:
        install = await asyncio.create_subprocess_exec(
            *(npm, "install", "--silent", "--no-audit", "--no-fund", f"ws@{VERSION}"),
            cwd=name,
            stdout=asyncio.subprocess.DEVNULL,
        )
        if await asyncio.wait_for(install.wait(), INSTALL_TIMEOUT_S):
            raise RuntimeError("npm could not install ws")
        package = f"{name}/node_modules/ws"
        version = f"{await _output(node, '--version')}, ws {_version(package)}"
        async with started(node, str(SCRIPT), package) as child:
            listening = await child.told()
            yield Broadcast(child, listening["port"], version)


def _version(package: str) -> str:
    found: str = orjson.loads((Path(package) / "package.json").read_bytes())["version"]
    return found


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode().strip()
