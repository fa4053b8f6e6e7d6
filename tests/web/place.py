"""A site, and the provider that its users sign in with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, TypeAlias

import pytest_asyncio
from playwright.async_api import Page

from server.identity.auth import authenticator_for
from tests.parts import free_port
from tests.promises.running import Running, settings_for
from tests.web.conftest import LOOP, StartSite, Visit, Visitor
from tests.web.identity import CLIENT, IdentityProvider, identity_provider


class Place(NamedTuple):
    """A site, and the provider that its users sign in with."""

    site: Running
    provider: IdentityProvider


StartPlace: TypeAlias = Callable[..., Awaitable[Place]]


@pytest_asyncio.fixture(loop_scope=LOOP)
async def start_place(start_site: StartSite, migrated_url: str) -> AsyncIterator[StartPlace]:
    """Starts both; the options are the provider's."""
    async with AsyncExitStack() as stack:

        async def begin(**options: Any) -> Place:
            port = free_port()
            provider = await stack.enter_async_context(
                identity_provider(f"http://127.0.0.1:{port}", **options)
            )
            changes: dict[str, Any] = {
                "port": port,
                "auth_secret": None,
                "oidc_issuer": provider.issuer,
                "oidc_client_id": CLIENT,
            }
            auth = authenticator_for(settings_for(migrated_url, **changes))
            site = await start_site(authenticator=auth, **changes)
            # The page's policy names the origin of the tokens once the server knows it.
            assert provider.issuer in auth.provider_origins()
            return Place(site, provider)

        yield begin


async def visiting(visit: Visit, place: Place, path: str = "/") -> Visitor:
    """A user at the site, who may visit the provider."""
    visitor = await visit(place.site, path)
    visitor.watch.allow_origin(place.provider.issuer)
    # The provider's own page wants a font that it does not get; an invented code gets a 400.
    visitor.watch.allow(r"fonts\.googleapis\.com|favicon\.ico|status of 400")
    return visitor


async def at_provider(page: Page, login: str) -> None:
    """Sign in on the provider's page, and consent."""
    await page.get_by_placeholder("login").fill(login)
    await page.get_by_placeholder("password").fill("anything")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()
