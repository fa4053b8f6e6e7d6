"""Which pending proposals a policy would accept: the step is taken, and thrown away."""

from __future__ import annotations

from handlers.resolution import look_at_all
from handlers.step import Actor, Step
from persistence import loading
from persistence.database import Database
from persistence.limits import DomainLimits
from persistence.state import Missing, Need
from protocol.errors import ErrorCode, Refusal
from protocol.policy import PolicyPatch, merge_policy

#: Rounds of asking for what is missing; more is a defect.
_MOST_QUESTIONS = 10_000


async def would_accept(
    database: Database, event_id: str, actor: Actor, patch: PolicyPatch, limits: DomainLimits
) -> list[str]:
    """Ids of the pending proposals that ``patch`` on the policy would accept now, in order.

    Raises ``Refusal`` for who is no accepted member.
    """
    async with database.snapshot() as connection:
        state = await loading.load(connection, event_id)
        if state.event_record is None:
            raise Refusal(ErrorCode.NOT_FOUND, details={"path": "event"})
        await loading.fetch(connection, state, {Need("membership", (actor.user,))})
        own = state.membership(actor.user)
        if own is None:
            raise Refusal(ErrorCode.NOT_FOUND, details={"path": "event"})
        if own.status != "accepted":
            raise Refusal(ErrorCode.NOT_A_MEMBER, details={"status": own.status})
        policy = merge_policy(state.event.policy, patch)
        now = await connection.fetchval("SELECT clock_timestamp()")
        for _ in range(_MOST_QUESTIONS):
            step = Step(
                state,
                actor=actor,
                command_id="preview",
                now=now,
                limits=limits,
                entropy=bytes(32),
            )
            try:
                step.change_event(policy=policy)
                return look_at_all(step)
            except Missing as missing:
                step.undo()
                await loading.fetch(connection, state, missing.needs)
    raise RuntimeError("a preview asked for too much")
