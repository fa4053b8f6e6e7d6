"""An identity provider: keys, tokens signed with them, and the document that publishes them."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from server.identity.auth import Authenticator
from server.identity.keys import RemoteKeys

AUDIENCE = "ayes"
ISSUER = "https://issuer.example"


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait for a state without an event, such as another thread's work or a place in a queue."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class Key:
    """A private key with a name, and its published form."""

    def __init__(self, kid: str, algorithm: str, private: Any, jwk: dict[str, Any]) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private = private
        self.jwk = jwk | {"kid": kid}

    def pem(self) -> bytes:
        """The public key, as files have it."""
        pem: bytes = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return pem

    def sign(self, *, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        """A token; ``...`` removes a claim."""
        given = {"kid": self.kid} | (headers or {})
        kept = {name: value for name, value in given.items() if value is not ...}
        return jwt.encode(claims(**changes), self.private, self.algorithm, headers=kept)


def claims(**changes: Any) -> dict[str, Any]:
    """Valid claims, with changes; ``...`` removes one."""
    now = int(time.time())
    good = {"sub": "ada", "aud": AUDIENCE, "iss": ISSUER, "iat": now, "exp": now + 600}
    return {name: value for name, value in (good | changes).items() if value is not ...}


def rsa_key(kid: str, bits: int = 2_048) -> Key:
    """For RS256."""
    private = rsa.generate_private_key(public_exponent=65_537, key_size=bits)
    return Key(kid, "RS256", private, RSAAlgorithm.to_jwk(private.public_key(), as_dict=True))


def ec_key(kid: str, curve: ec.EllipticCurve | None = None) -> Key:
    """For ES256."""
    private = ec.generate_private_key(curve or ec.SECP256R1())
    return Key(kid, "ES256", private, ECAlgorithm.to_jwk(private.public_key(), as_dict=True))


def ed_key(kid: str) -> Key:
    """For EdDSA."""
    private = ed25519.Ed25519PrivateKey.generate()
    return Key(kid, "EdDSA", private, OKPAlgorithm.to_jwk(private.public_key(), as_dict=True))


@functools.cache
def one_of_each() -> dict[str, Key]:
    """Keys by algorithm, made once, since that is slow."""
    return {key.algorithm: key for key in (rsa_key("rsa-1"), ec_key("ec-1"), ed_key("ed-1"))}


def key_set(*keys: Key | dict[str, Any]) -> bytes:
    """The published document."""
    listed = [key.jwk if isinstance(key, Key) else key for key in keys]
    return json.dumps({"keys": listed}).encode()


class Issuer:
    """Serves a key set on loopback, as the test orders."""

    def __init__(self) -> None:
        self.body = key_set(*one_of_each().values())
        self.status = "200 OK"
        self.headers = ""
        self.asked: list[str] = []
        """The request lines so far."""
        self.open = asyncio.Event()
        self.open.set()
        """While this is not set, requests are accepted and not answered."""
        self.url = ""
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/keys"

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head.partition(b"\r\n")[0].decode())
            await self.open.wait()
            top = f"HTTP/1.1 {self.status}\r\nconnection: close\r\n{self.headers}"
            writer.write(f"{top}content-length: {len(self.body)}\r\n\r\n".encode() + self.body)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """A running issuer."""
    issuer = Issuer()
    await issuer.start()
    try:
        yield issuer
    finally:
        issuer.open.set()
        await issuer.stop()


@asynccontextmanager
async def trusting(
    url: str, secret: str | None = None, **options: Any
) -> AsyncIterator[Authenticator]:
    """An authenticator for the keys at ``url``."""
    keys = RemoteKeys(url, **options)
    auth = Authenticator(secret, audience=AUDIENCE, issuer=ISSUER, keys=keys)
    auth.start()
    try:
        yield auth
    finally:
        await auth.stop()
