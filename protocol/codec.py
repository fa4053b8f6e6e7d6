"""Decode the bytes of a frame into typed messages, or into errors that can be answered.

Usually this is one decode of one typed message. Only a message that fails is decoded again, to find
the wrong field, and the id to answer under.
"""

from __future__ import annotations

import functools
import json
import math
import operator
import re
from typing import Any, NamedTuple, TypeAlias, cast

import msgspec

from protocol.commands import COMMANDS, Command
from protocol.errors import ErrorCode, RetryableError, bad_request
from protocol.fields import TextLimits, normalise
from protocol.requests import NOT_OVER_HTTP, REQUESTS, Request

Message: TypeAlias = Command | Request

_union: Any = functools.reduce(operator.or_, (*COMMANDS, *REQUESTS))
_message: msgspec.json.Decoder[Message] = msgspec.json.Decoder(_union)
_elements = msgspec.json.Decoder(list[msgspec.Raw])
#: Commands with a check of their own; a call of the empty one would cost each vote.
_checked = frozenset(kind for kind in COMMANDS if kind.check is not Command.check)
_types = frozenset(str(kind.__struct_config__.tag) for kind in (*COMMANDS, *REQUESTS))

_PATH = re.compile(r" - at `\$\.?([^`]*)`\Z")
_MISSING = re.compile(r"\AObject missing required field `([^`]+)`")
_SURROGATE = re.compile("[\ud800-\udfff]")
#: Characters of a key that an error names; a longer key is cut, which keeps the answer small.
MAX_KEY_CHARACTERS = 64
#: Digits of an integer that is decoded exactly; a longer one counts as out of every range. All
#: ranges end far below.
MAX_DIGITS = 40
_HUGE: int = 10**MAX_DIGITS
#: Stands for a number that no float can represent. It is beyond every range, and short when
#: written.
_BEYOND = 1e308
#: Characters of a path that names a field of the client's own making; a longer path is cut. It
#: keeps an error answer small.
MAX_PATH = 200
#: Bytes of a key as it may be written: each character as two escapes of six bytes, and the quotes.
MAX_RAW_KEY_BYTES = 12 * MAX_KEY_CHARACTERS + 2
#: White space between the parts of JSON (RFC 8259, 2).
_WHITE = b" \t\n\r"


class _Outline(msgspec.Struct):
    """The fields that an answer needs of a message that is not decoded."""

    id: msgspec.Raw = msgspec.Raw(b"")
    ref: msgspec.Raw = msgspec.Raw(b"")


_outline = msgspec.json.Decoder(_Outline)


class Invalid(NamedTuple):
    """A message that could not be decoded, and how to answer its sender."""

    error: RetryableError
    id: str | None = None
    ref: str | int | None = None
    type: str | None = None
    """The message's type, if there is such a type."""


class Frame(msgspec.Struct, frozen=True):
    """The messages of one frame, in order."""

    messages: list[Message | Invalid]
    is_batch: bool
    bad: bool = False
    """Whether the frame was not a JSON object or array."""


def decode_frame(
    payload: bytes, *, limits: TextLimits, message_bytes: int, longest_batch: int
) -> Frame:
    """Decode the messages of one frame; never raises.

    A frame over ``message_bytes``, or an array longer than ``longest_batch``, gives one
    ``too_large``; none of its messages is decoded.
    """
    if len(payload) > message_bytes:
        return Frame([_too_large(payload, message_bytes)], is_batch=False)
    if payload.lstrip()[:1] != b"[":
        message = _decode(payload, limits)
        is_bad = isinstance(message, Invalid) and message.error.code == ErrorCode.BAD_FRAME
        return Frame([message], is_batch=False, bad=is_bad)
    elements = _elements_of(payload)
    if elements is None:
        return Frame([_bad_frame()], is_batch=True, bad=True)
    if len(elements) > longest_batch:
        error = RetryableError(
            ErrorCode.TOO_LARGE,
            f"{len(elements)} messages in one frame; {longest_batch} are allowed",
            details={"limit": longest_batch},
        )
        return Frame([Invalid(error)], is_batch=True)
    messages = [_decode(_bytes_of(element), limits, inner=True) for element in elements]
    return Frame(messages, is_batch=True)


def _elements_of(payload: bytes) -> list[Any] | None:
    """Return the messages of a batch, raw or decoded; ``None`` if it is not a JSON array."""
    try:
        return _elements.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        pass
    # A lone surrogate in one message must not cost the others their answers.
    found = _loads(payload)
    return found if isinstance(found, list) else None


def _bytes_of(element: Any) -> bytes:
    if isinstance(element, msgspec.Raw):
        return bytes(element)
    try:
        return json.dumps(element).encode()
    except RecursionError:
        return b""


def decode_command(payload: bytes, *, limits: TextLimits) -> Command | Invalid:
    """Decode one command from an HTTP body; never raises."""
    message = _decode(payload, limits)
    if isinstance(message, Request):
        error = RetryableError(ErrorCode.UNKNOWN_TYPE, "this type is no command")
        return Invalid(error, ref=message.ref)
    return message


def decode_query(payload: bytes, *, limits: TextLimits) -> Request | Invalid:
    """Return one query, ``hello`` or ``ping`` from an HTTP body; never raises."""
    message = _decode(payload, limits)
    if isinstance(message, Invalid):
        return message
    if isinstance(message, Request) and not isinstance(message, NOT_OVER_HTTP):
        return message
    error = RetryableError(ErrorCode.UNKNOWN_TYPE, "this type is no query")
    if isinstance(message, Request):
        return Invalid(error, ref=message.ref)
    return Invalid(error, id=message.id)


def under_id(payload: bytes, id: str) -> bytes:
    """Return ``payload``, JSON, with ``id`` added, if it is an object without one."""
    body = payload.lstrip(_WHITE)
    try:
        if bytes(_outline.decode(body).id):
            return payload
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return payload
    rest = body[1:].lstrip(_WHITE)
    return b'{"id":%b%b%b' % (json.dumps(id).encode(), b"" if rest[:1] == b"}" else b",", rest)


def _decode(payload: bytes, limits: TextLimits, *, inner: bool = False) -> Message | Invalid:
    try:
        message = _message.decode(payload)
        normalise(message, limits)
        if type(message) in _checked:
            cast("Command", message).check()
    except msgspec.ValidationError as err:
        return _explain(payload, wrong_field(err), inner=inner)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Also for input that msgspec refuses and JSON's grammar allows: lone surrogates, huge
        # numbers.
        return _explain(payload, None, inner=inner)
    except RetryableError as err:
        found = _loads(payload)
        fields = found if isinstance(found, dict) else {}
        return Invalid(err, *_keys(fields), fields.get("type"))
    return message


class WrongField(NamedTuple):
    """A field that did not decode; ``path`` is empty for the message itself."""

    path: str
    reason: str


def wrong_field(err: msgspec.ValidationError) -> WrongField:
    """Return the field that ``err`` is about; a missing field is named itself, not its object.

    msgspec has no attribute for it, so it is read from the text, which a test pins.
    """
    text = str(err)
    path = match[1] if (match := _PATH.search(text)) else ""
    reason = _PATH.sub("", text)
    if missing := _MISSING.match(text):
        path = f"{path}.{missing[1]}" if path else missing[1]
    return WrongField(path, reason)


def _explain(payload: bytes, problem: WrongField | None, *, inner: bool = False) -> Invalid:
    """Return the error for a message that did not decode, under the id or ref it has."""
    found = _loads(payload)
    if not isinstance(found, dict):
        if inner:
            return Invalid(RetryableError(ErrorCode.BAD_REQUEST, "an element is no object"))
        return Invalid(_bad_frame().error)
    keys = _keys(found)
    kind = found.get("type")
    if not isinstance(kind, str):
        return Invalid(bad_request("type", "every message has a type"), *keys)
    if kind not in _types:
        return Invalid(RetryableError(ErrorCode.UNKNOWN_TYPE, details={"path": "type"}), *keys)
    if problem is None:
        path = _unrepresentable(found)
        wrong = bad_request(path, "a text or number cannot be represented")
        return Invalid(wrong, *keys, kind)
    return Invalid(bad_request(problem.path, problem.reason), *keys, kind)


def _unrepresentable(value: Any) -> str:
    """Return the path of the first text with a lone surrogate; within a field, of the first one.

    It does not recurse, since JSON may be as deep as Python's stack allows. It does not write out a
    path for each of many values under one long key.
    """
    waiting: list[tuple[Any, Any]] = [((), value)]
    while waiting:
        way, value = waiting.pop()
        if isinstance(value, str):
            if _SURROGATE.search(value) is not None:
                return _path(way)
        elif isinstance(value, dict):
            waiting += [((way, key), value[key]) for key in reversed(value)]
        elif isinstance(value, list):
            waiting += [((way, index), value[index]) for index in reversed(range(len(value)))]
    return ""


def _path(way: Any) -> str:
    """Return ``a.b[0]`` for the pairs ``((((), "a"), "b"), 0)``."""
    steps: list[str] = []
    while way:
        way, step = way
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return "".join(reversed(steps)).removeprefix(".")[:MAX_PATH]


def _loads(payload: bytes) -> Any:
    """Decode the payload leniently, as JSON's grammar allows; return ``None`` if it is not JSON."""
    try:
        # Decoded from text: from bytes, the parser would guess the encoding and accept UTF-16 or a
        # byte order mark.
        return json.loads(
            payload.decode(),
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_fraction,
        )
    except (ValueError, RecursionError):
        return None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _integer(digits: str) -> int:
    """Return an integer, or for a long one a value beyond every range.

    Python reads 4,300 digits at most, in time that grows with their square.
    """
    if len(digits) <= MAX_DIGITS:
        return int(digits)
    return -_HUGE if digits[0] == "-" else _HUGE


def _fraction(text: str) -> float:
    """Return a number with a fraction or an exponent; finite, so that it can be encoded again."""
    number = float(text)
    return number if math.isfinite(number) else math.copysign(_BEYOND, number)


def _keys(found: dict[str, Any]) -> tuple[str | None, str | int | None]:
    """Return the id and the ref under which to answer the sender, if they are usable."""
    id_, ref = found.get("id"), found.get("ref")
    return (
        id_ if isinstance(id_, str) and id_ and _printable(id_) else None,
        ref
        if (isinstance(ref, str) and _printable(ref))
        or (isinstance(ref, int) and not isinstance(ref, bool) and abs(ref) < 2**53)
        else None,
    )


def _printable(key: str) -> bool:
    return len(key) <= MAX_KEY_CHARACTERS and key.isprintable()


def _bad_frame() -> Invalid:
    return Invalid(RetryableError(ErrorCode.BAD_FRAME))


def _too_large(payload: bytes, message_bytes: int) -> Invalid:
    error = RetryableError(
        ErrorCode.TOO_LARGE,
        f"{len(payload)} bytes in one frame; {message_bytes} are allowed",
        details={"limit": message_bytes},
    )
    return Invalid(error, *_keys(_keys_only(payload)))


def _keys_only(payload: bytes) -> dict[str, Any]:
    """Return ``id`` and ``ref`` of an object of any size.

    Other fields are skipped, not built. A MiB of small lists takes some 70 ms to build, and a
    client may send hundreds of them in a second.
    """
    try:
        found = _outline.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    raw = {"id": bytes(found.id), "ref": bytes(found.ref)}
    return {name: _loads(text) for name, text in raw.items() if 0 < len(text) <= MAX_RAW_KEY_BYTES}
