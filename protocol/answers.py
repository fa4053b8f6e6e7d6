"""Encode the messages that the server sends.

One function per message. The hot ones (ack, diff) join parts that are already encoded. Ids are
restricted, so they need no escaping.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from protocol.closes import CloseCode
from protocol.errors import ERRORS, ProtocolError


def encode(value: Any) -> bytes:
    """Return ``value`` as compact JSON."""
    return orjson.dumps(value)


def encode_kept(value: Any) -> bytes:
    """Return ``value`` as compact JSON, in a block of memory of its size.

    For results of which many are kept. orjson writes into a block of 4 KiB, and shortens it, so
    that each result keeps a page of memory for itself.
    """
    # A join of two parts copies them.
    return b"".join((orjson.dumps(value), b""))


def timestamp(moment: datetime) -> str:
    """Return ``moment``, which must be in UTC, as RFC 3339 with milliseconds and ``Z``."""
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def ack(
    id: str,
    event: str,
    seq: int,
    hash: str,
    result: bytes,
    *,
    applied: bool,
    replayed: bool = False,
) -> bytes:
    """Encode ``ack``; ``hash`` is hex, ``result`` JSON, ``id`` and ``event`` need no escaping."""
    return (
        b'{"type":"ack","id":"%b","event":"%b","seq":%d,"hash":"%b","applied":%b,"replayed":%b,'
        b'"result":%b}'
    ) % (
        id.encode(),
        event.encode(),
        seq,
        hash.encode(),
        b"true" if applied else b"false",
        b"true" if replayed else b"false",
        result,
    )


def error(
    err: ProtocolError,
    *,
    id: str | None = None,
    ref: str | int | None = None,
    event: str | None = None,
    replayed: bool = False,
) -> bytes:
    """Encode ``error``, from any ``ProtocolError``."""
    return orjson.dumps(error_body(err, id=id, ref=ref, event=event, replayed=replayed))


def error_body(
    err: ProtocolError,
    *,
    id: str | None = None,
    ref: str | int | None = None,
    event: str | None = None,
    replayed: bool = False,
) -> dict[str, Any]:
    """Return the ``error`` that ``error`` encodes, as a dict."""
    rule = ERRORS[err.code]
    body: dict[str, Any] = {"type": "error"}
    if id is not None:
        body["id"] = id
    if ref is not None:
        body["ref"] = ref
    if event is not None:
        body["event"] = event
    body |= {
        "code": err.code.value,
        "message": err.message,
        "effect": rule.effect,
        "retry": rule.retry,
    }
    if err.retry_after_ms is not None:
        body["retry_after_ms"] = err.retry_after_ms
    if replayed:
        body["replayed"] = True
    body["details"] = err.details
    return body


def snapshot(
    *,
    event: str,
    epoch: str,
    seq: int,
    reason: str,
    state: bytes,
    you: bytes,
    ref: str | int | None = None,
) -> tuple[bytes, bytes, bytes]:
    """Encode ``snapshot`` in three parts; the second is ``state`` itself, which sockets share.

    ``state`` and ``you`` are already JSON.
    """
    head = b'{"type":"snapshot",%b"event":%b,"epoch":%b,"seq":%d,"reason":"%b","state":' % (
        _ref(ref),
        orjson.dumps(event),
        orjson.dumps(epoch),
        seq,
        reason.encode(),
    )
    return head, state, b',"you":%b}' % you


def resumed(
    *,
    event: str,
    epoch: str,
    from_: int,
    seq: int,
    patch: bytes,
    you: bytes,
    ref: str | int | None = None,
) -> bytes:
    """Encode ``resumed``: the steps ``from_``+1 … ``seq`` as one patch."""
    return b'{"type":"resumed",%b"event":%b,"epoch":%b,"from":%d,"seq":%d,"patch":%b,"you":%b}' % (
        _ref(ref),
        orjson.dumps(event),
        orjson.dumps(epoch),
        from_,
        seq,
        patch,
        you,
    )


def diff(*, event: str, epoch: str, from_: int, seq: int, patch: bytes) -> bytes:
    """Encode ``diff``: the steps ``from_``+1 … ``seq`` as one merge patch, already JSON."""
    return b'{"type":"diff","event":%b,"epoch":%b,"from":%d,"seq":%d,"patch":%b}' % (
        orjson.dumps(event),
        orjson.dumps(epoch),
        from_,
        seq,
        patch,
    )


def you(*, event: str, seq: int, patch: bytes) -> bytes:
    """Encode ``you``: a merge patch on the receiver's own data."""
    return b'{"type":"you","event":%b,"seq":%d,"patch":%b}' % (orjson.dumps(event), seq, patch)


def unsubscribed(*, event: str, reason: str, ref: str | int | None = None) -> bytes:
    """Encode ``unsubscribed``: no further message of this room follows."""
    return b'{"type":"unsubscribed",%b"event":%b,"reason":"%b"}' % (
        _ref(ref),
        orjson.dumps(event),
        reason.encode(),
    )


def bye(code: CloseCode, *, retry_after_ms: int, message: str) -> bytes:
    """Encode ``bye``: a close follows; the client may come back after ``retry_after_ms``."""
    return orjson.dumps(
        {"type": "bye", "code": int(code), "retry_after_ms": retry_after_ms, "message": message}
    )


def reply(kind: str, ref: str | int | None, **fields: Any) -> bytes:
    """Encode any other message: its type, the request's ``ref`` if it had one, and its fields."""
    head: dict[str, Any] = {"type": kind}
    if ref is not None:
        head["ref"] = ref
    return orjson.dumps(head | fields)


def _ref(ref: str | int | None) -> bytes:
    return b"" if ref is None else b'"ref":%b,' % orjson.dumps(ref)
