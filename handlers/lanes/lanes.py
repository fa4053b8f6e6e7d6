"""All lanes of a node: commands in, answers out; group commit.

While transactions commit, the next commands gather in their lanes, and lanes behind lanes. A convoy
that ends takes every lane that is ready: it locks their events at once, decides their commands in
memory, writes, commits once, and answers each command by itself. A single command waits for no
other; under load the batches grow by themselves. No timer waits for a batch to fill.

``convoys`` commits batches together, ``alone`` those that a convoy cannot take.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine
from datetime import datetime
from typing import Any

from handlers.lanes import deadlines
from handlers.lanes.alone import AloneRunner
from handlers.lanes.batch_end import BatchEnd
from handlers.lanes.convoys import Convoys
from handlers.lanes.counts import Counts
from handlers.lanes.decide import Submission, failed
from handlers.lanes.lane import DecisionContext, Lane, Rooms
from persistence.database.pool import Database
from persistence.event.limits import DomainLimits
from persistence.journal.transaction import CommandKey
from protocol.errors import ErrorCode, RetryableError

log = logging.getLogger("ayes.lanes")

#: Commands that may wait for one event on this node; beyond that ``busy``. Bounds the memory of one
#: queue, and the wait at its end.
MAX_LANE_COMMANDS = 20_000
#: Seconds between two searches for commands past ``QUEUE_TIMEOUT_S``, while lanes wait for a
#: transaction. A command is answered at most this much late.
OVERDUE_INTERVAL_S = 1.0
#: Bytes of memory that idle lanes take together. A lane is idle if no command waits in it. Beyond
#: this the least recently used one is forgotten, and its next command reads the event again.
#: Counted in bytes since events differ: one with long texts takes 30 MiB, a small one 10 KiB.
MAX_IDLE_BYTES = 24 * 1024 * 1024


class Lanes:
    """Takes commands, and answers every one of them."""

    def __init__(
        self,
        database: Database,
        rooms: Rooms,
        limits: DomainLimits,
        *,
        revoked: Callable[[str, datetime | None], bool] = lambda user, issued: False,
        moved: Callable[[str], None] = lambda event: None,
    ) -> None:
        """``moved`` is called with an event that another node has moved since its last batch."""
        context = DecisionContext(limits, revoked, moved)
        self.end = BatchEnd(rooms)
        self._alone = AloneRunner(database, context, self.end, release=self._release)
        self._convoys = Convoys(
            database,
            context,
            self.end,
            start=self._start,
            run_alone=self._alone.run,
            release=self._release,
        )
        self._lanes: dict[str, Lane] = {}
        self._idle_lanes: OrderedDict[str, Lane] = OrderedDict()
        """The least recently used first."""
        self._idle_bytes = 0
        self._when_idle: dict[str, Callable[[], None]] = {}
        self._overdue: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._busy = 0

    @property
    def counts(self) -> Counts:
        """Commands and transactions since the start."""
        return self.end.counts

    def submit(self, event_id: str, submission: Submission) -> None:
        """Put a command in its event's lane; it will be answered, through its ``reply``.

        Commands of one event are decided in the order in which they were submitted. Their
        transactions belong to the node: they go on if the client that submitted them disconnects.
        """
        lane = self._lanes.get(event_id)
        if lane is None:
            lane = self._lanes[event_id] = Lane(event_id)
        now = asyncio.get_running_loop().time()
        submission.deadline = now + deadlines.COMMAND_TIMEOUT_S
        if not lane.put(submission, MAX_LANE_COMMANDS):
            self.counts.full += 1
            submission.respond(failed(submission, _busy()))
            return
        if not lane.busy:
            lane.busy = True
            self._busy += 1
            self._idle.clear()
            if self._idle_lanes.pop(event_id, None) is not None:
                self._idle_bytes -= lane.bytes
            self._schedule(lane)

    def share_database(self, is_shared: bool) -> None:
        """Know whether other nodes have transactions on the same database."""
        self._convoys.share_database(is_shared)

    def when_idle(self, event_id: str, call: Callable[[], None]) -> None:
        """Call ``call`` once, when none of the event's commands waits any more. One at a time."""
        self._when_idle[event_id] = call

    def waiting(self) -> int:
        """Commands that wait for their decision, or are in a transaction."""
        return sum(len(lane.queue) + len(lane.running) for lane in self._lanes.values())

    def waiting_for(self, event_id: str) -> int:
        """Commands of one event that wait for their decision, or are in a transaction."""
        lane = self._lanes.get(event_id)
        return 0 if lane is None else len(lane.queue) + len(lane.running)

    def busiest(self, count: int) -> list[tuple[str, int]]:
        """Return events and the number of commands that wait for each, the most first."""
        waiting = (
            (lane.event_id, len(lane.queue) + len(lane.running))
            for lane in self._lanes.values()
            if lane.busy
        )
        return heapq.nlargest(count, waiting, key=lambda lane: lane[1])

    def pending(self, event_id: str, keys: Collection[CommandKey]) -> set[CommandKey]:
        """The ``keys`` whose commands wait for their decision on this node."""
        lane = self._lanes.get(event_id)
        return set() if lane is None else lane.pending(keys)

    async def drained(self) -> None:
        """Wait until no command waits anywhere."""
        await self._idle.wait()

    def _schedule(self, lane: Lane) -> None:
        """Let ``lane`` have a transaction."""
        if self._overdue is None:
            loop = asyncio.get_running_loop()
            self._overdue = loop.call_later(OVERDUE_INTERVAL_S, self._drop_overdue)
        self._convoys.schedule(lane)

    def _release(self, lane: Lane) -> None:
        """End ``lane``'s batch, which is settled: schedule the next one, or keep the lane idle."""
        lane.running = ()
        self._answer_overdue(lane)
        if lane.queue:
            self._schedule(lane)
            return
        lane.busy = False
        self._busy -= 1
        if not self._busy:
            self._idle.set()
        self._keep_idle(lane)
        if (call := self._when_idle.pop(lane.event_id, None)) is not None:
            call()

    def _answer_overdue(self, lane: Lane) -> None:
        """Answer ``busy`` to the commands that have waited in ``lane`` for too long."""
        arrived_by = asyncio.get_running_loop().time() - deadlines.QUEUE_TIMEOUT_S
        if overdue := lane.take_overdue(arrived_by + deadlines.COMMAND_TIMEOUT_S):
            log.warning(
                "event %s: %d commands waited too long",
                lane.event_id,
                len(overdue),
                extra={"event": lane.event_id, "commands": len(overdue)},
            )
            self.end.reject(overdue, _busy())

    def _drop_overdue(self) -> None:
        """Answer the overdue commands of all lanes that wait for a transaction."""
        self._overdue = None
        for lane in self._convoys.take_waiting():
            self._answer_overdue(lane)
            if lane.queue:
                self._schedule(lane)
            else:
                self._release(lane)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _keep_idle(self, lane: Lane) -> None:
        """Keep an idle lane for its state, and forget the least recently used beyond the bound.

        The latest one stays in any case: it has a bound of its own, and is likely to be used next.
        """
        if lane.state is None:
            # It caches nothing. Kept, lanes of made-up ids would push out those that do.
            del self._lanes[lane.event_id]
            return
        lane.bytes = lane.state.bytes()
        self._idle_lanes[lane.event_id] = lane
        self._idle_bytes += lane.bytes
        while self._idle_bytes > MAX_IDLE_BYTES and len(self._idle_lanes) > 1:
            event_id, oldest = self._idle_lanes.popitem(last=False)
            self._idle_bytes -= oldest.bytes
            del self._lanes[event_id]

    def idle_bytes(self) -> int:
        """Estimated bytes of memory that idle lanes take."""
        return self._idle_bytes


def _busy() -> RetryableError:
    return RetryableError(ErrorCode.BUSY, retry_after_ms=deadlines.BUSY_RETRY_DELAY_MS)
