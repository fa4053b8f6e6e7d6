"""The words in docs/protocol.md for the fields of a message, made from its type."""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, UNSET, UnsetType

from protocol import fields as f
from protocol import policy, state
from protocol.messages import AnyOf, PatchOf

_LIMITS = f.TextLimits()
_PLAIN = {str: "text", int: "integer", bool: "true or false", float: "number", dict: "object"}
#: Most fields of an object that is described in place.
_SMALL = 6
#: Kinds of field that have a name of their own.
_NAMED: list[tuple[Any, str]] = [
    (f.CommandId, "command id"),
    (f.EntranceCode, "entrance code"),
    (f.Ref, "id"),
    (f.UserId, "user id"),
    (f.Position, "position"),
    (f.Version, "version"),
    (f.Moment, "time with a zone"),
    (policy.PolicyPatch, "policy, or a part of one"),
    (state.Count, "count"),
    (state.EventStatus, "event status"),
    (state.MembershipStatus, "membership status"),
    (state.ProposalStatus, "proposal status"),
    (state.Resolution, "resolution"),
    (policy.KindPolicyPatch, "rule, or a part of one"),
    (policy.Stances, "list of stances"),
    (policy.Share, "fraction such as `2/3`"),
]


def fields_of(message: type[msgspec.Struct]) -> list[str]:
    """``name words`` of every field; an optional field is in brackets."""
    hints = typing.get_type_hints(message, include_extras=True)
    told = []
    for field in msgspec.structs.fields(message):
        name = f"`{field.encode_name}`"
        default = field.default
        if field.default_factory is not NODEFAULT:
            default = field.default_factory()
        # An epoch is a text like an id, but it names nothing.
        words = "epoch" if field.name == "epoch" else words_of(hints[field.name])
        if default is NODEFAULT:
            told.append(f"{name} {words}")
        elif default in (None, UNSET) or default == [] or isinstance(default, msgspec.Struct):
            told.append(f"[{name} {words}]")
        else:
            told.append(f"[{name} {words}, else {msgspec.json.encode(default).decode()}]")
    return told


def words_of(hint: Any) -> str:
    """The words for a value of type ``hint``."""
    for known, name in _NAMED:
        if hint == known:
            return name
    origin = get_origin(hint)
    if origin is Annotated:
        return _annotated(*get_args(hint))
    if origin in (typing.Union, types.UnionType):
        kinds = [kind for kind in get_args(hint) if kind not in (type(None), UnsetType)]
        return " or ".join(dict.fromkeys(words_of(kind) for kind in kinds))
    if origin is Literal:
        return " \\| ".join(f"`{value}`" for value in get_args(hint))
    if origin is list:
        return f"list of {words_of(get_args(hint)[0])}"
    if origin is tuple:
        return f"[{', '.join(words_of(part) for part in get_args(hint))}]"
    if origin is dict:
        return f"object of {words_of(get_args(hint)[1])} by {words_of(get_args(hint)[0])}"
    if isinstance(hint, type) and _is_small(hint):
        return _object(hint)
    return _PLAIN.get(hint) or _spaced(hint.__name__)


def _is_small(hint: type) -> bool:
    """Whether a struct is described in place; the others are described once, under their names."""
    return (
        issubclass(hint, msgspec.Struct)
        and not issubclass(hint, state.View)
        and len(hint.__struct_fields__) <= _SMALL
    )


def _object(kind: type[msgspec.Struct]) -> str:
    tag = kind.__struct_config__.tag
    head = [f"`{kind.__struct_config__.tag_field}` `{tag}`"] if tag else []
    return f"{{{', '.join(head + fields_of(kind))}}}"


def _annotated(base: Any, *notes: Any) -> str:
    for note in notes:
        if isinstance(note, f.Text):
            return f"text up to {getattr(_LIMITS, note.kind):,}"
        if isinstance(note, PatchOf):
            return "merge patch"
        if isinstance(note, AnyOf):
            return "object"
    meta = next((note for note in notes if isinstance(note, msgspec.Meta)), None)
    if meta is None:
        return words_of(base)
    if base is int and (meta.ge is not None or meta.le is not None):
        return _range(meta.ge, meta.le)
    if base is str and meta.max_length is not None:
        return f"text up to {meta.max_length:,}"
    if get_origin(base) is list and meta.max_length is not None:
        return f"{words_of(base)}, at most {meta.max_length}"
    if base is str and meta.pattern is not None:
        return "time" if "T" in meta.pattern else "hash" if "{64}" in meta.pattern else "id"
    return words_of(base)


def _range(least: float | None, most: float | None) -> str:
    if most is None or most >= f.MAX_INT:
        return "integer" if least is None else f"integer from {least:,}"
    return f"integer {least or 0:,} to {most:,}"


def _spaced(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
