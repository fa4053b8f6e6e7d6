"""The schema of every message and of its parts, by name, made from the types.

msgspec gives what the types say. The rest is added, each from its one place: the limits of texts,
the rules of ``Command.check``, the objects that merge patches apply to, and the tables of codes.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, TypeAlias, get_args, get_origin

import msgspec

from protocol import commands as c
from protocol.closes import CLOSES
from protocol.commands import COMMANDS
from protocol.errors import ERRORS
from protocol.fields import Text, TextLimits, text_fields
from protocol.messages import AnyOf, PatchOf
from protocol.replies import MESSAGES
from protocol.requests import REQUESTS
from protocol.results import RESULTS

Schema: TypeAlias = dict[str, Any]
Struct: TypeAlias = type[msgspec.Struct]

#: Characters that an id may not have (``text.check_id``): control characters except newline and
#: tab.
_ID: Final = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$"
#: Characters that a text may not have (``text.clean_text``): the same, without those that become a
#: newline.
_CONTROL: Final = r"\u0000-\u0008\u000e-\u001f\u007f-\u0084\u0086-\u009f"
_CLEAN: Final = f"^[^{_CONTROL}]*$"
#: Characters that show nothing (``text.is_empty``), as far as patterns without planes can say
#: (ECMA-262 without the flag ``u``). The server also knows the few beyond U+FFFF.
_NOTHING: Final = (
    r"\s\u0085\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
)
_NOT_BLANK: Final = f"^[^{_CONTROL}]*[^{_NOTHING}{_CONTROL}][^{_CONTROL}]*$"
_NONE: Final = {"type": "null"}
_SET: Final = {"type": "array", "uniqueItems": True}
_TARGETED: Final = {"target": {"type": "string"}, "base_version": {"type": "integer"}}

#: The rules of ``Command.check``, which a type cannot express.
_CHECKS: Final[dict[type[c.Command], Schema]] = {
    c.ProposalCreate: {
        "allOf": [
            {
                "if": {
                    "properties": {
                        "category": {"const": "create"},
                        "kind": {"enum": ["assumption", "criterion"]},
                    }
                },
                "then": {"properties": {"target": _NONE, "base_version": _NONE}},
                "else": {"required": list(_TARGETED), "properties": _TARGETED},
            },
            {
                "if": {"properties": {"category": {"const": "delete"}}},
                "then": {"properties": {"content": _NONE}},
                "else": {"required": ["content"], "properties": {"content": {"type": "string"}}},
            },
        ]
    },
    c.MembershipJoin: {
        "oneOf": [
            {"required": [one], "properties": {one: {"type": "string"}, other: _NONE}}
            for one, other in (("code", "invitation"), ("invitation", "code"))
        ]
    },
    c.CommentAdd: {
        "oneOf": [
            {"required": [one], "properties": {one: {"type": "string"}, other: _NONE}}
            for one, other in (("proposal", "criterion"), ("criterion", "proposal"))
        ]
    },
    c.BallotSubmit: {
        "oneOf": [
            {
                "required": ["option"],
                "properties": {"option": {"type": "string"}, "options": _NONE},
            },
            {"required": ["options"], "properties": {"options": _SET, "option": _NONE}},
        ]
    },
}


def definitions(limits: TextLimits | None, ref: str) -> dict[str, Schema]:
    """Return name → schema of every message, of its parts, and of their unions.

    ``ref`` is the template of references, with ``{name}``.
    """
    return _Definitions(limits or TextLimits(), ref).made


def reachable(roots: Iterable[Struct]) -> dict[str, Struct]:
    """Return name → class of ``roots`` and of everything in their fields, marked kinds included.

    Raises ``TypeError`` if two have one name.
    """
    found: dict[str, Struct] = {}
    waiting = deque(roots)
    while waiting:
        kind = waiting.popleft()
        if found.setdefault(kind.__name__, kind) is not kind:
            raise TypeError(f"two types are called {kind.__name__}")
        for hint in typing.get_type_hints(kind, include_extras=True).values():
            waiting += [inner for inner in _structs(hint) if inner.__name__ not in found]
    return found


def _structs(hint: Any) -> Iterator[Struct]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    elif isinstance(hint, AnyOf):
        yield from hint.kinds
    elif isinstance(hint, PatchOf):
        yield hint.kind
    else:
        for inner in get_args(hint):
            yield from _structs(inner)


def _mark(hint: Any) -> AnyOf | PatchOf | None:
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((note for note in notes if isinstance(note, AnyOf | PatchOf)), None)


class _Definitions:
    """The definitions while they are built."""

    def __init__(self, limits: TextLimits, ref: str) -> None:
        self._limits = limits
        self._ref_template = ref
        spoken = reachable((*COMMANDS, *REQUESTS))
        self._kinds = reachable((*MESSAGES, *RESULTS.values())) | spoken
        _, made = msgspec.json.schema_components(self._kinds.values(), ref_template=ref)
        self.made: dict[str, Schema] = {name: clean(schema) for name, schema in made.items()}
        for name, kind in spoken.items():
            self._texts(name, kind)
        for kind, rule in _CHECKS.items():
            self.made[kind.__name__] |= rule
        for name, kind in self._kinds.items():
            self._marks(name, kind)
        self._error()
        self._close_code()
        self._unions()

    def _ref(self, name: str) -> Schema:
        return {"$ref": self._ref_template.format(name=name)}

    def _name(self, schema: Schema) -> str | None:
        ref = schema.get("$ref")
        return None if ref is None else str(ref).rpartition("/")[2]

    # Texts sent by clients.

    def _texts(self, name: str, kind: Struct) -> None:
        properties = self.made[name].get("properties", {})
        for field, mark, _ in text_fields(kind):
            for text in _strings(properties[field]):
                self._limit(text, mark)

    def _limit(self, text: Schema, mark: Text | None) -> None:
        if mark is None:
            text.setdefault("pattern", _ID)
            return
        text["maxLength"] = getattr(self._limits, mark.kind)
        text["pattern"] = _CLEAN if mark.blank else _NOT_BLANK
        if not mark.blank:
            text["minLength"] = 1

    # Fields of which more is known than their type says.

    def _marks(self, name: str, kind: Struct) -> None:
        hints = typing.get_type_hints(kind, include_extras=True)
        for field in msgspec.structs.fields(kind):
            match _mark(hints[field.name]):
                case AnyOf(kinds):
                    choice = {"anyOf": [self._ref(inner.__name__) for inner in kinds]}
                    self.made[name]["properties"][field.encode_name] = choice
                case PatchOf(inner, patched):
                    patch = self._patch(inner.__name__, patched)
                    self.made[name]["properties"][field.encode_name] = patch

    def _patch(self, name: str, patched: str | None = None) -> Schema:
        """Return a reference to the merge patch on ``name``, which is made at the first use.

        A field that always has a value is never ``null``; ``null`` removes a field that may be
        absent.
        """
        patched = patched or f"{name}Patch"
        if patched not in self.made:
            whole = self.made[name]
            self.made[patched] = {}
            self.made[patched] = {
                "title": patched,
                "description": f"A JSON Merge Patch (RFC 7396) on {name}.",
                "type": "object",
                "properties": {
                    field: self._changed(schema)
                    if field in whole.get("required", ())
                    else _nullable(self._changed(schema))
                    for field, schema in whole["properties"].items()
                },
            }
        return self._ref(patched)

    def _changed(self, schema: Schema) -> Schema:
        """Return the schema of a patch on a value: objects in part, other values as a whole."""
        name = self._name(schema)
        if name is not None and "properties" in self.made[name]:
            return self._patch(name)
        if isinstance(schema.get("additionalProperties"), dict):
            entry = _nullable(self._changed(schema["additionalProperties"]))
            return schema | {"additionalProperties": entry}
        return schema

    # Tables.

    def _error(self) -> None:
        """Add the codes, and what follows from each."""
        self.made["ErrorCode"] = {
            "title": "ErrorCode",
            "description": "The closed set of error codes.",
            "type": "string",
            "enum": [code.value for code in ERRORS],
            "oneOf": [
                {"const": code.value, "description": rule.meaning} for code, rule in ERRORS.items()
            ],
        }
        verdicts: dict[tuple[str, str], list[str]] = {}
        for code, rule in ERRORS.items():
            verdicts.setdefault((rule.effect, rule.retry), []).append(code.value)
        self.made["Error"]["oneOf"] = [
            {
                "properties": {
                    "code": {"enum": codes},
                    "effect": {"const": effect},
                    "retry": {"const": retry},
                }
            }
            for (effect, retry), codes in verdicts.items()
        ]

    def _close_code(self) -> None:
        self.made["CloseCode"] = {
            "title": "CloseCode",
            "description": "Why the server closed: 4000-4499 reconnect, 4500-4999 stop.",
            "type": "integer",
            "enum": [int(code) for code in CLOSES],
            "oneOf": [
                {"const": int(code), "description": meaning} for code, meaning in CLOSES.items()
            ],
        }

    def _unions(self) -> None:
        for command, result in RESULTS.items():
            self.made[f"{command.__name__}Result"] = self._ref(result.__name__)
        self._union("Command", "A message that asks for a change of an event.", COMMANDS)
        self._union("Request", "A message that changes no event.", REQUESTS)
        self._union("ClientMessage", "A message that a client sends.", (*COMMANDS, *REQUESTS))
        self._union("ServerMessage", "A message that the server sends.", MESSAGES)

    def _union(self, name: str, description: str, kinds: Iterable[Struct]) -> None:
        self.made[name] = {
            "title": name,
            "description": description,
            "oneOf": [self._ref(kind.__name__) for kind in kinds],
        }


def first_line(kind: Struct) -> str:
    """Return the description of ``kind``, in a sentence or two."""
    first, _, _ = inspect.cleandoc(kind.__doc__ or "").partition("\n\n")
    return first.replace("\n", " ").replace("``", "`")


def _nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _strings(schema: Schema) -> Iterator[Schema]:
    """Yield the schemas of the texts in a field: its own, or those in a list or a union."""
    if schema.get("type") == "string":
        yield schema
    for inner in schema.get("anyOf", ()):
        yield from _strings(inner)
    if isinstance(items := schema.get("items"), dict):
        yield from _strings(items)


def clean(schema: Any) -> Any:
    """Return ``schema`` in standard form: ECMA-262 patterns, plain descriptions, ``const``."""
    if isinstance(schema, list):
        return [clean(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: clean(value) for key, value in schema.items() if key != "discriminator"}
    if isinstance(pattern := made.get("pattern"), str):
        made["pattern"] = re.sub(r"\\Z\Z", "$", re.sub(r"\A\\A", "^", pattern))
    if isinstance(text := made.get("description"), str):
        made["description"] = inspect.cleandoc(text).replace("``", "`")
    values = made.get("enum")
    if isinstance(values, list) and all(isinstance(value, str) for value in values):
        made["type"] = "string"
        if len(values) == 1:
            made["const"] = made.pop("enum")[0]
    return made
