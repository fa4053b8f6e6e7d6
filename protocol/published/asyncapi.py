"""The socket as an AsyncAPI 3.0 document, made from the types.

``python -m protocol.published.asyncapi`` prints it with the default limits.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from protocol import PROTOCOL_VERSION, SUBPROTOCOL
from protocol import messages as m
from protocol import replies as a
from protocol import requests as r
from protocol.closes import CLOSES
from protocol.commands import COMMANDS
from protocol.fields import TextLimits
from protocol.published.definitions import Schema, Struct, definitions, first_line
from protocol.published.json_schema import encode
from protocol.results import RESULTS

#: Request → the messages that answer it, in addition to ``error``.
REPLIES: Final[dict[type[r.Request], tuple[type[m.Said], ...]]] = {
    r.Hello: (m.Welcome,),
    r.Auth: (m.Authenticated,),
    r.Ping: (m.Pong,),
    r.Subscribe: (m.Snapshot, m.Resumed),
    r.Unsubscribe: (m.Unsubscribed,),
    r.CommandStatus: (a.Status,),
    r.EventsList: (a.Events,),
    r.EventOverview: (a.Overview,),
    r.EventPreviewPolicy: (a.PolicyPreview,),
    r.CommentsList: (a.Comments,),
    r.ProposalsList: (a.Proposals,),
    r.MembersList: (a.Members,),
    r.RequestsList: (a.Requests,),
    r.InvitationsList: (a.Invitations,),
    r.BallotsList: (a.Ballots,),
    r.BallotReceipt: (a.Receipt,),
    r.VotesList: (a.Votes,),
    r.TurnoutList: (a.Turnout,),
}
assert REPLIES.keys() == set(r.REQUESTS)

#: Messages that are not answers; ``resumed`` also follows a ``hello`` that names rooms.
PUSHED: Final[tuple[type[m.Said], ...]] = (
    m.Heartbeat,
    m.Bye,
    m.Snapshot,
    m.Resumed,
    m.Diff,
    m.OwnDiff,
    m.Presence,
    m.Unsubscribed,
    m.Error,
)
SAID: Final = tuple(kind for kind in a.MESSAGES if kind is not a.Journal)
HEARD: Final[tuple[Struct, ...]] = (*COMMANDS, *r.REQUESTS)

_CHANNEL: Final = "socket"
_ABOUT: Final = """\
A realtime decision server. Operations are named from the server's side: it *receives* the \
messages of clients and *sends* its own. A frame is text and holds one message, or an array of \
them. `hello` comes first. Every command is answered by one `ack` or one `error` with its `id`, \
every request by one reply or one `error` with its `ref`."""


def document(limits: TextLimits | None = None) -> dict[str, Any]:
    """Return the whole document, with the text limits of this server."""
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:ayes:socket:{PROTOCOL_VERSION}",
        "info": {
            "title": "Ayes",
            "version": PROTOCOL_VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "server": {
                "host": "{address}",
                "protocol": "ws",
                "description": "Behind TLS, `wss`.",
                "variables": {"address": {"default": "127.0.0.1:8400"}},
                "security": [{"$ref": "#/components/securitySchemes/bearer"}],
            }
        },
        "channels": {_CHANNEL: _channel()},
        "operations": {**_asked(), **_pushed()},
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in (*HEARD, *SAID)},
            "schemas": {
                name: _draft_7(_without_cases(schema))
                for name, schema in definitions(limits, "#/components/schemas/{name}").items()
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A JWT. Browsers put it into `hello.token`; others may send it "
                    "with the upgrade, as `Authorization: Bearer`. It never rides in the URL.",
                }
            },
        },
    }


def _without_cases(schema: Schema) -> Schema:
    """Return ``schema`` without cases that narrow its own properties, as those of ``Error`` do.

    Generators give the properties that the cases share the type of the first one. Which codes have
    which effect stands in the description of each code.
    """
    cases = schema.get("oneOf", ())
    is_narrowed = "properties" in schema and all("required" not in case for case in cases)
    return {key: value for key, value in schema.items() if key != "oneOf" or not is_narrowed}


def _channel() -> dict[str, Any]:
    closes = "\n".join(f"| {int(code)} | {meaning} |" for code, meaning in CLOSES.items())
    return {
        "address": "/v1/socket",
        "title": "The socket",
        "description": f"WebSocket, sub-protocol `{SUBPROTOCOL}`. The server accepts every "
        "upgrade, even to refuse it by a close code. The code's range says what to do: 4000-4499 "
        "reconnect with full jitter and resume, 4500-4999 stop.\n\n"
        f"| code | meaning |\n| --- | --- |\n{closes}",
        "messages": {
            kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"}
            for kind in (*HEARD, *SAID)
        },
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
        "x-close-codes": {str(int(code)): meaning for code, meaning in CLOSES.items()},
    }


def _asked() -> dict[str, Any]:
    """Return an operation for each message that clients send, with its answers."""
    made = {kind.__name__: _receives(kind, (m.Ack, m.Error)) for kind in COMMANDS}
    for kind, answers in REPLIES.items():
        made[kind.__name__] = _receives(kind, (*answers, m.Error))
    return made


def _receives(kind: Struct, answers: tuple[type[m.Said], ...]) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{_CHANNEL}"},
        "summary": first_line(kind),
        "messages": [_in_channel(kind)],
        "reply": {
            "channel": {"$ref": f"#/channels/{_CHANNEL}"},
            "messages": [_in_channel(answer) for answer in answers],
        },
    }


def _pushed() -> dict[str, Any]:
    return {
        f"send{kind.__name__}": {
            "action": "send",
            "channel": {"$ref": f"#/channels/{_CHANNEL}"},
            "summary": first_line(kind),
            "messages": [_in_channel(kind)],
        }
        for kind in PUSHED
    }


def _message(kind: Struct) -> dict[str, Any]:
    tag = str(kind.__struct_config__.tag)
    made = {
        "name": tag,
        "title": tag,
        "summary": first_line(kind),
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }
    if kind in RESULTS:
        result = RESULTS[kind].__name__
        made["description"] = f"The `result` of its ack is `{result}`."
    return made


def _in_channel(kind: Struct) -> dict[str, str]:
    return {"$ref": f"#/channels/{_CHANNEL}/messages/{kind.__name__}"}


def _draft_7(schema: Any) -> Any:
    """Return ``schema`` in JSON Schema draft 7, on which AsyncAPI's own dialect is built."""
    if isinstance(schema, list):
        return [_draft_7(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    made: Schema = {key: _draft_7(value) for key, value in schema.items()}
    if "prefixItems" in made:
        made["additionalItems"] = made.pop("items")
        made["items"] = made.pop("prefixItems")
    if "$ref" in made and len(made) > 1:
        # Draft 7 ignores all keywords next to a reference.
        made = {"allOf": [{"$ref": made.pop("$ref")}], **made}
    return made


if __name__ == "__main__":
    sys.stdout.buffer.write(encode(document()))
