"""The server's own steps, which only the passing of time brings about.

A timer only submits a command. Whether it is due is decided here, under the lock, by the database's
clock. The steps are in the journal with the user ``''``, which no token can have. Their ids are
made from their cause, so that the timers of two nodes write one step.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from handlers.rules import schedule
from handlers.rules.auto_acceptance import in_time
from handlers.rules.erasing import EventErase, erase
from handlers.rules.limits import EventSetLimits, set_limits
from handlers.rules.resolution import close, evaluate
from handlers.step import Outcome, Step
from persistence.event.records import Proposal
from protocol.commands import Command, EventCommand
from protocol.fields import Ref

SERVER: Final = ""
"""The user of the server's own steps."""


class NotDue(Exception):
    """Raised if a timer comes too early or has nothing to do; nothing is written or remembered."""


class ProposalExpire(EventCommand, tag="proposal.expire", kw_only=True):
    """Close a proposal whose time is over; accept it if its votes decide at the close, and do."""

    proposal: Ref


class ProposalMature(EventCommand, tag="proposal.mature", kw_only=True):
    """Evaluate a proposal from the moment on at which votes may decide it."""

    proposal: Ref


class ScheduledStart(EventCommand, tag="event.start", kw_only=True):
    """Start an event whose ``starts_at`` has come."""


class ScheduledFinish(EventCommand, tag="event.finish", kw_only=True):
    """Finish an event whose ``ends_at`` has come."""


def start(event: str, at: datetime) -> ScheduledStart:
    """Return the command that starts ``event``, whose ``starts_at`` is ``at``."""
    return ScheduledStart(id=f"start-{_digits(at)}", event=event)


def end(event: str, at: datetime) -> ScheduledFinish:
    """Return the command that finishes ``event``, whose ``ends_at`` is ``at``."""
    return ScheduledFinish(id=f"finish-{_digits(at)}", event=event)


def _digits(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%S%fZ")


def expiry(event: str, proposal: str) -> ProposalExpire:
    """Return the command that closes ``proposal`` when its time is over."""
    return ProposalExpire(id=f"expire-{proposal}", event=event, proposal=proposal)


def maturity(event: str, proposal: str, revision: int) -> ProposalMature:
    """Return the command that evaluates ``proposal`` when votes may decide it."""
    return ProposalMature(id=f"open-{proposal}-{revision}", event=event, proposal=proposal)


def _expire(step: Step, command: ProposalExpire) -> Outcome:
    proposal = _pending(step, command.proposal)
    if proposal.expires_at is None or step.now < proposal.expires_at:
        raise NotDue
    if proposal.terms.decide == "close":
        decided = evaluate(step, proposal, closing=True)
        if decided.status != "pending":
            return Outcome({"status": decided.status})
    closed = close(step, proposal, status="rejected", resolution="expired")
    return Outcome({"status": closed.status})


def _mature(step: Step, command: ProposalMature) -> Outcome:
    proposal = _pending(step, command.proposal)
    if not in_time(proposal, step.now):
        raise NotDue
    looked_at = evaluate(step, proposal)
    if looked_at.status == "pending":
        raise NotDue
    return Outcome({"status": looked_at.status})


def _start(step: Step, command: ScheduledStart) -> Outcome:
    event = step.event
    if event.status != "not_started" or event.starts_at is None or step.now < event.starts_at:
        raise NotDue
    return schedule.lead(step, "start")


def _finish(step: Step, command: ScheduledFinish) -> Outcome:
    if step.event.status != "in_progress" or not schedule.is_over(step.event, step.now):
        raise NotDue
    return schedule.finish(step)


def _pending(step: Step, id: str) -> Proposal:
    proposal = step.state.proposal(id)
    if proposal is None or proposal.status != "pending" or step.event.status != "in_progress":
        raise NotDue
    return proposal


TIMERS: Final[dict[type[Command], Callable[[Step, Any], Outcome]]] = {
    ProposalExpire: _expire,
    ProposalMature: _mature,
    ScheduledStart: _start,
    ScheduledFinish: _finish,
    EventSetLimits: set_limits,
    EventErase: erase,
}
