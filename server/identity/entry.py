"""The ways in without an account: secrets of invitations, and tokens of guests.

Both are derived from one key that all nodes share. A secret names its event and its invitation, and
is a MAC over both: it is checked without a look-up, cannot be guessed, and is stored nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from base64 import b32decode, b32encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import jwt
import msgspec
from msgspec.structs import replace

from handlers.lanes.decide import Answer, Reply, Submission
from handlers.rules.invitations import ID_PREFIX

#: Name of the shared key in the database.
ENTRY_KEY: Final = "entry"
#: Key id in the header of a guest's token, and its audience.
ENTRY_KID: Final = "ayes-entry"
#: Lifetime of a guest's token: as long as most events go on. A guest who comes later joins again,
#: as another user; an invited person opens the invitation again.
ENTRY_LIFETIME: Final = timedelta(days=30)
#: Bytes of a secret's MAC: enough that nobody finds one by trying.
MAC_BYTES: Final = 16
_EVENT_BYTES: Final = 16
_ID_BYTES: Final = 10


class Invited(NamedTuple):
    """The event and the invitation that a secret names."""

    event: str
    invitation: str


class _Listed(msgspec.Struct):
    invitation: str
    name: str


class _Result(msgspec.Struct):
    invitations: list[_Listed]


class _Ack(msgspec.Struct):
    result: _Result


_ack = msgspec.json.Decoder(_Ack)


class EntryKey:
    """The shared key; until ``use`` gives it, no secret and no token is right."""

    def __init__(self) -> None:
        self._secrets = b""
        self._tokens = b""

    def use(self, key: bytes) -> None:
        """Derive everything from ``key``."""
        self._secrets = hmac.digest(key, b"invitations", hashlib.sha256)
        self._tokens = hmac.digest(key, b"tokens", hashlib.sha256)

    # Invitations.

    def secret(self, event: str, invitation: str) -> str:
        """Return the secret of an invitation, in base64url."""
        number = b32decode(invitation.removeprefix(f"{ID_PREFIX}_").upper())
        named = uuid.UUID(event).bytes + number
        return urlsafe_b64encode(named + self._mac(named)).decode()

    def invited_by(self, secret: str) -> Invited | None:
        """Return what ``secret`` names; ``None`` if it is none of ours."""
        try:
            given = urlsafe_b64decode(secret)
        except (Error, ValueError):
            return None
        named, mac = given[: _EVENT_BYTES + _ID_BYTES], given[_EVENT_BYTES + _ID_BYTES :]
        if not self._secrets or not hmac.compare_digest(mac, self._mac(named)):
            return None
        id = b32encode(named[_EVENT_BYTES:]).decode().lower()
        return Invited(str(uuid.UUID(bytes=named[:_EVENT_BYTES])), f"{ID_PREFIX}_{id}")

    def _mac(self, named: bytes) -> bytes:
        return hmac.digest(self._secrets, named, hashlib.sha256)[:MAC_BYTES]

    def with_secrets(self, event: str, message: bytes) -> bytes:
        """Return an encoded ack with the secrets of the invitations that it names, if any."""
        if b'"invitations":[' not in message:
            return message
        try:
            listed = _ack.decode(message).result.invitations
        except msgspec.ValidationError:
            return message
        made = [
            {"invitation": one.invitation, "name": one.name}
            | {"secret": self.secret(event, one.invitation)}
            for one in listed
        ]
        fields = msgspec.json.decode(message)
        fields["result"]["invitations"] = made
        return msgspec.json.encode(fields)

    def disclosing(self, event: str, reply: Reply) -> Reply:
        """Wrap ``reply`` to an ``invitation.create``: add the secrets to its ack."""

        def heard(submission: Submission, answer: Answer) -> None:
            if answer.error is None:
                message = self.with_secrets(event, answer.message)
                answer = replace(answer, message=message)
            reply(submission, answer)

        return heard

    # Tokens.

    def token(self, user: str, name: str, event: str, now: datetime) -> str:
        """Make a token that is good for ``event`` alone, for ``ENTRY_LIFETIME``."""
        claims = {
            "sub": user,
            "name": name,
            "event": event,
            "aud": ENTRY_KID,
            "iat": now.timestamp(),
            "exp": (now + ENTRY_LIFETIME).timestamp(),
        }
        return jwt.encode(claims, self._tokens, algorithm="HS256", headers={"kid": ENTRY_KID})

    def claims(self, token: str) -> dict[str, object]:
        """Return the claims of such a token, whose times are not checked.

        Raises ``jwt.PyJWTError``.
        """
        if not self._tokens:
            raise jwt.InvalidKeyError("there is no key yet")
        claims: dict[str, object] = jwt.decode(
            token,
            self._tokens,
            algorithms=["HS256"],
            audience=ENTRY_KID,
            options={
                "require": ["sub", "exp", "event"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
        return claims
