"""The user of a token, and whether the token was revoked."""

from __future__ import annotations

from server.identity.auth import Authenticator, Identity
from server.identity.revocations import Revocations


class Identities:
    """Checks tokens: the signature and the claims first, then the revocations."""

    def __init__(self, auth: Authenticator, revocations: Revocations) -> None:
        self._auth = auth
        self._revocations = revocations

    def identify(self, token: str) -> Identity:
        """Return who ``token`` speaks for.

        Raises what ``Authenticator.check`` raises, and ``Revoked``.
        """
        identity = self._auth.check(token)
        self._revocations.check(identity)
        return identity

    async def identify_patiently(self, token: str) -> Identity:
        """Return and raise what ``identify`` does, after a short wait for a key that is not cached
        yet.
        """
        identity = await self._auth.check_patiently(token)
        self._revocations.check(identity)
        return identity

    def is_revoked(self, identity: Identity) -> bool:
        """Whether the token behind ``identity`` was revoked since it was checked."""
        return self._revocations.is_revoked(identity.actor.user, identity.issued)
