"""Commands of ``ayes-client`` as processes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeAlias

import pytest

from tests.clients.programs import Program, start_program
from tests.clients.python.waiting import PATIENCE
from tests.promises.running import ROOT, Running, token


class Said(NamedTuple):
    """A command's output and exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output, which must be one line of JSON."""
        return json.loads(self.out)


Run: TypeAlias = Callable[..., Awaitable[Said]]


async def start(
    url: str, user: str | None, *arguments: str, module: str = "ayes_client.cli"
) -> Program:
    """Start a command as ``user``."""
    given = {"AYES_URL": url, "AYES_TOKEN": "" if user is None else token(user, name=user.title())}
    return await start_program("-m", module, *arguments, cwd=ROOT, env=os.environ | given)


async def ended(child: asyncio.subprocess.Process | Program) -> Said:
    """Wait until the command ends."""
    async with asyncio.timeout(PATIENCE):
        out, err = await child.communicate()
    assert child.returncode is not None
    return Said(child.returncode, out.decode(), err.decode())


@pytest.fixture
def run(server: Running) -> Run:
    """Runs a command to its end, as a user."""

    async def run(user: str | None, *arguments: str, url: str = "", **options: Any) -> Said:
        return await ended(await start(url or server.url, user, *arguments, **options))

    return run
