"""A server below a path of its proxy, such as ``https://example.org/decide/``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.clients.blocking import BlockingLine
from tests.clients.line import laid
from tests.promises.running import token
from tests.web.conftest import LOOP, StartSite, Visit
from tests.web.entering import proposal
from tests.web.stage import Stage

PATH = "/decide"


class PathLine(BlockingLine):
    """A proxy that forwards ``/decide/…`` to the server as ``/…``, and no other path."""

    @property
    def base(self) -> str:
        """The server's public address."""
        return f"http://127.0.0.1:{self.port}{PATH}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await self._read_head(reader, writer)
        if head is None:
            return
        method, _, rest = head.partition(b" ")
        if not rest.startswith(PATH.encode() + b"/"):
            writer.write(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            writer.close()
            return
        head = method + b" " + rest.removeprefix(PATH.encode())
        if b"upgrade: websocket" not in head.lower():
            # One request per connection, since the next one's path would have to be changed too.
            lines = [
                part for part in head.split(b"\r\n") if not part.lower().startswith(b"connection:")
            ]
            head = b"\r\n".join([lines[0], b"Connection: close", *lines[1:]])
        await self._relay(head, reader, writer)


@pytest_asyncio.fixture(loop_scope=LOOP)
async def below(start_site: StartSite) -> AsyncIterator[PathLine]:
    """A proxy for a server whose public address has the path."""
    async with laid(PathLine(0)) as line:
        site = await start_site(public_url=line.base)
        line.to_port = site.port
        yield line


async def _enter(visit: Visit, below: PathLine, name: str, path: str) -> Page:
    """Enter with a token: behind a proxy there is no signing in by name."""
    page = (await visit(below, path, locale="en-GB")).page
    await page.get_by_label("Token").fill(token(name, name=name))
    await page.get_by_role("button", name="Sign in with this token").click()
    await expect(page.locator(".line.open")).to_be_visible()
    return page


async def test_below_a_path_an_event_is_shared_joined_and_decided(
    below: PathLine, visit: Visit
) -> None:
    async with Stage(f"http://127.0.0.1:{below.to_port}") as stage:
        event, code = await stage.event("Host")
        ada = await _enter(visit, below, "Ada", f"{PATH}/join/{code}")
        await ada.get_by_role("button", name="Join").click()
        await ada.get_by_role("button", name="Invite").click()
        link = await ada.locator("p.link").inner_text()
        assert link.startswith(f"{below.base}/#/join/"), link
        grace = await _enter(visit, below, "Grace", link)
        await grace.get_by_role("button", name="Join").click()
        await stage.propose("Host", event, "Calm")
        card = proposal(grace, "Calm")
        await card.get_by_role("button", name="Agree").click()
        await expect(card.get_by_role("button", name="You agree")).to_be_visible()
        await expect(proposal(ada, "Calm").get_by_text("1 of 3 agree")).to_be_visible()
        # A reload of a deep link stays below the path.
        await grace.reload()
        await expect(
            proposal(grace, "Calm").get_by_role("button", name="You agree")
        ).to_be_visible()
        assert grace.url.startswith(f"{below.base}/#/e/{event}")


async def test_below_a_path_what_is_published_names_it(below: PathLine) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        document = (await http.get(f"{below.base}/v1/openapi.json")).json()
        server = document["servers"][0]["url"]
        assert httpx.URL(f"{below.base}/v1/openapi.json").join(server) in (
            below.base,
            f"{below.base}/",
        )
        lost = await http.get(f"{below.base}/join/ABC234", headers={"accept": "text/html"})
        assert str(
            httpx.URL(f"{below.base}/join/ABC234").join(lost.headers["location"])
        ).startswith(f"{below.base}/#/")
        manifest = f"{below.base}/app/manifest.webmanifest"
        told = (await http.get(manifest)).json()
        assert str(httpx.URL(manifest).join(told["start_url"])).startswith(f"{below.base}/")
