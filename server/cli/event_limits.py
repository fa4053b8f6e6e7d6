"""``ayes limits``: shows and changes the limits by which an event is decided."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

import orjson
from msgspec.structs import replace

from handlers.commands import registry
from handlers.lanes.decide import Answer, StepRecord, Submission
from handlers.lanes.lanes import Lanes
from handlers.rules.limits import setting_limits
from handlers.rules.timers import SERVER
from handlers.step import Actor
from persistence.database.pool import Database
from persistence.event.limits import RULES, SETTABLE, DomainLimits, decode_limits
from persistence.journal import audit
from server.cli.audit import AuditError
from server.services.entropy import entropy

#: Seconds to wait for a change's answer; then the command fails. Longer than a lane's own budget.
DECISION_TIMEOUT_S = 30.0

#: Makes an event's new limits of its present ones.
Change = Callable[[DomainLimits], DomainLimits]


class _NoRooms:
    """No rooms: this process has no subscribers. A server's sweep finds the step."""

    def publish(
        self, event_id: str, epoch: str, steps: Sequence[StepRecord], committed_at: float
    ) -> None:
        """Do nothing."""

    def request_resync(self, event_id: str) -> None:
        """Do nothing."""


async def recorded(database: Database, event_id: str) -> DomainLimits | None:
    """Return an event's recorded limits, or ``None``. Raises ``AuditError`` without an event."""
    event = await audit.event_row(database, event_id)
    if event is None:
        raise AuditError(f"there is no event {event_id}")
    return decode_limits(event.limits) if event.limits is not None else None


def described(event_id: str, limits: DomainLimits | None, here: DomainLimits) -> Iterator[str]:
    """Yield an event's limits as lines, with the settings ``here`` if they differ."""
    if limits is None:
        yield f"{event_id}: no limits are recorded; the next change to it records the server's"
        return
    yield f"{event_id}: limits {limits.version}, rules {limits.rules}"
    for name in SETTABLE:
        value, ours = getattr(limits, name), getattr(here, name)
        yield f"  {name} {value}" + (f" (settings here: {ours})" if ours != value else "")


async def change(
    database: Database, event_id: str, wanted: Change, here: DomainLimits
) -> DomainLimits | None:
    """Change an event's limits by ``wanted``; return the new ones, or ``None`` if unchanged.

    For an event without recorded limits, ``wanted`` is applied to ``here``. The change is a step of
    the server in the event's journal. Raises ``AuditError``.
    """
    recorded_limits = await recorded(database, event_id)
    if recorded_limits is not None and recorded_limits.rules > RULES:
        raise AuditError(f"event {event_id} is decided by a newer version's rules; use that one")
    version = recorded_limits.version if recorded_limits else 0
    new = replace(wanted(recorded_limits or here), version=version, rules=RULES)
    if new == recorded_limits:
        return None
    new = replace(new, version=new.version + 1)
    answer = await _decide(database, event_id, new)
    result = orjson.loads(answer.message)
    if answer.error is not None or not result["applied"]:
        why = result.get("message", "its limits were changed meanwhile")
        raise AuditError(f"event {event_id}: {why}; look again")
    return new


async def _decide(database: Database, event_id: str, limits: DomainLimits) -> Answer:
    registry.check()
    lanes = Lanes(database, _NoRooms(), limits)
    heard: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    submission = Submission(
        setting_limits(event_id, limits),
        Actor(SERVER, SERVER),
        entropy=entropy(),
        reply=lambda _, answer: heard.set_result(answer),
    )
    lanes.submit(event_id, submission)
    try:
        async with asyncio.timeout(DECISION_TIMEOUT_S):
            answer = await heard
            await lanes.drained()
    except TimeoutError:
        raise AuditError(f"event {event_id}: no answer came; try again") from None
    return answer


def setting(values: dict[str, int]) -> Change:
    """Return the change that sets ``values`` and keeps the other limits."""
    return lambda limits: replace(limits, **values)


def adopting(here: DomainLimits) -> Change:
    """Return the change to all limits of ``here``."""
    values = {name: getattr(here, name) for name in SETTABLE}
    return lambda limits: replace(limits, **values)
