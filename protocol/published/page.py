"""What the server's own page asks beside the protocol, over HTTP, before there is a token."""

from __future__ import annotations

from typing import Annotated

import msgspec

from protocol.fields import Text, UserId
from protocol.state import Time


class OidcClient(msgspec.Struct, kw_only=True):
    """An OpenID Connect provider, and what the page is called there."""

    issuer: str
    client_id: str
    scopes: str
    """Separated by spaces, as the provider wants them."""


class PageSettings(msgspec.Struct, kw_only=True):
    """How people sign in here."""

    oidc: OidcClient | None
    local: bool
    """Whether a name is enough: on the server's own machine, where nothing better is set up."""
    version: str
    public_url: str | None


class LocalName(msgspec.Struct, kw_only=True):
    """Who one wants to be."""

    name: Annotated[str, Text("name")]


class LocalToken(msgspec.Struct, kw_only=True):
    """A token for a name; the same name is the same user."""

    token: str
    user: UserId
    name: str
    expires: Time
