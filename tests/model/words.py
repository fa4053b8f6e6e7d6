"""The payloads of refused commands: the journal has fingerprints, the clients have the rest."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from protocol.codec import Invalid, decode_command
from protocol.fields import TextLimits
from tests.model.chain import raw
from tests.model.history import Json, Operation

_LIMITS = TextLimits()


def restore(rows: Iterable[Json], operations: Iterable[Operation]) -> None:
    """Add the payload to refusals among ``rows``, if one of the ``operations`` sent it.

    A refusal whose fingerprint matches no sent command stays without: the checker tests only its
    answer.
    """
    sent = defaultdict(list)
    for operation in operations:
        sent[operation.user, operation.command["id"]].append(operation.command)
    for row in rows:
        if row["payload"] is not None:
            continue
        for command in sent[row["user"], row["id"]]:
            text = _as_understood(command)
            if text is not None and _fingerprint(row, text) == raw(row["fingerprint"]):
                row["payload"], row["payload_text"] = json.loads(text), text.decode()
                break


def _as_understood(command: Json) -> bytes | None:
    """The command as the server fingerprints it."""
    typed = decode_command(json.dumps(command).encode(), limits=_LIMITS)
    return None if isinstance(typed, Invalid) else msgspec.json.encode(typed)


def _fingerprint(row: Json, text: bytes) -> bytes:
    return hashlib.sha256(raw(row["salt"]) + b"payload\0" + text).digest()
