"""The server's own step that shows the rooms what an operator erased.

The words themselves are taken out of the journal and the tables (``handlers/proof/erasure.py``), in
the same transaction. Decided again, this step finds the placeholders in the state, and its patches
say them once more: clients that knew the words fold the placeholders over them.
"""

from __future__ import annotations

from handlers.step import Outcome, Record, Step
from protocol.commands import EventCommand


class EventErase(EventCommand, tag="event.erase", kw_only=True):
    """Show that the words of ``user`` were erased. The server's own command, for an operator."""

    user: str
    shown: dict[str, list[str]]
    """Table → ids of the records with erased words that rooms show now."""


def erasing(event: str, seq: int, user: str, shown: dict[str, list[str]]) -> EventErase:
    """Return the command that shows an erasure, as the step ``seq`` of ``event``."""
    return EventErase(id=f"erasure-{seq}", event=event, user=user, shown=shown)


def erase(step: Step, command: EventErase) -> Outcome:
    """Have the rooms show again the words of the records that ``command`` names."""
    for table, ids in command.shown.items():
        for id in ids:
            if (record := _found(step, table, id)) is not None:
                step.retell(record)
    return Outcome({"user": command.user})


def _found(step: Step, table: str, id: str) -> Record | None:
    state = step.state
    match table:
        case "memberships":
            return state.membership(id)
        case "items":
            return state.item(id)
        case "proposals":
            return state.proposal(id)
        case "comments":
            return state.comment(id)
        case "invitations":
            return state.invitation(id)
    raise AssertionError(f"no words are in {table}")
