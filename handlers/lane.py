"""Lanes: one queue and one task per event and process, and group commit.

While one transaction commits, the next commands gather; the lane then takes all that wait, locks
the event once, decides them one after another in memory, writes them together, commits once, and
answers each on its own. Alone, a command waits for nobody; under load the batches grow by
themselves. There is no timer that waits for a batch to fill.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from handlers.decide import Answer, StepRecord, Submission, decide, failed, remembered, replay
from handlers.foresight import needs_of
from handlers.step import DomainLimits
from persistence.database import Database
from persistence.faults import Fault, fault_of
from persistence.state import EventState, Missing
from persistence.transaction import CommandKey, EventTransaction, Line, Position
from protocol.errors import ErrorCode, Rejection

log = logging.getLogger("ayes.lane")

#: Commands of one transaction. More gain little (the commit is shared by hundreds already) and
#: keep the event loop from everybody else for longer than a frame of a screen.
LONGEST_BATCH = 256
#: Commands that may wait for one event on this node; beyond that ``busy``.
LONGEST_QUEUE = 20_000
#: Time in which a batch is tried again; then ``busy``, ``overloaded`` or ``commit_unknown``.
BUDGET = 5.0
#: First and longest wait between two tries, both drawn with full jitter.
FIRST_DELAY = 0.05
LONGEST_DELAY = 0.5
#: Records one lane may keep between batches; a larger state is read anew.
MOST_RECORDS = 200_000
#: Lanes kept with their state though nothing waits in them.
MOST_IDLE_LANES = 4_096
#: What a client is asked to wait after ``busy`` or ``overloaded``.
RETRY_AFTER_MS = 500
#: Sets a command may ask for one after another; more is a defect, not a need.
MOST_QUESTIONS = 10_000


class Rooms(Protocol):
    """Where accepted steps go once they are durable and answered."""

    def publish(self, event_id: str, epoch: str, steps: Sequence[StepRecord]) -> None:
        """Tell the rooms; must not raise, nor wait."""

    def suspect(self, event_id: str) -> None:
        """Something was committed that could not be published: look at the journal."""


class Batch(NamedTuple):
    """What one transaction decided."""

    answers: list[tuple[Submission, Answer]]
    steps: list[StepRecord]
    epoch: str
    recovered: bool
    """Whether answers were found that an earlier, broken COMMIT had left."""


class Lane:
    """The commands of one event on this node."""

    def __init__(self, event_id: str, lanes: Lanes) -> None:
        self.event_id = event_id
        self.queue: deque[Submission] = deque()
        self.running: list[Submission] = []
        self.state: EventState | None = None
        self._lanes = lanes
        self.task: asyncio.Task[None] | None = None

    def holds(self, key: CommandKey) -> bool:
        """Whether a command of this key waits or is being decided."""
        return any(s.key == key for s in self.running) or any(s.key == key for s in self.queue)

    async def run(self) -> None:
        """Work until nothing waits."""
        while self.queue:
            longest = min(len(self.queue), LONGEST_BATCH)
            self.running = [self.queue.popleft() for _ in range(longest)]
            try:
                await self._settle(self.running)
            except Exception:
                # A reply that raises, or a defect: this batch's, never the next one's.
                log.exception("event %s: a batch failed", self.event_id)
                self.state = None
            self.running = []
        self.task = None

    async def _settle(self, batch: list[Submission]) -> None:
        """Answer every command of ``batch``, whatever happens."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + BUDGET
        delay = FIRST_DELAY
        fault: Fault | None = None
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    done = await self._attempt(batch)
            except Exception as err:
                # What it holds may be half of what was not committed.
                self.state = None
                # The end of the budget, while another try waited for the lock, is no lost link.
                if not (fault is Fault.LOCKED and isinstance(err, TimeoutError)):
                    fault = fault_of(err)
                if fault is None or fault is Fault.REFUSED:
                    await self._divide(batch, err)
                    return
                pause = random.uniform(0, delay)  # noqa: S311 - jitter
                if loop.time() + pause >= deadline:
                    log.warning("event %s: gave up on %d: %r", self.event_id, len(batch), err)
                    self._give_up(batch, fault)
                    return
                log.info("event %s: trying again after %r", self.event_id, err)
                await asyncio.sleep(pause)
                delay = min(delay * 2, LONGEST_DELAY)
            else:
                break
        for submission, answer in done.answers:
            submission.reply(submission, answer)
        if done.steps:
            self._lanes.rooms.publish(self.event_id, done.epoch, done.steps)
        if done.recovered:
            self._lanes.rooms.suspect(self.event_id)

    async def _divide(self, batch: list[Submission], err: Exception) -> None:
        """Halve a batch that cannot be written, until the bad command stands alone."""
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._settle(batch[:middle])
            await self._settle(batch[middle:])
            return
        log.error("event %s: %s failed", self.event_id, batch[0].command, exc_info=err)
        self._answer_all(batch, Rejection(ErrorCode.INTERNAL))

    def _give_up(self, batch: list[Submission], fault: Fault) -> None:
        unknown = [s for s in batch if s.attempted]
        clear = [s for s in batch if not s.attempted]
        code = ErrorCode.OVERLOADED if fault is Fault.LINK else ErrorCode.BUSY
        self._answer_all(clear, Rejection(code, retry_after_ms=RETRY_AFTER_MS))
        if unknown:
            self._answer_all(
                unknown, Rejection(ErrorCode.COMMIT_UNKNOWN, retry_after_ms=RETRY_AFTER_MS)
            )
            self._lanes.rooms.suspect(self.event_id)

    def _answer_all(self, batch: Sequence[Submission], err: Rejection) -> None:
        for submission in batch:
            submission.reply(submission, failed(submission, err))

    async def _attempt(self, batch: list[Submission]) -> Batch:
        """Decide and write ``batch`` in one transaction."""
        lanes = self._lanes
        async with EventTransaction.begin(lanes.database, self.event_id) as transaction:
            state = await self._state(transaction, await transaction.lock())
            # Until it is committed, what happens to the state may be undone by losing it.
            self.state = None
            keys = list({submission.key: None for submission in batch})
            now, known = await transaction.clock_and_remembered(keys)
            if needs := needs_of(batch, state):
                await transaction.fetch(state, needs)
            made = state.event_record is None
            work = _Work()
            for submission in batch:
                if (held := known.get(submission.key)) is not None:
                    first = submission.attempted and submission.key not in work.decided
                    if first:
                        work.recovered = True
                        work.decided.add(submission.key)
                    work.answers.append((submission, replay(state, submission, held, first=first)))
                    continue
                if submission.expires is not None and lanes.revoked(
                    submission.actor.user, submission.issued
                ):
                    err = Rejection(ErrorCode.UNAUTHENTICATED, "access was revoked")
                    work.answers.append((submission, failed(submission, err)))
                    continue
                decision = None
                for _ in range(MOST_QUESTIONS):
                    try:
                        decision = decide(state, submission, now, lanes.limits)
                        break
                    except Missing as missing:
                        await transaction.fetch(state, {missing.need})
                if decision is None:
                    continue
                work.answers.append((submission, decision.answer))
                if decision.line is not None:
                    known[submission.key] = remembered(decision.line)
                    work.decided.add(submission.key)
                    work.lines.append(decision.line)
                if decision.step is not None:
                    work.steps.append(decision.step)
                    work.event_changed |= decision.event_changed
                    for table, key in decision.changed:
                        work.changed[table].add(key)
            if work.lines:
                await transaction.write(
                    work.lines, state, work.changed, made=made, event_changed=work.event_changed
                )
                # Repeats of what was decided before this batch are not in doubt.
                for submission in batch:
                    submission.attempted |= submission.key in work.decided
                await transaction.commit()
        if state.held() < MOST_RECORDS and state.event_record is not None:
            self.state = state
        return Batch(work.answers, work.steps, state.epoch, work.recovered)

    async def _state(self, transaction: EventTransaction, position: Position | None) -> EventState:
        """The state kept from the last batch, if no other process has moved the event since."""
        held = self.state
        if position is None:
            return EventState(self.event_id)
        if held is not None and (held.epoch, held.seq) == (position.epoch, position.seq):
            return held
        return await transaction.load()


class _Work:
    """What a transaction gathers while it decides."""

    def __init__(self) -> None:
        self.answers: list[tuple[Submission, Answer]] = []
        self.lines: list[Line] = []
        self.steps: list[StepRecord] = []
        self.decided: set[CommandKey] = set()
        self.changed: defaultdict[str, set[Any]] = defaultdict(set)
        self.event_changed = False
        self.recovered = False


class Lanes:
    """All lanes of this node."""

    def __init__(
        self,
        database: Database,
        rooms: Rooms,
        limits: DomainLimits,
        *,
        revoked: Callable[[str, datetime | None], bool] = lambda user, issued: False,
    ) -> None:
        self.database = database
        self.rooms = rooms
        self.limits = limits
        self.revoked = revoked
        """Whether the tokens of a user that were made at a moment are refused by now."""
        self._lanes: OrderedDict[str, Lane] = OrderedDict()
        self._idle: asyncio.Event = asyncio.Event()
        self._idle.set()
        self._busy = 0

    def submit(self, event_id: str, submission: Submission) -> None:
        """Put a command in its event's lane; it will be answered, through its ``reply``.

        Commands of one event are decided in the order in which they were submitted. The task that
        works on them belongs to the lane, not to whoever submitted.
        """
        lane = self._lanes.get(event_id)
        if lane is None:
            lane = self._lanes[event_id] = Lane(event_id, self)
        else:
            self._lanes.move_to_end(event_id)
        if len(lane.queue) >= LONGEST_QUEUE:
            err = Rejection(ErrorCode.BUSY, retry_after_ms=RETRY_AFTER_MS)
            submission.reply(submission, failed(submission, err))
            return
        lane.queue.append(submission)
        if lane.task is None:
            self._busy += 1
            self._idle.clear()
            lane.task = asyncio.create_task(lane.run(), name=f"lane {event_id}")
            lane.task.add_done_callback(self._lane_rests)
            # Only now: an idle lane is one without a task.
            self._forget_idle()

    def is_pending(self, event_id: str, key: CommandKey) -> bool:
        """Whether the command of this key waits for its decision on this node."""
        lane = self._lanes.get(event_id)
        return lane is not None and lane.holds(key)

    async def drained(self) -> None:
        """Wait until no command waits anywhere."""
        await self._idle.wait()

    def _lane_rests(self, task: asyncio.Task[None]) -> None:
        self._busy -= 1
        if not self._busy:
            self._idle.set()
        if not task.cancelled() and (err := task.exception()) is not None:
            log.error("a lane failed", exc_info=err)

    def _forget_idle(self) -> None:
        """Bound what idle lanes hold, the longest unused first."""
        if len(self._lanes) <= MOST_IDLE_LANES:
            return
        for event_id, lane in self._lanes.items():
            if lane.task is None:
                del self._lanes[event_id]
                return
