"""``not_after`` of a command, as a field that the server reads."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime

from ayes_client._wire.moments import text_of
from ayes_client.command import Command
from ayes_client.errors import BadRequest


def with_deadline(command: Command, now: float) -> Command:
    """Return ``command``, given at ``now``, with its ``not_after`` among its fields.

    Raises ``BadRequest`` if that is neither a time with a zone nor a number of seconds.
    """
    moment = command.not_after
    if moment is None:
        return command
    try:
        if not isinstance(moment, datetime):
            if not 0 <= moment < math.inf:
                raise ValueError("it must not be negative")
            moment = datetime.fromtimestamp(now + moment, UTC)
        elif moment.tzinfo is None:
            raise ValueError("it has no zone")
        args = {**command.args, "not_after": text_of(moment)}
    except (ValueError, OverflowError, OSError, TypeError) as err:
        why = f"not_after is a time with a zone, or seconds: {err}"
        details = {"path": "not_after"}
        raise BadRequest(why, id=command.id, event=command.event, details=details) from None
    return dataclasses.replace(command, args=args, not_after=None)


def same(first: Command, second: Command, *, but_for_deadline: bool = False) -> bool:
    """Return whether two commands ask for the same. Their traces may differ.

    ``but_for_deadline``: their ``not_after`` and ``once`` may differ too.
    """
    ignored = {"traceparent", "not_after"} if but_for_deadline else {"traceparent"}
    if but_for_deadline:
        first = dataclasses.replace(first, not_after=None, once=False)
        second = dataclasses.replace(second, not_after=None, once=False)
    return _without(first, ignored) == _without(second, ignored)


def _without(command: Command, ignored: set[str]) -> Command:
    args = {name: value for name, value in command.args.items() if name not in ignored}
    return dataclasses.replace(command, args=args)
