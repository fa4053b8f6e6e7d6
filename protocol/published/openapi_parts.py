"""Parts of the OpenAPI document: operations, parameters, responses."""

from __future__ import annotations

from typing import Any

import msgspec

from protocol.published.definitions import Schema, Struct, clean


def operation(
    name: str,
    summary: str,
    answer: dict[str, Any],
    errors: tuple[int, ...],
    *,
    parameters: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return an operation that needs a token, with its response and the statuses of its errors."""
    return {
        "operationId": name,
        "summary": summary,
        "parameters": parameters,
        "responses": {"200": answer, **failures(errors)},
    }


def failures(statuses: tuple[int, ...]) -> dict[str, Any]:
    """Return references to the errors with ``statuses``."""
    return {
        str(status): {"$ref": f"#/components/responses/Error{status}"}
        for status in sorted(statuses)
    }


def unguarded(name: str, summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    """Return an operation that needs no token."""
    return {"operationId": name, "summary": summary, "security": [], "responses": answers}


def response(description: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a response, and its content by media type."""
    return {"description": description} | ({"content": content} if content else {})


def json_of(kind: Struct, description: str) -> dict[str, Any]:
    """Return a response that is a message."""
    return response(description, {"application/json": {"schema": ref(kind)}})


def query(schemas: dict[str, Schema], asked: Struct, *names: str) -> list[dict[str, Any]]:
    """Return query parameters for fields of a request, as its type has them."""
    properties = schemas[asked.__name__]["properties"]
    return [parameter(name, "query", _not_null(properties[name]), required=False) for name in names]


def _not_null(schema: Schema) -> Schema:
    """In a query, a field without a value is left out."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    return choices[0] if len(choices) == 1 else schema


def parameter(
    name: str, place: str, schema: Schema, description: str = "", *, required: bool = True
) -> dict[str, Any]:
    """Return a parameter."""
    made: dict[str, Any] = {"name": name, "in": place, "required": required, "schema": schema}
    return made | ({"description": description} if description else {})


def of(kind: Any) -> Schema:
    """Return the schema of a kind of field."""
    made: Schema = clean(msgspec.json.schema(kind))
    return made


def ref(kind: Struct) -> dict[str, str]:
    """Return a reference to the schema of a message."""
    return {"$ref": f"#/components/schemas/{kind.__name__}"}
