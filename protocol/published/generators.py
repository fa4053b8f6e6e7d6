"""The changes of a schema that code generators need and validators do not.

Generators take the first of several shapes that fits. They make a type of each closed enumeration,
and know the shape of a union's member by a discriminator alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from protocol.commands import COMMANDS
from protocol.published.definitions import Schema
from protocol.requests import REQUESTS

#: Definitions that clients send; all others are the server's.
_CLIENT: Final = frozenset(kind.__name__ for kind in (*COMMANDS, *REQUESTS))


def for_generators(schemas: dict[str, Schema], roots: Any, prefix: str) -> dict[str, Schema]:
    """The ``schemas`` that ``roots`` refer to, made for generators; references have ``prefix``."""
    sent = _reached(schemas, [{"$ref": prefix + name} for name in _CLIENT], prefix)
    made: dict[str, Schema] = {}
    for name in sorted(_reached(schemas, roots, prefix)):
        schema = _plain(schemas[name], schemas, prefix, is_open=name not in sent)
        made[name] = _union(schema, schemas, prefix)
    return made


def _reached(schemas: dict[str, Schema], roots: Any, prefix: str) -> set[str]:
    found: set[str] = set()
    waiting = list(_references(roots, prefix))
    while waiting:
        name = waiting.pop()
        if name in schemas and name not in found:
            found.add(name)
            waiting += _references(schemas[name], prefix)
    return found


def _references(schema: Any, prefix: str) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(ref := schema.get("$ref"), str) and ref.startswith(prefix):
            yield ref.removeprefix(prefix)
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from _references(inner, prefix)


def _plain(schema: Any, schemas: dict[str, Schema], prefix: str, *, is_open: bool) -> Any:
    """``schema`` without defaults, which would make fields required; enumerations open, if said."""
    if isinstance(schema, list):
        return [_plain(inner, schemas, prefix, is_open=is_open) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: _plain(value, schemas, prefix, is_open=is_open)
        for key, value in schema.items()
        if key != "default"
    }
    if "properties" in made:
        # Which codes have which effect stands in the description of each code.
        made.pop("oneOf", None)
    if any(isinstance(value, list) for value in made.get("enum", ())):
        # Generators make a type of strings or numbers only; the type of the items stands beside it.
        del made["enum"]
    if is_open and isinstance(made.get("enum"), list):
        # Another value may come tomorrow.
        made["x-extensible-enum"] = made.pop("enum")
        made.pop("oneOf", None)
    if isinstance(choices := made.get("anyOf"), list) and all("$ref" in one for one in choices):
        # The first that fits is taken: the one that asks for most comes first.
        made["anyOf"] = sorted(
            choices, key=lambda one: -len(_target(one, schemas, prefix).get("required", ()))
        )
    return made


def _target(ref: Schema, schemas: dict[str, Schema], prefix: str) -> Schema:
    schema = schemas[ref["$ref"].removeprefix(prefix)]
    return _target(schema, schemas, prefix) if "$ref" in schema else schema


def _union(schema: Any, schemas: dict[str, Schema], prefix: str) -> Any:
    """``schema`` with a discriminator at each union of messages."""
    if isinstance(schema, list):
        return [_union(inner, schemas, prefix) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _union(value, schemas, prefix) for key, value in schema.items()}
    for word in ("oneOf", "anyOf"):
        choices = made.get(word)
        if not isinstance(choices, list) or not all("$ref" in one for one in choices):
            continue
        for tag in ("type", "state"):
            values = [
                _target(one, schemas, prefix).get("properties", {}).get(tag, {}).get("const")
                for one in choices
            ]
            if all(isinstance(value, str) for value in values) and len(values) > 1:
                mapping = {
                    str(value): one["$ref"] for value, one in zip(values, choices, strict=True)
                }
                made["discriminator"] = {"propertyName": tag, "mapping": mapping}
    return made
