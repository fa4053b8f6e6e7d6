"""The limits that decide an event, and how the journal records them.

An entry whose answer has ``limits`` was decided by them, and so was each entry after it until the
next one that has them. Three kinds of entry record limits:

- the one that creates the event;
- the first change of an event from before limits were recorded;
- the server's own ``event.set_limits``, by which an operator changes an event's limits.
"""

from __future__ import annotations

import msgspec

from handlers import views
from handlers.rules import invitations
from handlers.rules.requests import hide_newest, number_requests, show_oldest
from handlers.rules.resolution import evaluate_all, move_floor
from handlers.step import Outcome, Step
from persistence.event.limits import (
    FIXED_BALLOT_RULES,
    DomainLimits,
    decode_limits,
    encode_limits,
)
from persistence.event.records import Event
from protocol.commands import EventCommand


class EventSetLimits(EventCommand, tag="event.set_limits", kw_only=True):
    """Decide the event by ``limits`` from here on. The server's own command, for an operator."""

    limits: msgspec.Raw
    """``DomainLimits`` as JSON, exactly as the journal and the event's row keep them."""


def setting_limits(event: str, limits: DomainLimits) -> EventSetLimits:
    """Return the command that gives ``event`` its next limits.

    Its id comes from their number. Of two changes to the same limits one is decided, and the other
    one is an ``id_conflict``.
    """
    text = msgspec.Raw(encode_limits(limits).encode())
    return EventSetLimits(id=f"limits-{limits.version}", event=event, limits=text)


def adopt(step: Step) -> None:
    """Record the node's limits if the event has none yet."""
    if step.event.limits is None and (limits := step.to_record()) is not None:
        record(step, limits)


def record(step: Step, limits: str) -> None:
    """Decide by ``limits`` from this step on; records beyond a narrower window leave it now.

    A wider window brings no record back. Shown members stay shown; a room with too many shows no
    further ones.
    """
    before = step.event
    step.change_event(limits=limits)
    if before.status != "not_started" and _rules(before) < FIXED_BALLOT_RULES <= _rules(step.event):
        # Ballots may have been submitted, and cleared, under rules that did not note it.
        step.change_event(ballot_fixed=True)
    if views.shows_numbers(step.event) and not views.shows_numbers(before):
        _show_numbers(step)
    _see_to_requests(step, before)
    invitations.move_floor(step)
    step.change_event(resolved_floor=move_floor(step, step.event.resolutions))
    # The window never shows more than there are; if the total is small, it need not be read.
    if step.event.comments > (shown := step.limits.comments_shown):
        leaving = step.state.comments_shown()[:-shown]
        for comment in leaving:
            step.touch(comment)
            step.change_event(comment_floor=comment.number)


def _rules(event: Event) -> int:
    return decode_limits(event.limits).rules if event.limits is not None else 0


def _show_numbers(step: Step) -> None:
    """Have the rooms look at all that has a number: they show it from this step on."""
    event = step.event
    resolved = step.state.resolved(event.resolved_floor + 1, event.resolutions)
    for proposal in (*step.state.pending_proposals(), *resolved):
        step.touch(proposal)
    for comment in step.state.comments_shown():
        step.touch(comment)


def _see_to_requests(step: Step, before: Event) -> None:
    """Number the requests if they are not numbered yet; otherwise move their window."""
    if before.requests is None:
        if step.limits.rules >= 3:
            number_requests(step)
        return
    show_oldest(step)
    if before.limits is not None:
        hide_newest(step, decode_limits(before.limits).requests_shown)


def set_limits(step: Step, command: EventSetLimits) -> Outcome:
    """Give the event ``command.limits``, whose version must be the next one."""
    recorded = step.event.limits
    number = decode_limits(recorded).version if recorded is not None else 0
    text = bytes(command.limits).decode()
    version = decode_limits(text).version
    if version == number + 1:
        record(step, text)
        if step.limits.rules >= 3:
            # A proposal that waited for room may fit now.
            evaluate_all(step)
    return Outcome({"version": version}, applied=records_limits(step))


def records_limits(step: Step) -> bool:
    """Whether the entry of ``step`` records limits."""
    before = step.event_before
    if before is step.state.event_record:
        return False
    return step.event.limits is not (before.limits if before is not None else None)
