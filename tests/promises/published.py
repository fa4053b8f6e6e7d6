"""Messages held against the published types."""

from __future__ import annotations

from typing import Any

import msgspec

from protocol.messages import Error, ErrorDetails


def error_problems(message: dict[str, Any]) -> list[str]:
    """The fields of an ``error`` that its type does not name, or names otherwise."""
    unnamed = sorted(set(message["details"]) - set(ErrorDetails.__struct_fields__))
    try:
        msgspec.convert(message, Error)
    except msgspec.ValidationError as err:
        return [*unnamed, str(err)]
    return unnamed
