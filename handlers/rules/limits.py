"""By which limits an event is decided, and how the journal comes to say so.

The line whose answer carries ``limits`` was decided by them, and so was each line after it until
another one carries them. Three kinds of line do: the one that makes the event; the first one that
changes an event from before limits were recorded; and the server's own ``event.set_limits``, by
which an operator gives an event other limits.
"""

from __future__ import annotations

import msgspec

from handlers.rules.requests import hide_newest, number_requests, show_oldest
from handlers.rules.resolution import evaluate_all, move_floor
from handlers.step import Outcome, Step
from persistence.event.limits import DomainLimits, decode_limits, encode_limits
from persistence.event.records import Event
from protocol.commands import EventCommand


class EventSetLimits(EventCommand, tag="event.set_limits", kw_only=True):
    """The event is decided by ``limits`` from here on; the server's own, on an operator's word."""

    limits: msgspec.Raw
    """``DomainLimits`` to the letter, as the journal and the event's row keep them."""


def setting_limits(event: str, limits: DomainLimits) -> EventSetLimits:
    """The command that gives ``event`` its next limits.

    The id is made from their number: of two changes to the same limits one is decided, and the
    other one is an ``id_conflict``.
    """
    text = msgspec.Raw(encode_limits(limits).encode())
    return EventSetLimits(id=f"limits-{limits.version}", event=event, limits=text)


def adopt(step: Step) -> None:
    """Record the node's limits if the event has none yet."""
    if step.event.limits is None and (limits := step.to_record()) is not None:
        record(step, limits)


def record(step: Step, limits: str) -> None:
    """Decide by ``limits`` from this step on; what is too much for a window leaves it now.

    A wider window brings nothing back. Members who are shown stay shown: a room with too many of
    them shows nobody further.
    """
    before = step.event
    step.change_event(limits=limits)
    _see_to_requests(step, before)
    step.change_event(resolved_floor=move_floor(step, step.event.resolutions))
    # No more are shown than there are, so a small number spares reading them.
    if step.event.comments > (shown := step.limits.comments_shown):
        leaving = step.state.comments_shown()[:-shown]
        for comment in leaving:
            step.touch(comment)
            step.change_event(comment_floor=comment.number)


def _see_to_requests(step: Step, before: Event) -> None:
    """Number the requests if they were not; else move their window."""
    if before.requests is None:
        if step.limits.rules >= 3:
            number_requests(step)
        return
    show_oldest(step)
    if before.limits is not None:
        hide_newest(step, decode_limits(before.limits).requests_shown)


def set_limits(step: Step, command: EventSetLimits) -> Outcome:
    """Give the event ``command.limits``, which must be its next."""
    recorded = step.event.limits
    number = decode_limits(recorded).version if recorded is not None else 0
    text = bytes(command.limits).decode()
    version = decode_limits(text).version
    if version == number + 1:
        record(step, text)
        if step.limits.rules >= 3:
            # There may be room now for what waits for it.
            evaluate_all(step)
    return Outcome({"version": version}, applied=records_limits(step))


def records_limits(step: Step) -> bool:
    """Whether ``step`` is one whose line says by which limits it was decided."""
    before = step.event_before
    return step.event.limits is not (before.limits if before is not None else None)
