"""The hash chain of a journal, verified from its public description alone.

A row's hash is SHA-256 over the previous row's hash and a header: compact JSON of ``seq``, ``at``,
``command``, and a salted digest of the user, the id, the payload, the answer and each audience's
patch. So texts can be erased and the chain still verifies, as long as their digests are kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

AUDIENCES = ("member", "admin", "applicant", "you", "everyone")


def verify_chain(rows: Iterable[dict[str, Any]]) -> list[tuple[int, str]]:
    """(seq, fault) of every row that does not follow from the row before it."""
    wrong = []
    previous = bytes(32)
    for row in sorted((row for row in rows if row["seq"] is not None), key=lambda row: row["seq"]):
        if raw(row["prev_hash"]) != previous:
            wrong.append((row["seq"], "prev_hash is not the hash of the row before"))
        previous = raw(row["hash"])
        if digest(row) != previous:
            wrong.append((row["seq"], "hash is not that of the row"))
    return wrong


def digest(row: dict[str, Any]) -> bytes:
    """The hash that ``row`` must have after its ``prev_hash``."""
    header = {"seq": row["seq"], "at": moment(row["at"]), "command": row["command"]}
    header |= digests_of(row)
    return hashlib.sha256(raw(row["prev_hash"]) + compact(header).encode()).digest()


def digests_of(row: dict[str, Any]) -> dict[str, str]:
    """The digests that the header of ``row`` has, by label."""
    texts = {"user": row["user"], "id": row["id"]}
    texts |= {field: text_of(row, field) for field in ("payload", "answer")}
    patches = row.get("patches_text") or {
        audience: compact(patch) for audience, patch in (row.get("patches") or {}).items()
    }
    texts |= {audience: patches[audience] for audience in AUDIENCES if audience in patches}
    salt = raw(row["salt"])
    return {
        label: hashlib.sha256(salt + label.encode() + b"\0" + text.encode()).hexdigest()
        for label, text in texts.items()
    }


def text_of(row: dict[str, Any], field: str) -> str:
    text = row.get(f"{field}_text")
    return compact(row[field]) if text is None else str(text)


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def raw(value: bytes | str) -> bytes:
    return bytes.fromhex(value) if isinstance(value, str) else bytes(value)


def instant(value: datetime | str) -> datetime:
    """A time of the journal, as a datetime or as text."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def moment(value: datetime | str) -> str:
    """RFC 3339 in UTC, microseconds, ``Z``."""
    return instant(value).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
