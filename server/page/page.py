"""The page and the JavaScript SDK, served to browsers: ``/``, ``/app/…``, ``/sdk/…``.

The page handles everything below ``/#/`` itself, so it has no other address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from protocol.published.page import OidcClient, PageSettings
from server.config.version import ayes_version
from server.http.answers import json_answer
from server.http.conditional import is_known
from server.page.files import File, Folder
from server.page.headers import OPEN_HEADERS, headers
from server.page.local import LocalMode

if TYPE_CHECKING:
    from server.node import Node

INDEX = "index.html"
ADMIN = "admin.html"
#: Seconds between two checks for changed files in a checkout. Shorter than a reload of the page,
#: and longer than a check.
FILE_CHECK_INTERVAL_S = 0.1
#: The SDK's files that a browser needs; its folder also has its package, tests and examples.
SDK_PARTS = ("ayes.js", "elements.js", "words.js", "src")

#: The folder of both in an installed wheel (see pyproject.toml), and in a checkout.
_INSTALLED = Path(__file__).parents[1] / "static"
_CHECKOUT = Path(__file__).parents[2]


def routes(node: Node) -> list[Route]:
    """Return the routes of the page."""
    pages = Pages(node)
    admin = [Route("/admin", pages.admin)] if node.settings.admin_token is not None else []
    return [
        *admin,
        Route("/", pages.index),
        Route("/app/{path:path}", pages.of(pages.app)),
        Route("/sdk/{path:path}", pages.of(pages.sdk)),
        Route("/v1/page.json", pages.settings),
        Route("/v1/local/token", pages.local.token, methods=["POST"]),
    ]


def folders() -> tuple[Folder, Folder]:
    """Return the page's and the SDK's folder, not read yet, of this installation or checkout."""
    if _INSTALLED.is_dir():
        app, sdk = _INSTALLED / "app", _INSTALLED / "sdk"
    else:
        app, sdk = _CHECKOUT / "web", _CHECKOUT / "clients" / "js"
    return Folder(app), Folder(sdk, only=SDK_PARTS)


class _Looking:
    """Reads a folder again at intervals, once for simultaneous requests."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._task: asyncio.Task[None] | None = None
        self._until = 0.0

    async def look(self) -> None:
        """Read the folder, unless it was read within ``FILE_CHECK_INTERVAL_S``."""
        now = asyncio.get_running_loop().time()
        if self._task is None or (self._task.done() and now >= self._until):
            self._until = now + FILE_CHECK_INTERVAL_S
            self._task = asyncio.create_task(asyncio.to_thread(self._folder.look), name="look")
        await asyncio.shield(self._task)


class Pages:
    """Answers requests for the page's files.

    An installed server reads them once. In a checkout changed files are read again, so that a
    developer sees each change after a reload.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.local = LocalMode(node)
        self._ancestors = node.settings.frame_ancestors
        self._live = not _INSTALLED.is_dir()
        self.app, self.sdk = folders()
        self._looking = {folder: _Looking(folder) for folder in (self.app, self.sdk)}
        if not self._live:
            self.app.look()
            self.sdk.look()

    async def index(self, request: Request) -> Response:
        """``GET /``: the page itself, with any query."""
        return await self._answer(request, self.app, INDEX)

    async def admin(self, request: Request) -> Response:
        """``GET /admin``: the admin's page, if there is an admin's token."""
        return await self._answer(request, self.app, ADMIN)

    def of(self, folder: Folder) -> Callable[[Request], Awaitable[Response]]:
        """Return an endpoint for the files of ``folder``, except for the page itself."""

        async def answered(request: Request) -> Response:
            path: str = request.path_params["path"]
            if path in (INDEX, ADMIN):
                raise HTTPException(404)
            return await self._answer(request, folder, path)

        return answered

    async def settings(self, request: Request) -> Response:
        """``GET /v1/page.json``: how people sign in here; needs no token."""
        settings = self._node.settings
        client = None
        if settings.oidc_issuer is not None and settings.oidc_client_id is not None:
            client = OidcClient(
                issuer=settings.oidc_issuer,
                client_id=settings.oidc_client_id,
                scopes=settings.oidc_scopes,
            )
        shown = PageSettings(
            oidc=client,
            local=self.local.is_for(request),
            guests=settings.guests == "on",
            version=ayes_version(),
            public_url=settings.public_url,
            help_url=settings.help_url,
        )
        return json_answer(msgspec.json.encode(shown))

    async def _answer(self, request: Request, folder: Folder, path: str) -> Response:
        if self._live:
            await self._looking[folder].look()
        file = folder.find(path)
        if file is None:
            raise HTTPException(404)
        fixed = self._headers(request, () if path == ADMIN else self._ancestors)
        return _sent(request, file, fixed | OPEN_HEADERS if folder is self.sdk else fixed)

    def _headers(self, request: Request, ancestors: tuple[str, ...]) -> dict[str, str]:
        own = self._node.origins.own(request.scope)
        return headers(own, self._node.auth.provider_origins(), ancestors)


def _sent(request: Request, file: File, fixed: dict[str, str]) -> Response:
    """Make the response with a file, compressed if accepted; or 304 if it is cached."""
    packed = file.packed if _takes_gzip(request) else None
    made = fixed | {
        "etag": file.etag if packed is None else file.packed_etag,
        "vary": "accept-encoding",
    }
    if is_known(request, made["etag"]):
        return Response(status_code=304, headers=made)
    if packed is not None:
        made["content-encoding"] = "gzip"
    made["content-type"] = file.media_type
    return Response(file.body if packed is None else packed, headers=made)


def _takes_gzip(request: Request) -> bool:
    """Whether ``Accept-Encoding`` names gzip, and not to refuse it (RFC 9110, 12.5.3)."""
    for offer in request.headers.get("accept-encoding", "").lower().split(","):
        coding, _, weight = offer.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
