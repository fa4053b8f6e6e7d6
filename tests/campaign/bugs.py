"""Bugs to plant in a node, one at a time, to prove that the checker finds each.

They are patches on the running server's functions, made by ``tests.campaign.node`` before it
serves; the server has no switch for any of them.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec

import handlers.lanes.lane
from handlers.lanes import deadlines, decide
from handlers.lanes.alone import AloneRunner
from handlers.lanes.batch_end import BatchEnd
from handlers.lanes.decide import Submission
from handlers.lanes.lane import Batch
from handlers.rules import auto_acceptance, permissions, resolution, timers
from persistence.database import statements
from persistence.database.pool import Database
from persistence.journal import chain
from persistence.journal.transaction import Free, Transaction
from persistence.queries import event_reads
from protocol.errors import ErrorCode, RetryableError
from server.homes.counts import LocalCause
from server.homes.homes import Homes
from server.homes.outgoing import Outbound
from server.homes.routes import Route
from server.rooms.filling import Filler
from server.rooms.subscription import Subscription

#: How long before the lock the lookup is made that belongs under the lock.
EARLIER = timedelta(seconds=0.1)
#: Longest that a torn snapshot waits, between its two reads, for a commit.
TORN_SECONDS = 2.0
TORN_LOOK_SECONDS = 0.01
#: One diff in so many is dropped.
DROPPED = 50

COMMIT_LOST = "COMMIT cut before it goes out"
ANSWER_LOST = "COMMIT cut before its answer"
FROZEN = "PostgreSQL frozen"
PAUSED = "node paused"


class Bug(NamedTuple):
    """The patches of a bug, the invariants it breaks, and the faults it needs to show."""

    plant: Callable[[], None]
    breaks: frozenset[int]
    faults: tuple[str, ...] = ()
    policy: tuple[tuple[str, Any], ...] = ()
    """In addition to the events' usual policy."""
    deletions: int = 0
    """Events that an operator deletes in its rounds."""


BUGS: dict[str, Bug] = {}


def bug(
    name: str, *breaks: int, faults: Sequence[str] = (), deletions: int = 0, **policy: Any
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a bug under its name."""

    def enter(plant: Callable[[], None]) -> Callable[[], None]:
        more = tuple(faults), tuple(policy.items()), deletions
        BUGS[name] = Bug(plant, frozenset(breaks), *more)
        return plant

    return enter


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replace an attribute by ``make(its value)``."""
    setattr(owner, name, make(getattr(owner, name)))


@bug("ack before commit", 1, 2, faults=[COMMIT_LOST] * 6)
def _ack_before_commit() -> None:
    def early(self: Batch) -> None:
        for submission in self.submissions:
            submission.commit_attempted |= submission.key in self._decided
        for submission, answer in self.answers:
            submission.reply(submission, answer)
        self.answers = []

    replace(Batch, "committing", lambda _: early)


@bug("publish before commit", 7, 8, 9, faults=[COMMIT_LOST] * 6)
def _publish_before_commit() -> None:
    def early(commit: Any) -> Any:
        async def wrapped(
            self: BatchEnd, transaction: Transaction, batches: Sequence[Batch], started: float
        ) -> None:
            for batch in batches:
                if batch.steps and batch._state is not None:
                    self.rooms.publish(batch.event_id, batch._state.epoch, batch.steps, started)
            await commit(self, transaction, batches, started)

        return wrapped

    replace(BatchEnd, "commit", early)


@bug("look-up outside the lock", 1, 2, 4)
def _lookup_outside_the_lock() -> None:
    def before(look: Any) -> Any:
        async def wrapped(self: Transaction, *asked: Any) -> Any:
            *locked, now, known = await look(self, *asked)
            keys = asked[-1]
            rows = await self._connection.fetch(
                "SELECT event_id, user_id, command_id FROM journal WHERE event_id = ANY($1)"
                " AND at > $2",
                [event for event, _ in keys],
                now - EARLIER,
            )
            for row in rows:
                known.pop((row["event_id"], (row["user_id"], row["command_id"])), None)
            return Free(locked[0], now, known) if locked else (now, known)

        return wrapped

    def lenient(put: Any) -> Any:
        def wrapped(table: Any, **options: Any) -> Any:
            made = put(table, **options)
            return made.on_conflict_do_nothing() if table.name == "journal" else made

        return wrapped

    replace(Transaction, "clock_and_remembered", before)
    replace(Transaction, "lock_free", before)
    replace(statements, "_put", lenient)


@bug("seq from a sequence", 4, faults=[COMMIT_LOST] * 4)
def _seq_from_a_sequence() -> None:
    def skipping(current: Any) -> Any:
        async def wrapped(self: Any, transaction: Transaction, position: Any) -> Any:
            state = await current(self, transaction, position)
            if getattr(self, "tried", False):
                state.seq += 1  # the number of the try before is gone
            self.tried = True
            return state

        return wrapped

    replace(Batch, "_current", skipping)


@bug("tally not read again", 5)
def _tally_not_read_again() -> None:
    def keeping(current: Any) -> Any:
        async def wrapped(self: Any, transaction: Transaction, position: Any) -> Any:
            held = self.lane.state
            if held is None or position is None or held.event_record is None:
                return await current(self, transaction, position)
            held.seq, held.hash = position.seq, position.hash
            return held

        return wrapped

    replace(Batch, "_current", keeping)


_filling: ContextVar[bool] = ContextVar("filling", default=False)


@bug("gap repair off by one", 8)
def _gap_repair_off_by_one() -> None:
    def marking(fill: Any) -> Any:
        async def wrapped(self: Filler, room: Any) -> None:
            _filling.set(True)
            await fill(self, room)

        return wrapped

    def skipping(steps: Any) -> Any:
        async def wrapped(*arguments: Any, **bounds: Any) -> Any:
            found = await steps(*arguments, **bounds)
            if _filling.get() and found:
                found[0] = found[0]._replace(patches="{}")
            return found

        return wrapped

    replace(Filler, "fill_from_journal", marking)
    replace(event_reads, "steps", skipping)


@bug("fingerprint ignored", 2)
def _fingerprint_ignored() -> None:
    def trusting(replay: Any) -> Any:
        def wrapped(state: Any, submission: Any, known: Any, *, first: bool) -> Any:
            same = chain.digest(known.salt, b"payload", submission.payload)
            known = msgspec.structs.replace(known, fingerprint=same)
            return replay(state, submission, known, first=first)

        return wrapped

    replace(handlers.lanes.lane, "replay", trusting)


@bug("replay not marked as one", 2)
def _replay_not_told_as_one() -> None:
    def forgetful(replay: Any) -> Any:
        def wrapped(state: Any, submission: Any, known: Any, *, first: bool) -> Any:
            return replay(state, submission, known, first=True)

        return wrapped

    replace(handlers.lanes.lane, "replay", forgetful)


@bug("snapshot outside one read", 7, 8)
def _snapshot_outside_one_read() -> None:
    # The rows first, the position later. The other order heals by itself: steps are absolute.
    def torn(room: Any) -> Any:
        async def wrapped(database: Database, event_id: str, **options: Any) -> Any:
            state = await room(database, event_id, **options)
            first = state.seq
            deadline = time.monotonic() + TORN_SECONDS
            while state.seq == first and time.monotonic() < deadline:
                await asyncio.sleep(TORN_LOOK_SECONDS)
                (top,) = await event_reads.positions(database, [event_id])
                state.seq = top.seq
            return state

        return wrapped

    replace(event_reads, "room", torn)


# Frozen, so that a round outlasts what its proposals are given.
@bug("expiry not enforced", 5, faults=[FROZEN] * 3, ttl_seconds=1)
def _expiry_not_enforced() -> None:
    def late(proposal: Any, now: Any) -> bool:
        return proposal.opens_at is None or now >= proposal.opens_at

    replace(auto_acceptance, "in_time", lambda _: late)
    replace(timers, "in_time", lambda _: late)


@bug("refusal not remembered", 10)
def _refusal_not_remembered() -> None:
    def forgetting(refused: Any) -> Any:
        def wrapped(*arguments: Any) -> Any:
            return msgspec.structs.replace(refused(*arguments), entry=None)

        return wrapped

    replace(decide, "_refused", forgetting)


@bug("retried batch keeps its first answers", 1, 2, faults=[COMMIT_LOST] * 6)
def _retried_batch_keeps_its_first_answers() -> None:
    def stubborn(work: Any) -> Any:
        async def wrapped(self: Any, *arguments: Any) -> None:
            first = getattr(self, "first_answers", None)
            await work(self, *arguments)
            if first is None:
                self.first_answers = list(self.answers)
            else:
                self.answers = first

        return wrapped

    replace(Batch, "decide", stubborn)


@bug("diff dropped", 8)
def _diff_dropped() -> None:
    calls = itertools.count(1)

    def losing(pull: Any) -> Any:
        def wrapped(self: Subscription) -> None:
            if self.live and self.seq != self.room.seq and next(calls) % DROPPED == 0:
                self.seq = self.room.seq
            pull(self)

        return wrapped

    replace(Subscription, "pull", losing)


@bug("hash not chained", 1)
def _hash_not_chained() -> None:
    def alone(seal: Any) -> Any:
        @functools.wraps(seal)
        def wrapped(previous: bytes, **parts: Any) -> Any:
            return seal(bytes(32), **parts)

        return wrapped

    replace(chain, "seal", alone)


@bug("membership not checked under the lock", 5, 13)
def _membership_not_checked() -> None:
    def trusting(check: Any) -> Any:
        def wrapped(step: Any, command: Any) -> None:
            own = step.state.membership(step.user)
            if own is None or own.status == "accepted":
                check(step, command)

        return wrapped

    replace(permissions, "check", trusting)


@bug("rivals not made stale", 5, 7, 8)
def _rivals_not_made_stale() -> None:
    replace(resolution, "_make_stale", lambda _: lambda step, proposal: None)


@bug("a removed member still gets messages", 8, 13)
def _who_is_removed_goes_on_hearing() -> None:
    replace(Subscription, "_membership_changed", lambda _: lambda self, membership: None)


@bug("a lost answer taken for no effect", 3, faults=[ANSWER_LOST] * 6)
def _a_lost_answer_taken_for_no_effect() -> None:
    def giving_up(alone: Any) -> Any:
        async def wrapped(self: AloneRunner, batch: Batch, fault: Any) -> None:
            if not any(submission.commit_attempted for submission in batch.submissions):
                await alone(self, batch, fault)
                return
            err = RetryableError(ErrorCode.BUSY, retry_after_ms=deadlines.BUSY_RETRY_DELAY_MS)
            self._end.reject(batch.submissions, err)
            batch.lane.state = None
            self._release(batch.lane)

        return wrapped

    replace(AloneRunner, "run", giving_up)


@bug("a forward decided twice", 2, 3)
def _a_forward_decided_twice() -> None:
    def doubling(dispatch: Any) -> Any:
        def wrapped(self: Homes, route: Route, submission: Submission) -> None:
            dispatch(self, route, submission)
            if route.target is None or submission.expires is None:
                return
            again = msgspec.structs.replace(submission.command, id=f"{submission.command.id}-2")
            self._lanes.submit(
                route.event,
                Submission(
                    again,
                    submission.actor,
                    entropy=bytes(reversed(submission.entropy)),
                    reply=lambda submission, answer: None,
                    expires=submission.expires,
                ),
            )

        return wrapped

    replace(Homes, "_dispatch", doubling)


@bug("a forward taken back for no effect", 3, faults=[PAUSED] * 8)
def _a_forward_taken_back_for_no_effect() -> None:
    def giving_up(self: Homes, taken_back: Iterable[Outbound], cause: LocalCause) -> None:
        for outbound in taken_back:
            route = outbound.route
            route.outgoing -= 1
            route.target = None
            # Its home may have decided it, or yet do so.
            err = RetryableError(ErrorCode.BUSY, retry_after_ms=deadlines.BUSY_RETRY_DELAY_MS)
            outbound.submission.respond(decide.failed(outbound.submission, err))
            self._resume(route)

    replace(Homes, "_decide_here", lambda _: giving_up)
