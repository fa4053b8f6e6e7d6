"""The HTTP interface as an OpenAPI 3.1 document, made from the types.

``python -m protocol.published.openapi`` prints it with the default limits.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from protocol import PROTOCOL_VERSION
from protocol import messages as m
from protocol import replies as a
from protocol import requests as r
from protocol.commands import COMMANDS
from protocol.errors import ERRORS
from protocol.fields import CommandId, PageSize, Position, Ref, TextLimits
from protocol.published.definitions import Schema, definitions, first_line
from protocol.published.generators import for_generators
from protocol.published.json_schema import encode
from protocol.published.openapi_open import open_paths, open_schemas
from protocol.published.openapi_parts import json_of, of, operation, parameter, query, ref, response

#: HTTP statuses of errors: of every route that needs a token, and of those about one event.
_COMMON: Final = (400, 401, 429, 500, 503)
_ABOUT_EVENT: Final = (*_COMMON, 403, 404)
#: HTTP statuses of errors of a command: all of them.
_ALL: Final = tuple(sorted({rule.http for rule in ERRORS.values()}))

_STREAMED: Final = (m.Snapshot, m.Resumed, m.Diff, m.OwnDiff, m.Presence, m.Unsubscribed)

_ABOUT: Final = """\
The HTTP interface, for scripts and for bots behind proxies. Commands, ids, journal and answers \
are those of the socket. A command that is sent again under its id has no second effect, over \
HTTP or over the socket. Every error has the same body as on the socket, with its `code`."""


def document(limits: TextLimits | None = None) -> dict[str, Any]:
    """Return the whole document, with the text limits of this server."""
    limits = limits or TextLimits()
    schemas = definitions(limits, "#/components/schemas/{name}") | open_schemas(limits)
    paths = _paths(schemas)
    failures = {f"Error{status}": _error(status) for status in _ALL}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ayes",
            "version": PROTOCOL_VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        # From where this document lies, below whatever path the server is reached at.
        "servers": [{"url": ".."}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": for_generators(schemas, [paths, failures], "#/components/schemas/"),
            "responses": failures,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def _paths(schemas: dict[str, Schema]) -> dict[str, Any]:
    event = "/v1/events/{event}"
    of_event = [parameter("event", "path", of(Ref), "The event's id.")]
    return {
        "/v1/commands": {
            "post": operation(
                "sendCommand",
                "Send a command; its answer comes when it is decided.",
                json_of(m.Ack, "The command was decided, and is durable."),
                _ALL,
                parameters=[
                    parameter(
                        "Idempotency-Key",
                        "header",
                        of(CommandId),
                        "The command's `id`, if the body has none.",
                        required=False,
                    )
                ],
            )
            | {"requestBody": _command()}
        },
        "/v1/queries": {
            "post": operation(
                "sendQuery",
                "Send a query, `hello` or `ping`; the answer is that of the socket.",
                _replies(),
                (*_ABOUT_EVENT, 413),
                parameters=[],
            )
            | {"requestBody": _query()}
        },
        "/v1/events": {
            "get": operation(
                "listEvents",
                first_line(r.EventsList),
                json_of(a.Events, first_line(a.Events)),
                _COMMON,
                parameters=query(schemas, r.EventsList, "after", "limit"),
            )
        },
        event: {
            "get": operation(
                "getEvent",
                "The whole room, as a subscriber gets it.",
                json_of(m.Snapshot, first_line(m.Snapshot)),
                _ABOUT_EVENT,
                parameters=of_event,
            )
        },
        **{
            f"{event}/{name}": {
                "get": operation(
                    f"list{name.capitalize()}",
                    first_line(asked),
                    json_of(answer, first_line(answer)),
                    _ABOUT_EVENT,
                    parameters=of_event + query(schemas, asked, "before", "limit"),
                )
            }
            for name, asked, answer in (
                ("comments", r.CommentsList, a.Comments),
                ("proposals", r.ProposalsList, a.Proposals),
                ("members", r.MembersList, a.Members),
                ("requests", r.RequestsList, a.Requests),
                ("invitations", r.InvitationsList, a.Invitations),
                ("ballots", r.BallotsList, a.Ballots),
            )
        },
        f"{event}/votes": {
            "get": operation(
                "listVotes",
                first_line(r.VotesList),
                json_of(a.Votes, first_line(a.Votes)),
                _ABOUT_EVENT,
                parameters=[
                    *of_event,
                    parameter("proposal", "query", of(Ref), "The proposal's id."),
                    *query(schemas, r.VotesList, "before", "limit"),
                ],
            )
        },
        f"{event}/turnout": {
            "get": operation(
                "listTurnout",
                first_line(r.TurnoutList),
                json_of(a.Turnout, first_line(a.Turnout)),
                _ABOUT_EVENT,
                parameters=of_event
                + query(schemas, r.TurnoutList, "proposal", "ballot", "before", "limit"),
            )
        },
        f"{event}/receipt": {
            "get": operation(
                "getBallotReceipt",
                first_line(r.BallotReceipt),
                json_of(a.Receipt, first_line(a.Receipt)),
                _ABOUT_EVENT,
                parameters=of_event,
            )
        },
        f"{event}/journal": {
            "get": operation(
                "readJournal",
                "The journal, for admins; `after` is the `next` of the page before.",
                json_of(a.Journal, first_line(a.Journal)),
                _ABOUT_EVENT,
                parameters=[
                    *of_event,
                    parameter("after", "query", of(Position), required=False),
                    parameter("limit", "query", of(PageSize), required=False),
                ],
            )
        },
        f"{event}/commands/{{id}}": {
            "get": operation(
                "getCommandStatus",
                "The state of one's own command.",
                json_of(a.Status, first_line(a.Status)),
                _COMMON,
                parameters=[*of_event, parameter("id", "path", of(CommandId))],
            )
        },
        f"{event}/stream": {
            "get": operation(
                "streamEvent",
                "The room as Server-Sent Events.",
                _stream(),
                _ABOUT_EVENT,
                parameters=[
                    *of_event,
                    parameter(
                        "Last-Event-ID",
                        "header",
                        {"type": "string"},
                        "The position to resume from: `<epoch>:<seq>`, the id of the last event.",
                        required=False,
                    ),
                ],
            )
        },
        **open_paths(),
    }


def _stream() -> dict[str, Any]:
    description = (
        "Each event has its message's type, the message as its data, and the position after it "
        "as its id. `snapshot` or `resumed` comes first, then `diff`, `you` and `presence`, and "
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
    return response(description, {"text/event-stream": {"schema": sent}})


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


def _query() -> dict[str, Any]:
    kinds = (kind for kind in r.REQUESTS if kind not in r.NOT_OVER_HTTP)
    schema = {"anyOf": [ref(kind) for kind in kinds]}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _replies() -> dict[str, Any]:
    kinds = (
        *(m.Welcome, m.Pong, a.Status, a.Events, a.Overview, a.PolicyPreview),
        *(a.Comments, a.Proposals, a.Members, a.Requests, a.Invitations, a.Votes),
        *(a.Turnout, a.Ballots, a.Receipt),
    )
    content = {"application/json": {"schema": {"anyOf": [ref(kind) for kind in kinds]}}}
    return response("The answer, with the `ref` of the query.", content)


def _error(status: int) -> dict[str, Any]:
    """Return the error response with ``status``, its codes and its headers."""
    codes = {code.value: rule.meaning for code, rule in ERRORS.items() if rule.http == status}
    description = "\n".join(f"- `{code}`: {meaning}" for code, meaning in codes.items())
    made = response(description, {"application/json": {"schema": ref(m.Error)}})
    if status == 401:
        made["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    if status in (429, 503):
        made["headers"] = {
            "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
        }
    return made


if __name__ == "__main__":
    sys.stdout.buffer.write(encode(document()))
