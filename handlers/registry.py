"""Command → handler. A handler carries its own command: ``@handles(VoteCast)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from handlers.permissions import PERMISSIONS
from handlers.step import Outcome, Step
from protocol.commands import COMMANDS, Command

C = TypeVar("C", bound=Command)
Handler: TypeAlias = Callable[[Step, C], Outcome]

HANDLERS: dict[type[Command], Callable[[Step, Any], Outcome]] = {}


def handles(command: type[C]) -> Callable[[Handler[C]], Handler[C]]:
    """Register the decorated function as the handler of ``command``."""

    def register(handler: Handler[C]) -> Handler[C]:
        if command in HANDLERS:
            raise RuntimeError(f"{command.__name__} has two handlers")
        HANDLERS[command] = handler
        return handler

    return register


def load() -> None:
    """Import every handler, and check that commands, handlers and permissions are the same set.

    Called once at start; raises ``RuntimeError`` naming what is missing or too much.
    """
    # Imported here: the handlers themselves import this module.
    from handlers import ballots, comments, events, items, memberships, proposals, votes  # noqa: F401 - for what they register

    commands = set(COMMANDS)
    for name, table in (("handler", set(HANDLERS)), ("permission", set(PERMISSIONS))):
        if odd := commands ^ table:
            names = ", ".join(sorted(command.__name__ for command in odd))
            raise RuntimeError(f"commands and their {name}s differ: {names}")
