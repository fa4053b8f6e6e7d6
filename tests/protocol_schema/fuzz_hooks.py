"""Ids of existing records, which schemathesis gets in addition to the document.

By chance alone no request would find an event; every other request gets an existing one.
"""

from __future__ import annotations

import os
from typing import Any

import schemathesis

#: A running event, in which the token's user is an admin.
EVENT = os.environ["AYES_FUZZ_EVENT"]
_turns = {"path": 0, "body": 0}


def _turn(part: str) -> bool:
    _turns[part] += 1
    return _turns[part] % 2 == 0


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any]) -> dict[str, Any]:
    """An existing event; not for streams, which would not end."""
    if (
        path_parameters
        and "event" in path_parameters
        and not context.operation.path.endswith("/stream")
        and _turn("path")
    ):
        path_parameters["event"] = EVENT
    return path_parameters


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """An existing event, for commands."""
    if isinstance(body, dict) and isinstance(body.get("event"), str) and _turn("body"):
        body["event"] = EVENT
    return body
