"""The JSON Schema (2020-12) of every message, made from the types.

``python -m protocol.published.json_schema`` prints it with the default limits.
"""

from __future__ import annotations

import sys
from typing import Final

import orjson

from protocol import PROTOCOL_VERSION
from protocol.fields import TextLimits
from protocol.published.definitions import Schema, definitions

ABOUT: Final = """\
Every message of the protocol, by its `type`. A frame holds one message or an array of them, in \
both directions. Both sides ignore fields that they do not know. The `result` of the ack of a \
command is `<Command>Result`: that of `vote.cast` (`VoteCast`) is `VoteCastResult`. Texts are \
measured in code points, after NFC."""


def document(limits: TextLimits | None = None) -> Schema:
    """Return the whole schema, with the text limits of this server."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:ayes:protocol:{PROTOCOL_VERSION}",
        "title": f"Ayes wire protocol {PROTOCOL_VERSION}",
        "description": ABOUT,
        "oneOf": [{"$ref": "#/$defs/ClientMessage"}, {"$ref": "#/$defs/ServerMessage"}],
        "$defs": definitions(limits, "#/$defs/{name}"),
    }


def encode(made: Schema) -> bytes:
    """Encode a document as it is served and printed."""
    return orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    sys.stdout.buffer.write(encode(document()))
