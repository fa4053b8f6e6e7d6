"""Wrong messages, made from the message types themselves, so that new fields are tested too."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect as i

from protocol.commands import COMMANDS, Command
from protocol.fields import Opaque, Text, TextLimits
from protocol.requests import REQUESTS, Request

LIMITS = TextLimits()
#: Stands for a field that is left out.
MISSING: Any = object()
#: Maximum depth of a path in a message.
_DEEP = 300

MESSAGES: tuple[type[Command] | type[Request], ...] = (*COMMANDS, *REQUESTS)

_EXAMPLES: dict[str, Any] = {
    "id": "example-1",
    "code": "ABC123",
    "entrance_code": "ABC123",
    "ref": "r1",
    "epoch": "e",
    "ids": ["example-2"],
    "share": "1/2",
    "stances": ["agree", "against"],
}


class Raw(NamedTuple):
    """JSON that Python would not write."""

    text: str


class Wrong(NamedTuple):
    """A wrong message: its fault, its bytes, the path of the wrong field."""

    what: str
    payload: bytes
    path: str
    keyed: bool
    """Whether its id (or ref) is still valid."""


def name_of(message: type[msgspec.Struct]) -> str:
    """The ``type`` on the wire."""
    return str(message.__struct_config__.tag)


def example(message: type[msgspec.Struct]) -> dict[str, Any]:
    """A valid message of this type with every field set."""
    info = i.type_info(message)
    assert isinstance(info, i.StructType)
    made = {"type": name_of(message)} | _struct(info)
    # Of mutually exclusive fields, a set that is permitted together.
    match name_of(message):
        case "proposal.create":
            made |= {"kind": "assumption", "category": "update"}
        case "ballot.submit":
            del made["options"]
        case "comment.add":
            del made["criterion"]
        case "membership.join":
            del made["invitation"]
    return made


def _struct(info: i.StructType) -> dict[str, Any]:
    return {
        field.encode_name: _EXAMPLES.get(field.name, _right(field.type)) for field in info.fields
    }


def _bare(kind: i.Type) -> i.Type:
    """The type without its description."""
    while isinstance(kind, i.Metadata):
        kind = kind.type
    return kind


def _right(kind: i.Type) -> Any:
    kind = _bare(kind)
    match kind:
        case i.UnionType():
            return _right(_options(kind)[0])
        case i.StrType():
            return "x"
        case i.DateTimeType():
            return "2026-11-23T08:00:00Z"
        case i.IntType():
            return max(kind.ge or 1, 1)
        case i.BoolType():
            return True
        case i.LiteralType():
            return kind.values[0]
        case i.ListType():
            return [_right(kind.item_type)]
        case i.StructType():
            return _struct(kind)
    raise AssertionError(kind)


def _options(kind: i.Type) -> list[i.Type]:
    """The types that a value may have, except ``null`` and "left out"."""
    kind = _bare(kind)
    if not isinstance(kind, i.UnionType):
        return [kind]
    return [bare for t in kind.types if not isinstance(bare := _bare(t), i.NoneType)]


def nullable(kind: i.Type) -> bool:
    """Whether ``null`` is permitted."""
    kind = _bare(kind)
    return isinstance(kind, i.UnionType) and kind.includes_none


def wrong_messages(message: type[msgspec.Struct]) -> Iterator[Wrong]:
    """Every field of ``message`` with every kind of wrong value."""
    info = i.type_info(message)
    assert isinstance(info, i.StructType)
    marks = texts_of(message) | opaque_of(message)
    for field in info.fields:
        for what, value, path in _wrong(field, marks.get(field.name)):
            given = example(message)
            if value is MISSING:
                del given[field.encode_name]
            else:
                given[field.encode_name] = value
            keyed = field.encode_name not in ("id", "ref")
            yield Wrong(
                f"{field.encode_name}: {what}", written(given), path or field.encode_name, keyed
            )


def texts_of(message: type[msgspec.Struct]) -> dict[str, Text]:
    """Field → the mark that limits the length of its text."""
    return {name: mark for name, mark in _marks(message) if isinstance(mark, Text)}


def opaque_of(message: type[msgspec.Struct]) -> dict[str, Opaque]:
    """Field → the mark that keeps its text unchanged."""
    return {name: mark for name, mark in _marks(message) if isinstance(mark, Opaque)}


def _marks(message: type[msgspec.Struct]) -> Iterator[tuple[str, Text | Opaque]]:
    for name, hint in typing.get_type_hints(message, include_extras=True).items():
        if (mark := _mark(hint)) is not None:
            yield name, mark


def _mark(hint: Any) -> Text | Opaque | None:
    for part in typing.get_args(hint):
        if isinstance(part, Text | Opaque):
            return part
        if (found := _mark(part)) is not None:
            return found
    return None


def _wrong(field: i.Field, mark: Text | Opaque | None) -> Iterator[tuple[str, Any, str]]:
    """(fault, value, path if it is not the field's own)."""
    if field.required:
        yield "missing", MISSING, ""
    if not nullable(field.type):
        yield "null", None, ""
    options = _options(field.type)
    allowed = {type(option) for option in options}
    if not allowed & {i.ListType}:
        yield "a list", [], ""
        yield "a deep list", _deep(), ""
    if not allowed & {i.StructType}:
        yield "an object", {}, ""
    if not allowed & {i.BoolType}:
        yield "a boolean", True, ""
    if not allowed & {i.IntType}:
        yield "an integer", 5, ""
    yield "a fraction", 1.5, ""
    yield "a number without end", Raw("1e400"), ""
    if i.StrType not in allowed and i.LiteralType not in allowed:
        yield "a text", "5x", ""
    for option in options:
        yield from _wrong_of(option, mark, field.name)


def _wrong_of(
    kind: i.Type, mark: Text | Opaque | None, path: str
) -> Iterator[tuple[str, Any, str]]:
    match kind:
        case i.StrType():
            yield from ((what, value, "") for what, value in _texts(kind, mark))
        case i.DateTimeType():
            yield "a time without a zone", "2026-11-23T08:00:00", ""
            yield "a day that there is not", "2026-02-30T08:00:00Z", ""
        case i.IntType():
            if kind.ge is not None:
                yield "one too small", kind.ge - 1, ""
            if kind.le is not None:
                yield "one too large", kind.le + 1, ""
            for huge in (2**63, -(2**63) - 1, 2**64, 10**40):
                yield f"{huge}", huge, ""
        case i.BoolType():
            for value in (0, 1, "true"):
                yield f"{value!r}", value, ""
        case i.LiteralType():
            yield "an unknown word", "no such word", ""
            yield "an empty text", "", ""
        case i.ListType():
            if kind.max_length is not None:
                yield "one too many", [_good_item(path, kind)] * (kind.max_length + 1), ""
            for what, value, inner in _wrong_of(_bare(kind.item_type), mark, ""):
                yield (
                    f"[1] {what}",
                    [_good_item(path, kind), value],
                    f"{path}[1]" + (f".{inner}" if inner else ""),
                )
            yield "[0] null", [None], f"{path}[0]"
        case i.StructType():
            marks = texts_of(kind.cls)
            for field in kind.fields:
                for what, value, inner in _wrong(field, marks.get(field.name)):
                    given = _struct(kind)
                    if value is MISSING:
                        del given[field.name]
                    else:
                        given[field.name] = value
                    here = inner or field.name
                    yield f"{here} {what}", given, f"{path}.{here}" if path else here


def _good_item(path: str, kind: i.ListType) -> Any:
    return "example-2" if path == "ids" else _right(kind.item_type)


#: Control characters that no text may hold, and those that end a line in a text, and not in an id.
CONTROLS = "\0\x01\x07\x08\x0e\x1b\x1f\x7f\x80\x84\x86\x9f"
LINE_ENDS = "\x0b\x0c\r\x85"
#: Texts without a visible character.
NOTHING = (
    *(
        " \n\t\u2003",
        "\u3164",
        "\u2800\u2800",
        "\u1160\u115f",
        "\u200b\u200c\u200d",
        "\ufeff\u2060",
    ),
    *(
        "\u00ad",
        "\u202e\u2066",
        "\ufe0f",
        "\u034f",
        "\u180e",
        "\r\n",
        "\u2028",
        "\U000e0041",
        "\x85",
    ),
)
#: The longest permitted run of combining marks, and texts whose run is one longer. The marks of one
#: text have Unicode's combining class 0.
MAX_RUN = "a" + "\u0301" * 15 + "\u0316" * 15
LONG_RUNS = (
    *(MAX_RUN + "\u0301", "\u00e9" + MAX_RUN[1:], "x\u0344" * 3 + "\u0344" * 16),
    *("\u0f73" * 16, "\u0958" + MAX_RUN[1:], "\u0301" * 31),
)


def _texts(kind: i.StrType, mark: Text | Opaque | None) -> Iterator[tuple[str, Any]]:
    longest = getattr(LIMITS, mark.kind) if isinstance(mark, Text) else kind.max_length
    if kind.pattern:
        yield "another pattern", "not this!"
        yield "a line feed behind it", "ABC123\n"
    if longest:
        yield "one too long", "x" * (longest + 1)
        yield "one too long, in other letters", "é" * (longest + 1)
        yield "one too long, once composed", "e\u0301" * (longest + 1)
    if (kind.min_length or 0) > 0 or (isinstance(mark, Text) and not mark.blank):
        yield "empty", ""
    if isinstance(mark, Text):
        for nothing in () if mark.blank else NOTHING:
            yield f"nothing to see: {nothing!a}", nothing
        for number, run in enumerate(LONG_RUNS):
            yield f"a long run of marks {number}", run
    if not isinstance(mark, Opaque):
        for character in CONTROLS + ("" if mark else LINE_ENDS):
            yield f"U+{ord(character):04X}", f"a{character}b"
    for surrogate in (r"\ud800", r"\udfff", r"a\udc00b", r"\ud83d\ud83d"):
        yield f"a lone surrogate {surrogate}", Raw(f'"{surrogate}"')


def _deep() -> Any:
    value: Any = []
    for _ in range(_DEEP):
        value = [value]
    return value


def written(message: Any) -> bytes:
    """``message`` as JSON, with values that Python would not write inserted by hand."""
    marks: dict[str, str] = {}

    def mark(value: Any) -> Any:
        if isinstance(value, Raw):
            key = f"@@{len(marks)}@@"
            marks[f'"{key}"'] = value.text
            return key
        if isinstance(value, dict):
            return {k: mark(v) for k, v in value.items()}
        if isinstance(value, list):
            return [mark(v) for v in value]
        return value

    text = json.dumps(mark(message))
    for key, raw in marks.items():
        text = text.replace(key, raw)
    return text.encode()
