"""The kinds of field that a message can have: their ranges, and the rule for every text.

Fixed ranges are part of the types. Lengths are settings (``TextLimits``), so ``normalise`` checks
them after decoding.
"""

from __future__ import annotations

import functools
import operator
import types
import typing
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, get_args, get_origin

import msgspec

from protocol.errors import RetryableError, bad_request
from protocol.text import MAX_SHRINKING, check_id, clean_name, clean_text, is_empty

#: The greatest integer that JavaScript represents exactly; positions stay below it.
MAX_SAFE_INTEGER = 2**53 - 1
#: The greatest integer of a column; versions and ordinals stay below it.
MAX_INT = 2**31 - 1


class Opaque:
    """Marks a text that is not checked or changed here, such as a token."""


CommandId = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A[A-Za-z0-9_-]{8,64}\Z",
        description="Idempotency id, chosen by the client: 8-64 of A-Z a-z 0-9 _ -. "
        "A UUIDv7 or ULID is recommended.",
    ),
]
#: An id made by the server: of an event, proposal, item, option or comment.
Ref = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Epoch = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
UserId = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Version = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)]
#: An ordinal: of comments as they were made, of proposals as they were resolved.
Ordinal = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)]
Position = Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER)]
MaxMembers = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
EntranceCode = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z0-9]{6}\Z")]
#: The secret of an invitation, as ``invitation.create`` gave it.
Secret = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,100}\Z")]
#: A moment chosen by the client, in any time zone.
Moment = Annotated[
    datetime,
    msgspec.Meta(
        tz=True,
        description="RFC 3339, with a zone.",
        examples=["2026-11-23T08:10:00.000Z"],
        extra_json_schema={
            "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}"
            r"(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
        },
    ),
]
#: The trace that a message belongs to (W3C Trace Context, 3.2). It is no part of a command. A value
#: of another form is ignored, as the W3C asks.
TraceParent = Annotated[
    str,
    Opaque(),
    msgspec.Meta(
        max_length=256,
        description="W3C `traceparent`: the trace that the message belongs to. It is no part of a "
        "command: a repeat may have another one.",
        examples=["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
    ),
]
PageSize = Annotated[int, msgspec.Meta(ge=1, le=200)]
#: Repeated in the answer to a message that is not a command.
Echo = (
    Annotated[str, msgspec.Meta(max_length=64)]
    | Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER)]
)

#: Names of the limits in ``TextLimits``.
TextKind: TypeAlias = Literal["subject", "content", "reason", "comment", "option", "name"]


class Text(NamedTuple):
    """Marks a text field with the limit that applies to it."""

    kind: TextKind
    blank: bool = False
    """Whether it may be empty or show nothing."""


Subject = Annotated[str, Text("subject")]
Content = Annotated[str, Text("content")]
Reason = Annotated[str, Text("reason", blank=True)]
CommentText = Annotated[str, Text("comment")]
OptionText = Annotated[str, Text("option")]
Name = Annotated[str, Text("name")]


class TextLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The greatest lengths of texts, in characters (code points after NFC)."""

    subject: int = 200
    content: int = 2_000
    reason: int = 2_000
    comment: int = 2_000
    option: int = 200
    name: int = 100


def clean_length(value: str, text: Text, path: str, limits: TextLimits) -> str:
    """Return ``value`` normalised and within its limit; raise ``bad_request`` naming ``path``.

    The length is checked first, so that the cost follows the limit and not what was sent.
    """
    limit: int = getattr(limits, text.kind)
    if len(value) <= MAX_SHRINKING * limit:
        value = clean_text(value, path)
        if text.kind == "name":
            value = clean_name(value)
    if len(value) > limit:
        raise bad_request(path, f"{path} has {len(value)} characters; {limit} are allowed")
    if not text.blank and is_empty(value):
        raise bad_request(path, f"{path} is empty")
    return value


@functools.cache
def text_fields(message: type[msgspec.Struct]) -> tuple[tuple[str, Text | None, bool], ...]:
    """Return (field, its mark, whether it is a list) for every text field of ``message``.

    A field without a mark is an id. Opaque fields are left out.
    """
    found = []
    for name, hint in typing.get_type_hints(message, include_extras=True).items():
        mark, is_list, is_text = _text_of(hint)
        if is_text and not isinstance(mark, Opaque):
            found.append((name, mark, is_list))
    return tuple(found)


@functools.cache
def _nested_fields(message: type[msgspec.Struct]) -> tuple[str, ...]:
    """Return the fields of ``message`` that have messages in them, one or a list."""
    hints = typing.get_type_hints(message, include_extras=True)
    return tuple(name for name, hint in hints.items() if _has_struct(hint))


@functools.cache
def _ids_alone(message: type[msgspec.Struct]) -> Callable[[Any], tuple[str, ...]] | None:
    """Return what gets the texts of ``message``, if all of them are ids that it must have."""
    texts = text_fields(message)
    names = [name for name, mark, is_list in texts if mark is None and not is_list]
    needed = {field.name for field in msgspec.structs.fields(message) if field.required}
    if len(names) < len(texts) or len(names) < 2 or not needed.issuperset(names):
        return None
    return None if _nested_fields(message) else operator.attrgetter(*names)


def _has_struct(hint: Any) -> bool:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return True
    return any(_has_struct(inner) for inner in get_args(hint))


def _text_of(hint: Any) -> tuple[Text | Opaque | None, bool, bool]:
    origin = get_origin(hint)
    if origin is Annotated:
        base, *notes = get_args(hint)
        mark = next((note for note in notes if isinstance(note, Text | Opaque)), None)
        inner_mark, is_list, is_text = _text_of(base)
        return mark or inner_mark, is_list, is_text
    if origin in (typing.Union, types.UnionType):
        for option in get_args(hint):
            mark, is_list, is_text = _text_of(option)
            if is_text:
                return mark, is_list, True
        return None, False, False
    if origin is list:
        mark, _, is_text = _text_of(get_args(hint)[0])
        return mark, True, is_text
    return None, False, hint is str


def normalise(message: msgspec.Struct, limits: TextLimits) -> None:
    """Normalise every text of a decoded ``message`` in place, and check its length.

    Ids are checked and never changed.

    Raises ``RetryableError`` (``bad_request``), naming the field in ``details.path``.
    """
    if (ids := _ids_alone(type(message))) is not None:
        # As in every vote: its texts are ids, and all of them together are checked at once.
        together = "".join(ids(message))
        if together.isascii() and together.isprintable():
            return
    for name, mark, is_list in text_fields(type(message)):
        value = getattr(message, name)
        if isinstance(value, str):
            if mark is None:
                if not (value.isascii() and value.isprintable()):
                    check_id(value, name)
                continue
            clean = clean_length(value, mark, name, limits)
            if clean is not value:
                setattr(message, name, clean)
        elif is_list and value:
            if mark is None:
                for index, item in enumerate(value):
                    if not item.isascii() or not item.isprintable():
                        check_id(item, f"{name}[{index}]")
                continue
            cleaned = [
                clean_length(item, mark, f"{name}[{index}]", limits)
                for index, item in enumerate(value)
            ]
            setattr(message, name, cleaned)
    for name in _nested_fields(type(message)):
        value = getattr(message, name)
        if isinstance(value, msgspec.Struct):
            _normalise_within(value, name, limits)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                _normalise_within(inner, name, limits, index)


def _normalise_within(
    message: msgspec.Struct, path: str, limits: TextLimits, index: int | None = None
) -> None:
    try:
        normalise(message, limits)
    except RetryableError as err:
        if index is not None:
            path = f"{path}[{index}]"
        inner = err.details.get("path", "")
        details = err.details | {"path": f"{path}.{inner}" if inner else path}
        raise RetryableError(err.code, err.message, details=details) from None
