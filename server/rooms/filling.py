"""Fills a room from the journal: with steps that it has missed, or wholly after a restore."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from persistence.database.failures import Failures
from persistence.database.pool import Database
from persistence.journal import rewriting
from persistence.queries import event_reads
from protocol.errors import FinalError
from server.measures.counters import Counters, FillCause
from server.rooms.room import Room
from server.rooms.stored_steps import step_of

log = logging.getLogger("ayes.rooms")

#: Steps read from the journal by one statement, to fill a gap.
FILL_PAGE_STEPS = 1_000


class Filler:
    """Brings rooms to their events' positions, one read at a time for each.

    ``by_event`` has the rooms in memory; ``read`` reads a room's whole view again.
    """

    def __init__(
        self,
        database: Database,
        counters: Counters,
        by_event: Mapping[str, Room],
        read: Callable[[Room], Awaitable[object]],
    ) -> None:
        self._database = database
        self._counters = counters
        self._by_event = by_event
        self._read = read
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wanted: dict[str, int] = {}
        """Positions that were announced while their room was being filled."""
        self.failures = Failures("room fill")

    async def stop(self) -> None:
        """Cancel the reads in flight."""
        for task in (tasks := [*self._tasks.values()]):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def fill(self, room: Room, cause: FillCause, to: int = 0) -> None:
        """Bring ``room`` to the event's position, which is at least ``to`` if that is given."""
        event_id = room.event_id
        self._counters.fills[cause] += 1
        if event_id in self._tasks:
            self._wanted[event_id] = max(self._wanted.get(event_id, 0), to or room.seq + 1)
            return
        task = asyncio.create_task(self.fill_from_journal(room), name="fill room")
        self._tasks[event_id] = task
        task.add_done_callback(lambda done: self._filled(event_id, done))

    def _filled(self, event_id: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(event_id, None)
        wanted = self._wanted.pop(event_id, 0)
        room = self._by_event.get(event_id)
        if room is not None and wanted > room.seq and not task.cancelled():
            self.fill(room, "again")

    async def fill_from_journal(self, room: Room) -> None:
        """Bring ``room`` to the event's position; read a new view after a restore."""
        try:
            await self._fill_to_position(room)
        except Exception as err:  # the next sweep tries again
            self.failures.failed(err, f"event {room.event_id}")
        else:
            self.failures.succeeded()

    async def _fill_to_position(self, room: Room) -> None:
        while True:
            # Read first: steps that this node commits during the read are not lost data.
            known = room.seq
            tops = await event_reads.positions(self._database, [room.event_id])
            if not tops:
                self._end(room, await rewriting.is_deleted(self._database, room.event_id))
                return
            top = tops[0]
            if top.epoch != room.epoch or top.seq < known:
                try:
                    await self._start_over(room, top.epoch)
                except FinalError:
                    if await event_reads.positions(self._database, [room.event_id]):
                        raise
                    # Deleted since its position was read: the next iteration ends the room.
                    continue
                return
            if top.seq <= room.seq:
                return
            to = min(top.seq, room.seq + FILL_PAGE_STEPS)
            # Empty if the epoch has changed since; the next iteration finds that.
            stored = await event_reads.steps(
                self._database, room.event_id, epoch=room.epoch, after=room.seq, to=to
            )
            room.apply([step_of(line) for line in stored])

    async def _start_over(self, room: Room, epoch: str) -> None:
        """Read the room again and send snapshots: the database was restored, or lost commits."""
        reason = "epoch"
        if epoch == room.epoch:
            reason = "ahead"
            log.critical(
                "event %s: the database is behind this room: committed data was lost",
                room.event_id,
                extra={"event": room.event_id},
            )
        await self._read(room)
        for subscription in tuple(room.subscriptions):
            subscription.start_over(reason)

    def _end(self, room: Room, deleted: bool) -> None:
        """End the room of an event that the database does not have.

        An operator ``deleted`` it, or the database was restored.
        """
        event = room.event_id
        if not deleted:
            lost = "event %s is not in the database: committed data was lost"
            log.critical(lost, event, extra={"event": event})
        elif room.subscriptions:
            log.warning("event %s was deleted by an operator", event, extra={"event": event})
        for subscription in tuple(room.subscriptions):
            subscription.start_over("revoked" if deleted else "epoch")
