"""The rooms of this node: loaded on entry, moved by the lanes, and compared with the database.

A lane of this node publishes its committed steps here at once. Another node's steps are announced
by hints, or found by the sweep, which compares all rooms' positions with the database. A gap in
``seq`` is filled from the journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

from handlers.audiences import growing_document
from handlers.lanes.decide import StepRecord
from persistence.database.overload import UNREACHABLE_RETRY_DELAY_MS, unreachable
from persistence.database.periodic import Periodic
from persistence.database.pool import Database
from persistence.queries import event_reads
from persistence.queries.event_reads import UserView
from protocol.errors import ErrorCode, FinalError, RetryableError
from server.bus.port import Bus, BusMessage, PositionHint
from server.limits.event_log_throttle import EventLogThrottle
from server.limits.metered import Metered, gently
from server.limits.quotas import Quotas
from server.limits.work_throttle import WorkThrottle
from server.measures.counters import Counters
from server.rooms.bus_steps import encoded_steps, steps_after
from server.rooms.filling import Filler
from server.rooms.journal_folder import JournalFolder
from server.rooms.memory_budget import RoomBudget
from server.rooms.presence import Presence
from server.rooms.room import Room
from server.rooms.step_history import RoomStep
from server.rooms.stored_steps import steps_of
from server.rooms.subscription import Subscription
from server.rooms.user_views import UserViews

log = logging.getLogger("ayes.rooms")

#: Seconds between two comparisons of the rooms' positions with the database. A lost hint delays a
#: room by as much.
SWEEP_INTERVAL_S = 1.0
#: Seconds that a subscriber waits for the room to reach the position that its own view was read at;
#: then ``overloaded``.
FILL_TIMEOUT_S = 5.0
#: Steps that a room reads from the journal when it is loaded, for clients that resume.
MAX_STEPS_AT_LOAD = 512
#: Seconds for which a room without a subscription stays in memory, so that a client that
#: reconnects, or asks repeatedly, does not cause a load each time.
UNUSED_ROOM_TTL_S = 10.0
#: Rooms without a subscription; beyond that the least recently left one is dropped.
MAX_UNUSED_ROOMS = 64
#: Bytes of these rooms' snapshots and steps, beyond which the same happens. Their documents take a
#: few times as much.
MAX_UNUSED_ROOM_BYTES = 32 * 1024 * 1024
#: Records of a room that is loaded at once, which takes some 2 ms of the event loop. Larger rooms
#: are loaded one at a time (``WorkThrottle``).
MAX_LIGHT_ROOM_RECORDS = 100


class RoomRegistry:
    """The rooms in memory, with their loading, filling and sweep."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        work_throttle: WorkThrottle,
        quotas: Quotas,
        *,
        resume_steps: int,
        counters: Counters | None = None,
    ) -> None:
        self._database = database
        self._bus = bus
        self.counters = counters or Counters()
        self.work_throttle = work_throttle
        self.quotas = quotas
        self.resume_steps = resume_steps
        """Steps that a client may be behind and still get a patch, not a snapshot."""
        self.event_log_throttle = EventLogThrottle()
        self.by_event: dict[str, Room] = {}
        self.budget = RoomBudget()
        self._unused: OrderedDict[str, float] = OrderedDict()
        """Rooms without a subscription, and the loop's time until which they are kept."""
        self._loading: dict[str, asyncio.Task[None]] = {}
        self.journal = JournalFolder(database, work_throttle)
        self._views = UserViews(database)
        self.sweeper = Periodic("room sweep", SWEEP_INTERVAL_S, self._sweep)
        self.filler = Filler(database, self.counters, self.by_event, self._read)
        self.presence = Presence(bus)

    async def start(self) -> None:
        """Start the bus and the sweep."""
        await self._bus.start(self._on_message)
        self.sweeper.start()

    async def stop(self) -> None:
        """Stop the bus, the sweep, and reads in flight."""
        await self._bus.stop()
        await self.sweeper.stop()
        for task in (tasks := [*self._loading.values()]):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.filler.stop()
        await self.journal.stop()

    def count(self) -> int:
        """Return the number of rooms with a subscription."""
        return len(self.by_event) - len(self._unused)

    def is_watched_elsewhere(self, event_id: str) -> bool:
        """Whether another node has the room of an event whose room is here."""
        room = self.by_event.get(event_id)
        return room is not None and self.presence.has_others(room)

    # Steps and hints.

    def publish(
        self, event_id: str, epoch: str, steps: Sequence[StepRecord], committed_at: float
    ) -> None:
        """Apply committed steps; fill a gap before them from the journal.

        ``committed_at``: ``time.monotonic()`` when their COMMIT was answered.
        """
        along = encoded_steps(epoch, steps) if self._bus.is_shared(event_id) else b""
        self._bus.publish(PositionHint(event_id, epoch, steps[-1].seq, along))
        room = self.by_event.get(event_id)
        if room is not None:
            taken = [RoomStep(s.seq, s.patches, s.encoded, s.hash) for s in steps]
            self._take(room, epoch, taken, committed_at)

    def request_resync(self, event_id: str) -> None:
        """Compare a room with the journal: steps may have been committed unpublished."""
        if (room := self.by_event.get(event_id)) is not None:
            self.filler.fill(room, "resync")

    def _on_message(self, message: BusMessage) -> None:
        """Handle another node's hint or presence report."""
        if (room := self.by_event.get(message.event)) is None:
            return
        if not isinstance(message, PositionHint):
            return self.presence.on_report(room, message, asyncio.get_running_loop().time())
        if not message.epoch:
            self.presence.begin(room)
        if message.steps:
            found = steps_after(room, message.steps)
            self.counters.received_steps[found.outcome] += 1
            if found.steps:
                self._apply(room, found.steps)
        if message.epoch != room.epoch or message.seq > room.seq:
            self.filler.fill(room, "hint", message.seq)

    def _take(self, room: Room, epoch: str, steps: Sequence[RoomStep], committed_at: float) -> None:
        if epoch != room.epoch or steps[0].seq > room.seq + 1:
            self.filler.fill(room, "gap", steps[-1].seq)
            return
        self._apply(room, steps, committed_at)

    def _apply(self, room: Room, steps: Sequence[RoomStep], committed_at: float = 0.0) -> None:
        try:
            room.apply(steps, committed_at)
        except Exception:
            event = room.event_id
            log.exception("event %s: a step could not be applied", event, extra={"event": event})
            # The room may show half a step. No stored epoch is empty, so the room is read again.
            room.epoch = ""
            self.filler.fill(room, "again")

    # Entering and leaving.

    async def enter(
        self, event_id: str, user: str, subscription_of: Callable[[Room], Subscription]
    ) -> tuple[Subscription, UserView]:
        """Register ``user``'s subscription, then read what is its owner's.

        ``subscription_of(room)`` makes it. Return it with its owner's view; the room is at least at
        the position of that view. Raises ``not_found`` or ``not_a_member``, and ``overloaded`` if
        the database is out of reach.
        """
        while (room := self.by_event.get(event_id)) is None:
            # A room is loaded only for users who may enter it. For all others, an event costs
            # this one read, whether it exists or not.
            own = await self._views.load(event_id, user)
            # In a loop, since the room may be dropped before this task continues.
            await self._loaded_room(event_id, user, own)
        subscription = subscription_of(room)
        room.enter(subscription)
        self._unused.pop(event_id, None)
        try:
            return subscription, await self.load_own(room, user)
        except BaseException:
            self.leave(subscription)
            raise

    async def load_own(self, room: Room, user: str) -> UserView:
        """Read ``user``'s own view, and wait until the room is at its position.

        Raises ``not_found`` or ``not_a_member``. Raises ``overloaded`` if the database is out of
        reach, or the room is not there within ``FILL_TIMEOUT_S``.
        """
        while True:
            generation = room.generation
            own = await self._views.load(room.event_id, user)
            if room.generation != generation:
                # The room was read again meanwhile; this view may be from before a restore.
                continue
            if own.epoch != room.epoch or own.seq > room.seq:
                await self._catch_up(room, own)
            return own

    def leave(self, subscription: Subscription) -> None:
        """Remove a subscription; after the last one, the room is kept for a while."""
        room = subscription.room
        subscription.live = False
        room.leave(subscription)
        self.presence.touch(room)
        if not room.subscriptions and self.by_event.get(room.event_id) is room:
            now = asyncio.get_running_loop().time()
            self._unused[room.event_id] = now + UNUSED_ROOM_TTL_S
            self._unused.move_to_end(room.event_id)
            self._drop_unused(now)

    def _drop_unused(self, now: float) -> None:
        """Drop rooms without a subscription: the expired ones, and the oldest of too many."""
        size = sum(self.by_event[event_id].size() for event_id in self._unused)
        for event_id, until in list(self._unused.items()):
            fit = len(self._unused) <= MAX_UNUSED_ROOMS and size <= MAX_UNUSED_ROOM_BYTES
            if until > now and fit:
                return
            room = self.by_event[event_id]
            size -= room.size()
            self._drop(room)

    def _drop(self, room: Room) -> None:
        del self.by_event[room.event_id]
        self._unused.pop(room.event_id, None)
        self._bus.unsubscribe(room.event_id)
        self.presence.end(room)
        self.budget.release(room.event_id)
        room.release()

    async def _loaded_room(self, event_id: str, user: str, own: UserView) -> None:
        """Wait until the room is loaded, for ``user`` or by an earlier request."""
        if event_id in self.by_event:
            # Loaded while the membership was read. A second load would replace a room that may
            # have subscribers.
            return
        if (task := self._loading.get(event_id)) is None:
            task = asyncio.create_task(
                self._load_in_turn(event_id, user, own.records), name=f"load room {event_id}"
            )
            self._loading[event_id] = task
            task.add_done_callback(lambda done: self._loaded(event_id, done))
        # Shielded: the first request may be cancelled while others wait.
        await asyncio.shield(task)

    async def _load_in_turn(self, event_id: str, user: str, records: int) -> None:
        self.budget.check(user)
        charge = partial(self.quotas.charge, user)
        if records > MAX_LIGHT_ROOM_RECORDS:
            await self.work_throttle.run(partial(self._load, event_id, user), charge)
            return
        metered = Metered(self._load(event_id, user))
        try:
            await metered
        finally:
            charge(metered.seconds)

    def _loaded(self, event_id: str, task: asyncio.Task[None]) -> None:
        if self._loading.get(event_id) is task:
            # The load failed, or was cancelled.
            del self._loading[event_id]
        if not task.cancelled():
            # All requests may be cancelled; retrieved, so that asyncio does not log it.
            task.exception()

    async def _load(self, event_id: str, user: str) -> None:
        room = Room(event_id, self.counters.delivery_seconds)
        size = await self._read(room)
        # Without an await before the room is registered. In between, ``enter`` would loop without
        # end: it would await a finished task, which does not suspend.
        del self._loading[event_id]
        # From here on the lanes' steps are applied. Those committed during the read are filled.
        self.by_event[event_id] = room
        self.budget.charge(event_id, user, size)
        self._bus.subscribe(event_id)
        self.presence.begin(room)
        self._unused[event_id] = asyncio.get_running_loop().time() + UNUSED_ROOM_TTL_S
        self.filler.fill(room, "load")

    async def _read(self, room: Room) -> int:
        """Read the view and the last steps before it; return their bytes in memory."""
        try:
            state = await event_reads.room(self._database, room.event_id)
            if state.event_record is None:
                raise FinalError(ErrorCode.NOT_FOUND, details={"path": "event"})
            recent = await event_reads.steps(
                self._database,
                room.event_id,
                epoch=state.epoch,
                after=max(state.seq - MAX_STEPS_AT_LOAD, 0),
                to=state.seq,
            )
        except Exception as err:
            raise unreachable(err) from err
        shown = await gently(growing_document(state, "admin"))
        steps = await gently(steps_of(recent))
        room.reset(state.epoch, state.seq, state.hash, shown)
        room.remember(steps)
        return state.bytes() + room.size()

    # Filling from the journal.

    async def _catch_up(self, room: Room, own: UserView) -> None:
        self.filler.fill(room, "catch_up")
        try:
            async with asyncio.timeout(FILL_TIMEOUT_S):
                while room.epoch != own.epoch or room.seq < own.seq:
                    await room.moves()
        except TimeoutError:
            raise RetryableError(
                ErrorCode.OVERLOADED, retry_after_ms=UNREACHABLE_RETRY_DELAY_MS
            ) from None

    async def _sweep(self) -> None:
        self._drop_unused(asyncio.get_running_loop().time())
        if not self.by_event:
            return
        rooms = dict(self.by_event)
        for top in await event_reads.positions(self._database, list(rooms)):
            del rooms[top.event]
            watched = self.by_event.get(top.event)
            if watched is not None and (top.epoch, top.seq) != (watched.epoch, watched.seq):
                self.filler.fill(watched, "sweep")
        for event_id, room in rooms.items():
            if room.subscriptions and self.by_event.get(event_id) is room:
                self.filler.fill(room, "sweep")
