"""The HTTP interface as an OpenAPI 3.1 document, made from the types.

``python -m protocol.openapi`` prints it as a server with the default limits publishes it.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import msgspec

from protocol import PROTOCOL_VERSION
from protocol import messages as m
from protocol import replies as a
from protocol import requests as r
from protocol.commands import COMMANDS
from protocol.definitions import Schema, Struct, clean, definitions, first_line
from protocol.errors import ERRORS
from protocol.fields import CommandId, PageSize, Position, Ref, TextLimits
from protocol.schema import encode

#: Statuses of errors: of every route behind a token, and of those about one event.
_COMMON: Final = (400, 401, 429, 500, 503)
_ABOUT_EVENT: Final = (*_COMMON, 403, 404)
#: Statuses of errors of a command: all there are.
_ALL: Final = tuple(sorted({rule.http for rule in ERRORS.values()}))

_STREAMED: Final = (m.Snapshot, m.Resumed, m.Diff, m.OwnDiff, m.Presence, m.Unsubscribed)

_ABOUT: Final = """\
The same as on the socket, for scripts and for bots behind proxies: the same commands, ids, \
journal and answers. A command sent again under its id has no second effect, whichever way it \
comes. Every error has the same body as on the socket; `code` says what it was."""


def document(limits: TextLimits | None = None) -> dict[str, Any]:
    """The whole document, with the text limits of this server."""
    schemas = definitions(limits, "#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ayes",
            "version": PROTOCOL_VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": _paths(schemas),
        "components": {
            "schemas": schemas,
            "responses": {f"Error{status}": _error(status) for status in _ALL},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def _paths(schemas: dict[str, Schema]) -> dict[str, Any]:
    event = "/v1/events/{event}"
    of_event = [_parameter("event", "path", _of(Ref), "The event's id.")]
    return {
        "/v1/commands": {
            "post": _operation(
                "sendCommand",
                "Send a command; its answer comes when it is decided.",
                _json(m.Ack, "The command was decided, and is durable."),
                _ALL,
                parameters=[
                    _parameter(
                        "Idempotency-Key",
                        "header",
                        _of(CommandId),
                        "The command's `id`, where the body has none.",
                        required=False,
                    )
                ],
            )
            | {"requestBody": _command()}
        },
        "/v1/events": {
            "get": _operation(
                "listEvents",
                first_line(r.EventsList),
                _json(a.Events, first_line(a.Events)),
                _COMMON,
                parameters=_query(schemas, r.EventsList, "after", "limit"),
            )
        },
        event: {
            "get": _operation(
                "getEvent",
                "The room as a whole, as a subscriber gets it.",
                _json(m.Snapshot, first_line(m.Snapshot)),
                _ABOUT_EVENT,
                parameters=of_event,
            )
        },
        **{
            f"{event}/{name}": {
                "get": _operation(
                    f"list{name.capitalize()}",
                    first_line(asked),
                    _json(answer, first_line(answer)),
                    _ABOUT_EVENT,
                    parameters=of_event + _query(schemas, asked, "before", "limit"),
                )
            }
            for name, asked, answer in (
                ("comments", r.CommentsList, a.Comments),
                ("proposals", r.ProposalsList, a.Proposals),
                ("members", r.MembersList, a.Members),
            )
        },
        f"{event}/journal": {
            "get": _operation(
                "readJournal",
                "What happened, for admins; `after` is the last page's `next`.",
                _json(a.Journal, first_line(a.Journal)),
                _ABOUT_EVENT,
                parameters=[
                    *of_event,
                    _parameter("after", "query", _of(Position), required=False),
                    _parameter("limit", "query", _of(PageSize), required=False),
                ],
            )
        },
        f"{event}/commands/{{id}}": {
            "get": _operation(
                "getCommandStatus",
                "What became of this command of mine?",
                _json(a.Status, first_line(a.Status)),
                _COMMON,
                parameters=[*of_event, _parameter("id", "path", _of(CommandId))],
            )
        },
        f"{event}/stream": {
            "get": _operation(
                "streamEvent",
                "The room as Server-Sent Events.",
                _stream(),
                _ABOUT_EVENT,
                parameters=[
                    *of_event,
                    _parameter(
                        "Last-Event-ID",
                        "header",
                        {"type": "string"},
                        "Where to go on: `<epoch>:<seq>`, the id of the last event.",
                        required=False,
                    ),
                ],
            )
        },
        **_open_paths(),
    }


def _open_paths() -> dict[str, Any]:
    """What needs no token."""
    ready = {
        "type": "object",
        "properties": {"ready": {"type": "boolean"}},
        "required": ["ready"],
    }
    plain = {"text/plain": {"schema": {"type": "string"}}}
    healthz = {"200": _response("It does.", plain)}
    metrics = {"200": _response("In Prometheus' text format.", plain)}
    readyz = {
        status: _response(told, {"application/json": {"schema": ready}})
        for status, told in (("200", "Yes."), ("503", "No: it starts, drains, or has no database."))
    }
    documents = {
        "/v1/schema": ("getSchema", "The JSON Schema of every message.", "schema+json"),
        "/v1/asyncapi.json": ("getAsyncApi", "The socket.", "vnd.aai.asyncapi+json"),
        "/v1/openapi.json": ("getOpenApi", "This document.", "vnd.oai.openapi+json"),
    }
    made = {
        "/healthz": _unguarded("getHealth", "Whether the process answers.", healthz),
        "/readyz": _unguarded("getReadiness", "Whether clients should come here.", readyz),
        "/metrics": _unguarded("getMetrics", "What the server counts and measures.", metrics),
    }
    for path, (name, told, kind) in documents.items():
        content = {f"application/{kind}": {"schema": {"type": "object"}}}
        answers = {"200": _response(told, content), "304": _response("It has not changed.")}
        made[path] = _unguarded(name, told, answers)
    return {path: {"get": operation} for path, operation in made.items()}


def _operation(
    name: str,
    summary: str,
    answer: dict[str, Any],
    errors: tuple[int, ...],
    *,
    parameters: list[dict[str, Any]],
) -> dict[str, Any]:
    failures = {
        str(status): {"$ref": f"#/components/responses/Error{status}"} for status in sorted(errors)
    }
    return {
        "operationId": name,
        "summary": summary,
        "parameters": parameters,
        "responses": {"200": answer, **failures},
    }


def _unguarded(name: str, summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "security": [], "responses": answers}


def _response(told: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"description": told} | ({"content": content} if content else {})


def _json(kind: Struct, told: str) -> dict[str, Any]:
    return _response(told, {"application/json": {"schema": _ref(kind)}})


def _stream() -> dict[str, Any]:
    told = (
        "Each event's type is that of its message, its data the message, and its id where the "
        "message leads to: `snapshot` or `resumed` first, then `diff`, `you` and `presence`, and "
        "`unsubscribed` at the end."
    )
    sent = {
        "type": "object",
        "properties": {
            "event": {"enum": [kind.__struct_config__.tag for kind in _STREAMED]},
            "id": {"type": "string", "pattern": "^[^:]+:[0-9]+$"},
            "data": {"type": "string", "contentMediaType": "application/json"},
        },
        "required": ["event", "data"],
    }
    return _response(told, {"text/event-stream": {"schema": sent}})


def _command() -> dict[str, Any]:
    bare = {
        "type": "object",
        "description": "A command without `id`, under the `Idempotency-Key`.",
        "properties": {"type": {"enum": [kind.__struct_config__.tag for kind in COMMANDS]}},
        "required": ["type"],
        "not": {"required": ["id"]},
    }
    schema = {"anyOf": [{"$ref": "#/components/schemas/Command"}, bare]}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _error(status: int) -> dict[str, Any]:
    """The error that is told with ``status``, its codes and its headers."""
    codes = {code.value: rule.meaning for code, rule in ERRORS.items() if rule.http == status}
    told = "\n".join(f"- `{code}`: {meaning}" for code, meaning in codes.items())
    schema = {"allOf": [_ref(m.Error), {"properties": {"code": {"enum": list(codes)}}}]}
    made = _response(told, {"application/json": {"schema": schema}})
    if status == 401:
        made["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    if status in (429, 503):
        made["headers"] = {
            "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
        }
    return made


def _query(schemas: dict[str, Schema], asked: Struct, *names: str) -> list[dict[str, Any]]:
    """Query parameters for fields of a request, as its type has them."""
    properties = schemas[asked.__name__]["properties"]
    return [
        _parameter(name, "query", _not_null(properties[name]), required=False) for name in names
    ]


def _not_null(schema: Schema) -> Schema:
    """In a query, what has no value is left out."""
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    return choices[0] if len(choices) == 1 else schema


def _parameter(
    name: str, place: str, schema: Schema, told: str = "", *, required: bool = True
) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name, "in": place, "required": required, "schema": schema}
    return made | ({"description": told} if told else {})


def _of(kind: Any) -> Schema:
    made: Schema = clean(msgspec.json.schema(kind))
    return made


def _ref(kind: Struct) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


if __name__ == "__main__":
    sys.stdout.buffer.write(encode(document()))
