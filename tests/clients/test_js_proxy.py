"""The JavaScript client in Node through a proxy of the environment, as its documentation shows."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

from tests.clients.connect_proxy import connect_proxy
from tests.fixtures.servers import migrated_url, server
from tests.node import NODE, install
from tests.parts import ROOT
from tests.promises.running import Running, token

__all__ = ["migrated_url", "server"]

CLIENT = ROOT / "clients" / "js"
PACKAGES = ROOT / "tests" / "clients" / "proxied"
EXAMPLE = (CLIENT / "examples" / "behind-a-proxy.js").read_text()
#: Longest that the program may take.
SECONDS = 60


def test_the_documentation_shows_what_is_tried_here() -> None:
    page = (ROOT / "docs" / "clients" / "javascript.md").read_text()
    [block] = re.findall(r"```javascript\n(.*?)```", page, re.DOTALL)
    assert block in EXAMPLE


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["websocket", "http"])
async def test_both_ways_go_through_the_proxy_of_the_environment(
    server: Running, tmp_path: Path, way: str
) -> None:
    await asyncio.to_thread(install, PACKAGES)
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "undici").symlink_to(PACKAGES / "node_modules" / "undici")
    (modules / "ayes-client").symlink_to(CLIENT)
    program = tmp_path / "program.mjs"
    program.write_text(EXAMPLE.replace("fetch });", f'fetch, transport: "{way}" }});'))
    async with connect_proxy() as proxy:
        # A name that the proxy alone can resolve.
        address = f"http://ayes.test:{server.port}"
        child = await asyncio.create_subprocess_exec(
            NODE,
            *(str(program), address, token("ada")),
            env=os.environ | {"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": ""},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(SECONDS):
                said, _ = await child.communicate()
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
    assert f"is connected by {way}" in said.decode(), said.decode()
    assert child.returncode == 0
    assert {target for target, _ in proxy.asked} == {f"ayes.test:{server.port}"}
