"""Messages validated by the published schema, more strictly than a client may.

A client ignores fields it does not know. Here a field that the schema does not name is an error:
every field that the server sends must be published.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from protocol.commands import COMMANDS, type_of
from protocol.published import json_schema, openapi
from protocol.replies import MESSAGES

Json = dict[str, Any]

#: Command → the definition of its ack's ``result``.
RESULT_OF = {type_of(kind): f"{kind.__name__}Result" for kind in COMMANDS}
#: Type of a server's message → its definition.
SAID = {str(kind.__struct_config__.tag): kind.__name__ for kind in MESSAGES}


def closed(made: Any) -> Any:
    """``made`` with every object closed to unnamed fields."""
    if isinstance(made, list):
        return [closed(inner) for inner in made]
    if not isinstance(made, dict):
        return made
    shut = {key: closed(value) for key, value in made.items()}
    if shut.get("type") == "object" and isinstance(shut.get("properties"), dict):
        shut.setdefault("additionalProperties", False)
    return shut


class Contract:
    """The definitions of a document, as validators."""

    def __init__(self, document: Json, prefix: str) -> None:
        self._document = closed(document)
        self._prefix = prefix
        self._made: dict[str, Draft202012Validator] = {}

    def problems(self, name: str, value: Any) -> Iterator[str]:
        """The errors of ``value`` as a ``name``."""
        validator = self._made.get(name)
        if validator is None:
            validator = self._made[name] = self._validator({"$ref": f"{self._prefix}{name}"})
        yield from _told(validator, value)

    def against(self, inner: Json, value: Any) -> list[str]:
        """The errors of ``value`` by a schema that is part of the document."""
        return list(_told(self._validator(closed(inner)), value))

    def _validator(self, inner: Json) -> Draft202012Validator:
        root = self._document | inner
        root.pop("oneOf", None)
        return Draft202012Validator(root, format_checker=FormatChecker())


def _told(validator: Draft202012Validator, value: Any) -> Iterator[str]:
    for error in validator.iter_errors(value):
        yield f"{error.json_path}: {error.message[:300]}"
        for inner in error.context or ():
            yield f"    {inner.json_path}: {inner.message[:300]}"


MESSAGE_CONTRACT = Contract(json_schema.document(), "#/$defs/")
HTTP_CONTRACT = Contract(openapi.document(), "#/components/schemas/")


def message_problems(message: Json) -> list[str]:
    """The errors of a server's message."""
    kind = SAID.get(message.get("type", ""))
    if kind is None:
        return [f"the server said something unpublished: {message}"]
    return [f"{kind}: {told} in {message}" for told in MESSAGE_CONTRACT.problems(kind, message)]


def result_problems(command: str, result: Json) -> list[str]:
    """The errors of the ``result`` of a command's ack."""
    found = MESSAGE_CONTRACT.problems(RESULT_OF[command], result)
    return [f"{command}: {told} in {result}" for told in found]
