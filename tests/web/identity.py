"""A real OpenID Connect provider for tests: the npm package ``oidc-provider``, on the loopback."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.node import NODE, NPM

CLIENT = "the-page"
HOME = Path(__file__).parent / "provider"
#: Longest that fetching it may take: 40 small packages.
INSTALL_SECONDS = 180
#: Longest that it may take to start.
START_SECONDS = 30.0
#: Longest wait for a refresh token that a page revokes.
REVOKED_SECONDS = 30.0


class IdentityProvider:
    """A running provider. A user who signs in there is called ``<login> of the provider``."""

    def __init__(self, process: asyncio.subprocess.Process, issuer: str) -> None:
        self.process = process
        self.issuer = issuer

    @property
    def port(self) -> int:
        """The port of the provider."""
        return int(self.issuer.rpartition(":")[2])

    async def revoked(self) -> None:
        """Wait until a refresh token is revoked.

        Only the provider can know: the browser has left the page that revoked it, and may drop the
        answer.
        """
        assert self.process.stdout is not None
        async with asyncio.timeout(REVOKED_SECONDS):
            # Its own notices are in the output too.
            while (line := await self.process.stdout.readline()) != b"revoked\n":
                assert line, "the provider ended"

    async def stop(self) -> None:
        """End it; its users and tokens are lost."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def identity_provider(
    site: str, *, port: int = 0, token_seconds: int = 3_600, refresh: bool = True
) -> AsyncIterator[IdentityProvider]:
    """A provider where the page at ``site`` is known; its tokens last ``token_seconds``.

    ``refresh`` says whether it gives refresh tokens to a page that does not ask for consent.
    """
    await asyncio.to_thread(_install)
    options = {"port": port, "site": site, "tokenSeconds": token_seconds, "refresh": refresh}
    process = await asyncio.create_subprocess_exec(
        *(NODE, "provider.mjs", json.dumps(options)),
        cwd=HOME,
        # It warns that its own sign-in form is for tests alone.
        env=os.environ | {"NODE_ENV": "test"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            while not (line := (await process.stdout.readline()).decode()).startswith("http"):
                assert line, "the provider did not start"
        yield IdentityProvider(process, line.strip())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await process.stdout.read()


def _install() -> None:
    """Install its packages as the lock file names them; two workers take turns."""
    lock = (HOME / "package-lock.json").read_bytes()
    installed = HOME / "node_modules" / ".installed"
    with (HOME / "package.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if installed.exists() and installed.read_bytes() == lock:
            return
        subprocess.run(
            [*NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"],
            cwd=HOME,
            check=True,
            timeout=INSTALL_SECONDS,
        )
        installed.write_bytes(lock)
