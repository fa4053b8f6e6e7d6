"""Requests to join: numbered in their order, bounded, and shown to admins oldest first."""

from __future__ import annotations

from msgspec.structs import replace

from handlers.step import Step, too_many
from handlers.views import NUMBERED_RULES
from persistence.event.records import Membership


def put_request(step: Step, membership: Membership) -> None:
    """Put a pending ``membership`` last; raise ``limit_reached`` if there are too many."""
    event = step.event
    if step.limits.rules >= NUMBERED_RULES:
        membership = replace(membership, request_seq=step.seq)
    if event.requests is None or event.requests_made is None:
        step.put(membership)
        return
    most = event.max_members + step.limits.requests
    if event.requests >= most:
        raise too_many("requests", most, "requests to join")
    number = event.requests_made + 1
    step.change_event(requests_made=number)
    step.put(replace(membership, request_no=number))
    show_oldest(step)


def asked_by(request: Membership, upto: int | None) -> bool:
    """Whether ``request`` stood at position ``upto``, if one is given.

    One without a position is from before requests had any, so it was asked before.
    """
    return upto is None or request.request_seq is None or request.request_seq <= upto


def number_requests(step: Step) -> None:
    """Number the requests of an event from before they were numbered."""
    waiting = step.state.waiting()
    step.change_event(requests=0, requests_made=len(waiting))
    for number, membership in enumerate(waiting, 1):
        step.put(replace(membership, request_no=number))
    show_oldest(step)


def show_oldest(step: Step) -> None:
    """Move the window of requests to the oldest ones; entries and exits are in the diff.

    Call it after the step has put all its requests: each decided request brings in the next one.
    """
    event = step.event
    if event.requests is None:
        return
    previous, shown = event.request_ceiling, step.limits.requests_shown
    oldest = step.state.oldest_requests(shown)
    # The count can be too high; see ``EventState.requests``.
    ceiling = oldest[-1].request_no if oldest and event.requests > shown else None
    if ceiling == previous:
        return
    step.change_event(request_ceiling=ceiling)
    if previous is not None:
        for membership in reversed(oldest):
            if (membership.request_no or 0) <= previous:
                break
            step.touch(membership)


def hide_newest(step: Step, shown: int) -> None:
    """Remove from the window the requests beyond its new end; it showed ``shown`` before."""
    ceiling = step.event.request_ceiling
    if ceiling is not None:
        for membership in step.state.oldest_requests(shown):
            if (membership.request_no or 0) > ceiling:
                step.touch(membership)
