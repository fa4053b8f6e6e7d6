"""The fields of every command, and what can be asked of any command."""

from __future__ import annotations

import functools

import msgspec

from protocol.fields import CommandId, Moment, Ref, TraceParent


class Command(msgspec.Struct, kw_only=True, tag_field="type", omit_defaults=True):
    """The fields that all commands have.

    If the database's clock, read under the event's lock, is past ``not_after``, the answer is
    ``too_late`` and nothing happens. ``not_after`` is part of the command: the same id with another
    ``not_after`` is an ``id_conflict``.
    """

    id: CommandId
    not_after: Moment | None = None
    traceparent: TraceParent | None = None

    def check(self) -> None:
        """Raise ``bad_request`` if fields do not go together."""


class EventCommand(Command, kw_only=True):
    """A command to an existing event."""

    event: Ref


def event_of(command: Command) -> str | None:
    """The event that ``command`` names; ``None`` for the commands that find or make theirs."""
    # isinstance() on msgspec's classes, which are abstract base classes, costs ten times as much.
    event: str | None = getattr(command, "event", None)
    return event


def type_of(command: type[Command] | Command) -> str:
    """Return the ``type`` that a command has on the wire."""
    return _tag_of(command if isinstance(command, type) else type(command))


@functools.cache
def _tag_of(kind: type[Command]) -> str:
    tag = kind.__struct_config__.tag
    assert isinstance(tag, str)
    return tag
