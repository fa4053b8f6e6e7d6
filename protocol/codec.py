"""From the bytes of a frame to typed messages, and the errors of what is none.

The common case is one decode of one typed message. Only what fails is looked at again, to tell
the client which field is wrong and to answer under the id it used.
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
from protocol.requests import REQUESTS, Request

Message: TypeAlias = Command | Request

_union: Any = functools.reduce(operator.or_, (*COMMANDS, *REQUESTS))
_message: msgspec.json.Decoder[Message] = msgspec.json.Decoder(_union)
_elements = msgspec.json.Decoder(list[msgspec.Raw])
_commands = frozenset(COMMANDS)
_types = frozenset(str(kind.__struct_config__.tag) for kind in (*COMMANDS, *REQUESTS))

_PATH = re.compile(r" - at `\$\.?([^`]*)`\Z")
_MISSING = re.compile(r"\AObject missing required field `([^`]+)`")
_SURROGATE = re.compile("[\ud800-\udfff]")
MAX_KEY_CHARACTERS = 64
#: Digits of an integer that is read as it is. All ranges end far below.
MAX_DIGITS = 40
_HUGE: int = 10**MAX_DIGITS
#: Stands for a number that no float holds: beyond every range too, and short when written.
_BEYOND = 1e308
#: Characters of a path that names a field of the client's own making.
MAX_PATH = 200
#: Each character of a key as two escapes of six bytes, and the quotes.
MAX_RAW_KEY_BYTES = 12 * MAX_KEY_CHARACTERS + 2
#: White space between the parts of JSON (RFC 8259, 2).
_WHITE = b" \t\n\r"


class _Outline(msgspec.Struct):
    """What an answer needs of a message that is not read."""

    id: msgspec.Raw = msgspec.Raw(b"")
    ref: msgspec.Raw = msgspec.Raw(b"")


_outline = msgspec.json.Decoder(_Outline)


class Invalid(NamedTuple):
    """A message that could not be read, and how its sender may be answered."""

    error: RetryableError
    id: str | None = None
    ref: str | int | None = None
    type: str | None = None
    """The type it gave, where there is a message of that type."""


class Frame(NamedTuple):
    """What one frame held, in order."""

    messages: list[Message | Invalid]
    is_batch: bool
    bad: bool = False
    """Whether it was no JSON object or array at all."""


def decode_frame(
    payload: bytes, *, limits: TextLimits, message_bytes: int, longest_batch: int
) -> Frame:
    """The messages of one frame; never raises.

    A frame over ``message_bytes``, or an array longer than ``longest_batch``, gives one
    ``too_large`` and nothing of it is read further.
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
    """The messages of a batch, raw or read; ``None`` if ``payload`` is no JSON array."""
    try:
        return _elements.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        pass
    # A lone surrogate in one element must not cost its neighbours their answers.
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
    """One command from an HTTP body; never raises."""
    message = _decode(payload, limits)
    if isinstance(message, Request):
        error = RetryableError(ErrorCode.UNKNOWN_TYPE, "this type is no command")
        return Invalid(error, ref=message.ref)
    return message


def under_id(payload: bytes, id: str) -> bytes:
    """``payload`` with ``id``, where it is an object that has none; else as it is."""
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
        if type(message) in _commands:  # isinstance is slow: msgspec's classes are abstract ones
            cast("Command", message).check()
    except msgspec.ValidationError as err:
        return _explain(payload, str(err), inner=inner)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Also what msgspec is stricter about than the JSON grammar: lone surrogates, huge numbers.
        return _explain(payload, None, inner=inner)
    except RetryableError as err:
        found = _loads(payload)
        fields = found if isinstance(found, dict) else {}
        return Invalid(err, *_keys(fields), fields.get("type"))
    return message


def _explain(payload: bytes, problem: str | None, *, inner: bool = False) -> Invalid:
    """The error for a message that did not decode, under the id or ref it carries."""
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
    path = match[1] if (match := _PATH.search(problem)) else ""
    if missing := _MISSING.match(problem):
        path = f"{path}.{missing[1]}" if path else missing[1]
    return Invalid(bad_request(path, _PATH.sub("", problem)), *keys, kind)


def _unrepresentable(value: Any) -> str:
    """The path of the first text that holds a lone surrogate; of a field, the first there is.

    Without recursion, as the reader of JSON goes as deep as Python's stack allows, and without
    writing out a path for each of many values under one long key.
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
    """``a.b[0]`` of the pairs ``((((), "a"), "b"), 0)``."""
    steps: list[str] = []
    while way:
        way, step = way
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return "".join(reversed(steps)).removeprefix(".")[:MAX_PATH]


def _loads(payload: bytes) -> Any:
    """The payload as plain values, read as leniently as JSON's grammar allows; else ``None``."""
    try:
        # As text: of bytes, it would guess the encoding and take UTF-16 or a byte order mark too.
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
    """An integer, or one beyond every range for it: Python reads 4,300 digits at most, and in
    time that grows with their square."""
    if len(digits) <= MAX_DIGITS:
        return int(digits)
    return -_HUGE if digits[0] == "-" else _HUGE


def _fraction(text: str) -> float:
    """A number with a fraction or an exponent; finite, so that it can be written again."""
    number = float(text)
    return number if math.isfinite(number) else math.copysign(_BEYOND, number)


def _keys(found: dict[str, Any]) -> tuple[str | None, str | int | None]:
    """The id and the ref under which the sender can be answered, where they are usable."""
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
    """``id`` and ``ref`` of an object of any size.

    The rest is passed over, not built: a MiB of small lists, which a client may send hundreds of
    in a second, would take some 70 ms each.
    """
    try:
        found = _outline.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    raw = {"id": bytes(found.id), "ref": bytes(found.ref)}
    return {name: _loads(text) for name, text in raw.items() if 0 < len(text) <= MAX_RAW_KEY_BYTES}
