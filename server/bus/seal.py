"""Seals what nodes send each other: only nodes of one database can make, change or read it.

All nodes have one key, from the database (``persistence/queries/server_keys.py``). A sealed message
is for one *kind* of use and about one subject, such as an event; opened for another, it is refused.
A repeated or late one opens: its receiver must know the message's place by its content.

    version (1 byte), sender (16), number (8), ciphertext with its tag (16 bytes more than the text)

Each sender has a key of its own, derived from the shared one and its random name, and numbers its
messages. So no number is used twice with one key, however many nodes start or messages are sent.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from itertools import count
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

#: Name of the shared key in the database.
BUS_KEY: Final = "bus"
#: Keys that open messages: the current one, and the one before it while nodes change over.
MAX_KEYS: Final = 2
#: Senders whose key stays derived; beyond that the one least recently heard is forgotten. More than
#: a deployment has nodes; deriving one again takes some microseconds.
MAX_SENDERS: Final = 256
_VERSION: Final = b"\x01"
_SENDER_BYTES: Final = 16
_NUMBER_BYTES: Final = 8
#: ChaCha20 takes 12 bytes of nonce.
_NONCE_PREFIX: Final = bytes(4)
_HEADER_BYTES: Final = len(_VERSION) + _SENDER_BYTES + _NUMBER_BYTES
#: Bytes that a sealed message has more than its text.
SEAL_BYTES: Final = _HEADER_BYTES + 16


class Seal:
    """Seals this node's messages and opens the other nodes'; before ``use`` it can do neither."""

    def __init__(self) -> None:
        self._sender = secrets.token_bytes(_SENDER_BYTES)
        self._numbers = count()
        self._keys: list[bytes] = []
        """The current key first."""
        self._own: ChaCha20Poly1305 | None = None
        self._ciphers: OrderedDict[tuple[bytes, bytes], ChaCha20Poly1305] = OrderedDict()
        """Ciphers that opened a message, by key and sender."""

    def use(self, key: bytes) -> None:
        """Seal with ``key`` from now on; messages under the key before it still open."""
        if key not in self._keys[:1]:
            self._keys = [key, *(known for known in self._keys if known != key)][:MAX_KEYS]
            self._own = _cipher(key, self._sender)

    @property
    def is_ready(self) -> bool:
        """Whether there is a key."""
        return self._own is not None

    def seal(self, kind: str, about: str, text: bytes) -> bytes:
        """Return ``text`` sealed for this kind of use and about this subject.

        Raises ``RuntimeError`` before there is a key.
        """
        if self._own is None:
            raise RuntimeError("there is no key yet")
        number = next(self._numbers).to_bytes(_NUMBER_BYTES)
        head = _VERSION + self._sender + number
        return head + self._own.encrypt(_NONCE_PREFIX + number, text, _bound(head, kind, about))

    def open(self, kind: str, about: str, sealed: bytes) -> bytes | None:
        """Return the text; ``None`` unless a node with the key sealed it for this very use."""
        head, cipher_text = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        if len(sealed) < SEAL_BYTES or not head.startswith(_VERSION):
            return None
        sender, number = head[len(_VERSION) :][:_SENDER_BYTES], head[-_NUMBER_BYTES:]
        for key in self._keys:
            cipher = self._ciphers.get((key, sender)) or _cipher(key, sender)
            try:
                text = cipher.decrypt(
                    _NONCE_PREFIX + number, cipher_text, _bound(head, kind, about)
                )
            except InvalidTag:
                continue
            self._keep(key, sender, cipher)
            return text
        return None

    def _keep(self, key: bytes, sender: bytes, cipher: ChaCha20Poly1305) -> None:
        """Keep a cipher. Only after it opened a message: anybody can invent senders."""
        self._ciphers[key, sender] = cipher
        self._ciphers.move_to_end((key, sender))
        if len(self._ciphers) > MAX_SENDERS:
            self._ciphers.popitem(last=False)


def _cipher(key: bytes, sender: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hmac.digest(key, b"bus/1 sender " + sender, hashlib.sha256))


def _bound(head: bytes, kind: str, about: str) -> bytes:
    """Return what a seal holds for: the lengths keep kind and subject apart."""
    named = kind.encode()
    return b"%b%d:%b%b" % (head, len(named), named, about.encode())
