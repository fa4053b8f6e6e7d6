"""The messages of the server's own page over HTTP, before it has a token."""

from __future__ import annotations

from typing import Annotated

import msgspec

from protocol.fields import EntranceCode, Secret, Text, UserId
from protocol.state import EventId, Time


class OidcClient(msgspec.Struct, kw_only=True):
    """An OpenID Connect provider, and the client id of the page there."""

    issuer: str
    client_id: str
    scopes: str
    """Separated by spaces, as the provider expects them."""


class PageSettings(msgspec.Struct, kw_only=True):
    """How users sign in to this server."""

    oidc: OidcClient | None
    local: bool
    """Whether a name is enough: on the server's own machine, if no other way is configured."""
    guests: bool
    """Whether people may join as guests, if the event's policy has guests."""
    version: str
    public_url: str | None
    help_url: str | None
    """Address of the operator's help for users, or of a copy of the documentation."""


class LocalName(msgspec.Struct, kw_only=True):
    """The name to sign in with."""

    name: Annotated[str, Text("name")]


class LocalToken(msgspec.Struct, kw_only=True):
    """A token for a name; the same name is the same user."""

    token: str
    user: UserId
    name: str
    expires: Time


class GuestName(msgspec.Struct, kw_only=True):
    """An event's entrance code, and the name of the guest."""

    code: EntranceCode
    name: Annotated[str, Text("name")]


class InvitationSecret(msgspec.Struct, kw_only=True):
    """The secret of an invitation."""

    secret: Secret


class EntryToken(msgspec.Struct, kw_only=True):
    """A token that is good for one event, of a guest or an invited person."""

    token: str
    user: UserId
    name: str
    event: EventId
    expires: Time
