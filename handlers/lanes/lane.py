"""A lane: the commands of one event on this node, and the event's cached state.

A lane takes all waiting commands as one ``Batch``. The batch is decided in memory, in order, inside
a transaction that holds the event's lock; then it is written in one go.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from handlers.lanes.decide import (
    Answer,
    StepRecord,
    Submission,
    decide,
    failed,
    replay,
)
from handlers.lanes.prefetch import prefetch_needs
from handlers.lanes.recorded import remembered
from handlers.lanes.turn import Turn
from persistence.database.faults import NotCommitted
from persistence.event.limits import DomainLimits
from persistence.event.records import Decided
from persistence.event.state import WEIGHED, EventState, Missing
from persistence.journal.transaction import CommandKey, JournalEntry, Position, Transaction, Written
from protocol.commands import EventCreate, type_of
from protocol.errors import ErrorCode, RetryableError

#: The share of a lane's queue that one user may fill; beyond it ``busy``. With an eighth, several
#: users are needed to fill a queue, however many sockets one of them has.
MAX_QUEUE_SHARE = 1 / 8
#: Commands of one batch; further ones wait for the next. More would gain little, since hundreds
#: share a commit already, and would block the event loop for longer than a screen frame.
MAX_BATCH_COMMANDS = 256
#: Bytes of state that one lane keeps between batches: 100,000 votes. A larger state is read again
#: by the next batch.
MAX_STATE_BYTES = 32 * 1024 * 1024
#: Times that one command may ask for missing records; beyond it the command fails. No handler comes
#: near it, so more is a defect.
MAX_FETCH_ROUNDS = 10_000


class Rooms(Protocol):
    """Receives the accepted steps once they are durable and answered."""

    def publish(
        self, event_id: str, epoch: str, steps: Sequence[StepRecord], committed_at: float
    ) -> None:
        """Publish steps to the rooms; must not raise, nor wait.

        ``committed_at``: ``time.monotonic()`` when their COMMIT was answered.
        """

    def request_resync(self, event_id: str) -> None:
        """Request a resync: something may have been committed that could not be published."""


class DecisionContext(NamedTuple):
    """The node's limits and revocations, under which every command is decided; and its ear."""

    limits: DomainLimits
    revoked: Callable[[str, datetime | None], bool]
    """Whether a user's access was revoked since a token was issued."""
    moved: Callable[[str], None] = lambda event: None
    """Called with an event whose cached state is behind: another node has moved it."""


class Lane:
    """The queue of one event, and its cached state."""

    def __init__(self, event_id: str) -> None:
        self.event_id = event_id
        self.queue: deque[Submission] = deque()
        self._waiting: dict[str, int] = {}
        """Number of waiting commands of each user."""
        self.running: Sequence[Submission] = ()
        self.busy = False
        """Whether the lane waits for a transaction, or is in one."""
        self.bytes = 0
        """Estimated bytes of its state when it became idle."""
        self.state: EventState | None = None
        """The event as the last committed batch left it, or ``None``."""

    def put(self, submission: Submission, longest: int) -> bool:
        """Queue a command; return ``False`` if ``longest``, or too many of its sender's, wait."""
        user = submission.actor.user
        mine = self._waiting.get(user, 0)
        if len(self.queue) >= longest or mine >= longest * MAX_QUEUE_SHARE:
            return False
        self._waiting[user] = mine + 1
        self.queue.append(submission)
        return True

    def take(self) -> Batch:
        """Take the next batch: all that wait, up to ``MAX_BATCH_COMMANDS``."""
        if len(self.queue) <= MAX_BATCH_COMMANDS:
            self.running = list(self.queue)
            self.queue.clear()
            self._waiting.clear()
        else:
            self.running = [self.next() for _ in range(MAX_BATCH_COMMANDS)]
        return Batch(self, self.running)

    def next(self) -> Submission:
        """Take the command that has waited for the longest time."""
        submission = self.queue.popleft()
        user = submission.actor.user
        left = self._waiting.pop(user) - 1
        if left:
            self._waiting[user] = left
        return submission

    def take_overdue(self, deadline: float) -> list[Submission]:
        """Take out the waiting commands that expire at ``deadline``, in loop time, or earlier."""
        overdue = []
        # The queue is in the order of deadlines, since each command got its own on arrival.
        while self.queue and self.queue[0].deadline <= deadline:
            overdue.append(self.next())
        return overdue

    def pending(self, keys: Collection[CommandKey]) -> set[CommandKey]:
        """The ``keys`` whose commands wait or are being decided."""
        here = {submission.key for submission in (*self.running, *self.queue)}
        return here.intersection(keys)


class Batch:
    """Commands of one event that share a transaction."""

    def __init__(self, lane: Lane, submissions: Sequence[Submission]) -> None:
        self.lane = lane
        self.submissions = submissions
        self.committed_at = 0.0
        """``time.monotonic()`` when COMMIT was answered."""
        self._begin()

    @property
    def deadline(self) -> float:
        """The loop's time at which the first of these commands expires."""
        return min(submission.deadline for submission in self.submissions)

    def take_more(self, most: int) -> int:
        """Take up to ``most`` commands more that came since, and return how many that were.

        It must not have been decided yet.
        """
        lane = self.lane
        more = min(len(lane.queue), most, MAX_BATCH_COMMANDS - len(self.submissions))
        if more > 0:
            lane.running = self.submissions = [
                *self.submissions,
                *(lane.next() for _ in range(more)),
            ]
        return max(0, more)

    def pop_expired(self, now: float) -> list[Submission]:
        """Take out, and return, the commands whose deadline has passed at ``now``, in loop time."""
        overdue = [s for s in self.submissions if s.deadline <= now]
        self.submissions = [s for s in self.submissions if s.deadline > now]
        self.lane.running = [s for s in self.lane.running if s not in overdue]
        return overdue

    @property
    def event_id(self) -> str:
        """The event of these commands."""
        return self.lane.event_id

    def only_creates_event(self) -> bool:
        """Whether every command is ``event.create``, so that the event's row may be missing.

        With any other command, a missing row in the answer may be a row that is locked elsewhere.
        """
        return all(type(s.command) is EventCreate for s in self.submissions)

    def is_at(self, position: Position | None) -> bool:
        """Whether the event is still at the position of this lane's cached state.

        The hash distinguishes two histories with the same positions, as after a restore without a
        new epoch.
        """
        cached = self.lane.state
        return (
            cached is not None
            and position is not None
            and (cached.epoch, cached.seq, cached.hash) == position
        )

    def asked(self) -> list[tuple[str, CommandKey]]:
        """Return the event and the keys of these commands, to look up in the journal."""
        event_id = self.lane.event_id
        return [(event_id, key) for key in {s.key: None for s in self.submissions}]

    def _begin(self) -> None:
        """Forget what an earlier try decided."""
        self.answers: list[tuple[Submission, Answer]] = []
        self.steps: list[StepRecord] = []
        self._decided: dict[CommandKey, JournalEntry] = {}
        """The rows to be written for the commands, in their order."""
        self._found: set[CommandKey] = set()
        """Commands whose decision was found in the journal, of an earlier try of this batch."""
        self._in_doubt: list[Submission] = []
        self._changed: defaultdict[str, set[Any]] = defaultdict(set)
        self._tallies: set[str] = set()
        self._event_changed = False
        self._made = False
        self.replayed = 0
        """Commands answered from the journal: they were decided before."""
        self.recovered = 0
        """Commands of this batch whose decision was found in the journal, after a lost COMMIT."""
        self._state: EventState | None = None

    async def decide(
        self,
        transaction: Transaction,
        position: Position | None,
        now: datetime,
        known: Mapping[tuple[str, CommandKey], Decided],
        context: DecisionContext,
        turn: Turn,
        loaded: EventState | None = None,
    ) -> None:
        """Decide every command; the event's row is locked and at ``position``.

        ``loaded``: the event as it is now, if it was read since it was locked.
        """
        self._begin()
        lane, event_id = self.lane, self.lane.event_id
        state = loaded or await self._current(transaction, position, context)
        # Detach the cached state while it is modified. If the transaction fails, the next batch
        # reads it again.
        lane.state = None
        self._state = state
        self._made = state.event_record is None
        recorded = {key: decided for (event, key), decided in known.items() if event == event_id}
        while needs := prefetch_needs(self.submissions, state):
            await transaction.fetch(state, needs)
        for submission in self.submissions:
            if turn.is_over:
                await turn.give()
            key = submission.key
            if (known_answer := recorded.get(key)) is not None:
                self._replay(submission, known_answer, state)
            elif (entry := self._decided.get(key)) is not None:
                self._replay(submission, remembered(entry), state)
            elif (missing := self._decide(submission, state, now, context)) is not None:
                await self._fetch_and_decide(transaction, submission, state, now, context, missing)

    async def _current(
        self, transaction: Transaction, position: Position | None, context: DecisionContext
    ) -> EventState:
        """Return the cached state, or read the event if another process has moved it."""
        if position is None:
            return EventState(self.event_id)
        cached = self.lane.state
        if cached is not None:
            if self.is_at(position):
                return cached
            context.moved(self.event_id)
        return await transaction.load(self.event_id)

    def _replay(self, submission: Submission, recorded: Decided, state: EventState) -> None:
        """Answer from the journal; for the first time, if the connection broke during COMMIT."""
        key = submission.key
        is_new = key not in self._decided and key not in self._found
        first = is_new and submission.is_author_of(recorded)
        if first:
            self.recovered += 1
            self._found.add(key)
        answer = replay(state, submission, recorded, first=first)
        self.replayed += not first and answer.error != ErrorCode.ID_CONFLICT
        self.answers.append((submission, answer))

    async def _fetch_and_decide(
        self,
        transaction: Transaction,
        submission: Submission,
        state: EventState,
        now: datetime,
        context: DecisionContext,
        missing: Missing | None,
    ) -> None:
        for _ in range(MAX_FETCH_ROUNDS):
            if missing is None:
                return
            await transaction.fetch(state, missing.needs)
            missing = self._decide(submission, state, now, context)
        raise RuntimeError(f"{type_of(submission.command)} asks for too much")

    def _decide(
        self, submission: Submission, state: EventState, now: datetime, context: DecisionContext
    ) -> Missing | None:
        """Decide one command, and keep the decision; or return what ``state`` lacks for it."""
        # The server's own commands have no token.
        if submission.expires is not None and context.revoked(
            submission.actor.user, submission.issued
        ):
            err = RetryableError(ErrorCode.UNAUTHENTICATED, "access was revoked")
            self.answers.append((submission, failed(submission, err)))
            return None
        try:
            decision = decide(state, submission, now, context.limits)
        except Missing as missing:
            return missing
        if decision is None:
            # A timer came too early: nothing is written, and no client waits.
            return None
        self.answers.append((submission, decision.answer))
        if decision.entry is not None:
            self._decided[submission.key] = decision.entry
        if decision.step is not None:
            self.steps.append(decision.step)
            self._event_changed |= decision.event_changed
            for (table, key), before in decision.changed.items():
                if table == "proposals" and key in decision.tallied:
                    self._tallies.add(key)
                else:
                    self._changed[table].add(key)
                    if table in WEIGHED:
                        state.changed(before, getattr(state, table)[key])
        return None

    @property
    def has_entries(self) -> bool:
        """Whether there are journal entries to write."""
        return bool(self._decided)

    def written(self) -> Written:
        """Return what was decided, in the form in which it is written."""
        assert self._state is not None
        return Written(
            self._state,
            self._decided.values(),
            self._changed,
            # A whole row includes the tally.
            self._tallies - self._changed.get("proposals", set()),
            self._made,
            self._event_changed,
        )

    def committing(self) -> None:
        """Note that COMMIT is about to be sent: from now on this batch may be durable.

        Repeats of commands that were decided before this batch are not in doubt.
        """
        self._in_doubt = [
            s for s in self.submissions if s.key in self._decided and not s.commit_attempted
        ]
        for submission in self._in_doubt:
            submission.commit_attempted = True

    def not_committed(self) -> None:
        """Note that COMMIT was answered and nothing is durable: this try leaves no doubt."""
        for submission in self._in_doubt:
            submission.commit_attempted = False

    def committed(self, rooms: Rooms) -> None:
        """Answer all commands, then publish the steps. Called once the batch is durable, or wrote
        nothing.
        """
        state = self._state
        assert state is not None
        if state.event_record is not None and state.bytes() <= MAX_STATE_BYTES:
            self.lane.state = state
        for submission, answer in self.answers:
            submission.respond(answer)
        if self.steps:
            rooms.publish(self.event_id, state.epoch, self.steps, self.committed_at)
        if self.recovered:
            rooms.request_resync(self.event_id)


async def commit(transaction: Transaction, batches: Sequence[Batch]) -> None:
    """Write what was decided in ``batches``, and commit.

    Raises ``NotCommitted``, and what the database raises.
    """
    written = [batch for batch in batches if batch.has_entries]
    if not written:
        return
    await transaction.write(batch.written() for batch in written)
    for batch in written:
        batch.committing()
    try:
        await transaction.commit()
    except NotCommitted:
        for batch in written:
            batch.not_committed()
        raise
