"""The journal's hash chain: how an entry is sealed, and how to verify it.

``hash = SHA-256(previous hash ‖ header)``. The header is compact JSON. Its keys are, in this order,
``seq``, ``at`` (RFC 3339, UTC, microseconds, ``Z``), ``command``, ``user``, ``id``, ``payload`` and
``answer``. The keys of the existing patches follow: ``member``, ``admin``, ``applicant``, ``you``,
``everyone``. The values from ``user`` on are digests.

A digest is the lower-case hex of SHA-256(salt ‖ label ‖ 0x00 ‖ text), with the entry's own salt. So
a name or a text can be erased from an entry later: its digest takes its place, and the chain still
verifies. The epoch is not part of it. The first previous hash is 32 zero bytes.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from datetime import datetime

import msgspec
import orjson

#: The patches that an entry can have, in the order of the header.
PATCH_LABELS = ("member", "admin", "applicant", "you", "everyone")

#: The digests that a header can hold, in its order.
LABELS = ("user", "id", "payload", "answer", *PATCH_LABELS)

_sha256 = hashlib.sha256
_USER, _ID, _ANSWER = b"user\0", b"id\0", b"answer\0"
_PATCHES = tuple((label, label.encode() + b"\0") for label in PATCH_LABELS)
_texts = msgspec.json.Decoder(dict[str, msgspec.Raw])


def digest(salt: bytes, label: bytes, text: bytes) -> bytes:
    """Return the salted digest of one part of an entry: 32 bytes."""
    return _sha256(salt + label + b"\0" + text).digest()


@functools.lru_cache(maxsize=16)
def moment(at: datetime) -> str:
    """Return ``at`` as the header has it: RFC 3339, UTC, microseconds, ``Z``."""
    # All commands of one transaction share one moment.
    return at.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def seal(
    previous: bytes,
    *,
    seq: int,
    at: str,
    command: str,
    salt: bytes,
    user: bytes,
    id: bytes,
    fingerprint: bytes,
    answer: bytes,
    patches: dict[str, bytes],
) -> bytes:
    """Return the hash of an entry, 32 bytes. ``fingerprint``: the digest of its payload; ``at``:
    its ``moment``.
    """
    # The digests are written out here, since every vote makes seven.
    header = (
        f'{{"seq":{seq},"at":"{at}","command":"{command}"'
        f',"user":"{_sha256(salt + _USER + user).hexdigest()}"'
        f',"id":"{_sha256(salt + _ID + id).hexdigest()}"'
        f',"payload":"{fingerprint.hex()}"'
        f',"answer":"{_sha256(salt + _ANSWER + answer).hexdigest()}"'
    )
    for label, salted in _PATCHES:
        if text := patches.get(label):
            header += f',"{label}":"{_sha256(salt + salted + text).hexdigest()}"'
    return _sha256(previous + header.encode() + b"}").digest()


def seal_digests(
    previous: bytes, *, seq: int, at: str, command: str, digests: Mapping[str, str]
) -> bytes:
    """Return the hash that ``seal`` returns, from the digests (hex) of the parts, by label."""
    header = {"seq": seq, "at": at, "command": command}
    ordered = {label: digests[label] for label in LABELS if label in digests}
    return _sha256(previous + orjson.dumps(header | ordered)).digest()


def labelled(text: str) -> dict[str, bytes]:
    """Return the patches in ``text``, a JSON object: label → JSON, to the letter."""
    return {label: bytes(patch) for label, patch in _texts.decode(text).items()}
