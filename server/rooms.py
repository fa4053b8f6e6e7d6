"""All rooms of this node: loaded when someone enters, told by the lanes, held against the database.

What a lane commits is told here at once. What another process commits shows in the sweep, which
compares the tops of all rooms with the database; a hole in ``seq`` is filled from the journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from handlers.audiences import Audience, Patches, document
from handlers.decide import StepRecord
from persistence import reading
from persistence.database import Database
from persistence.failures import Failures
from persistence.faults import Fault, fault_of
from persistence.periodic import Periodic
from persistence.reading import Own, Stored
from protocol import merge_patch
from protocol.errors import ErrorCode, Refusal, Rejection
from server.bus import Bus, Hint, Told
from server.gather import Gather
from server.history import PAGE, BrokenWay, History, Stretch
from server.presence import Presence
from server.room import Room, RoomStep
from server.subscription import Subscription

log = logging.getLogger("ayes.rooms")

#: Seconds between two comparisons of the rooms' tops with the database.
SWEEP_SECONDS = 1.0
#: Longest that a reader waits until the room has what the database told it.
CATCH_UP_SECONDS = 5.0
#: Steps read from the journal in one statement.
JOURNAL_PAGE = 1_000
#: Steps a room takes along from the journal when it is loaded, for those who come back.
STEPS_AT_LOAD = 512
#: Who is further back than this is served from the folded journal, though memory may reach there:
#: what is merged in one go, for one client, is bounded by it.
FAR = 2 * PAGE
#: Asked of a client when the database is out of reach.
RETRY_AFTER_MS = 1_000

_patches = msgspec.json.Decoder(Patches)
_texts = msgspec.json.Decoder(dict[str, msgspec.Raw])


def step_of(stored: Stored) -> RoomStep:
    """A step as the journal has it, ready to be told."""
    texts = {label: bytes(text) for label, text in _texts.decode(stored.patches).items()}
    return RoomStep(stored.seq, _patches.decode(stored.patches), texts)


class Way(NamedTuple):
    """What takes a client from ``after`` to ``at``, from where the room's memory goes on."""

    after: int
    at: int
    stretches: list[Stretch]

    def patch(self, room: Room, audience: Audience) -> bytes:
        """All of it up to the room's position as one patch, encoded."""
        if not self.stretches:
            return room.merged(self.at, audience)
        return room.kept(self.after, audience, lambda: self._patch(room, audience))

    def _patch(self, room: Room, audience: Audience) -> bytes:
        patch: dict[str, Any] = {}
        for stretch in self.stretches:
            merge_patch.compose(patch, stretch.patch(audience))
        rest = orjson.loads(room.merged(self.at, audience))
        return orjson.dumps(merge_patch.compose(patch, rest))

    def regrades(self, room: Room, user: str) -> bool:
        """Whether what ``user`` may see is not what they could see before."""
        return any(user in stretch.regraded for stretch in self.stretches) or any(
            "membership" in step.patches.you.get(user, ()) for step in room.since(self.at)
        )


class RoomRegistry:
    """The rooms somebody on this node is in."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus
        self._rooms: dict[str, Room] = {}
        self._loading: dict[str, asyncio.Task[Room]] = {}
        self._filling: dict[str, asyncio.Task[None]] = {}
        self._wanted: dict[str, int] = {}
        """Positions that were heard of while their room was being filled: it may have read less."""
        self._history = History(database)
        self._own: Gather[tuple[str, str], Own] = Gather(self._fetch_own)
        self.sweeper = Periodic("room sweep", SWEEP_SECONDS, self._sweep)
        self.fills = Failures("room fill")
        self.presence = Presence(bus)

    async def start(self) -> None:
        """Begin to hear of other nodes' steps, by the bus and by the sweep."""
        await self._bus.start(self._heard)
        self.sweeper.start()

    async def stop(self) -> None:
        """End the sweep and whatever is still being read."""
        await self._bus.stop()
        await self.sweeper.stop()
        tasks: list[asyncio.Task[Any]] = [*self._loading.values(), *self._filling.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._history.stop()

    def count(self) -> int:
        """How many rooms there are."""
        return len(self._rooms)

    # Told by the lanes.

    def publish(self, event_id: str, epoch: str, steps: Sequence[StepRecord]) -> None:
        """Take committed steps; a hole before them is filled from the journal."""
        self._bus.tell(Hint(event_id, epoch, steps[-1].seq))
        room = self._rooms.get(event_id)
        if room is None:
            return
        self._take(room, epoch, [RoomStep(s.seq, s.patches, s.encoded) for s in steps])

    def suspect(self, event_id: str) -> None:
        """Steps may have been committed that nobody published: look."""
        room = self._rooms.get(event_id)
        if room is not None:
            self._fill(room)

    def _heard(self, told: Told) -> None:
        """Another node says that an event has moved, or who is connected to it there."""
        room = self._rooms.get(told.event)
        if room is None:
            return
        if not isinstance(told, Hint):
            self.presence.hear(room, told, asyncio.get_running_loop().time())
            return
        if not told.epoch:
            self.presence.begin(room)
        if told.epoch != room.epoch or told.seq > room.seq:
            self._fill(room, told.seq)

    def _take(self, room: Room, epoch: str, steps: list[RoomStep]) -> None:
        if epoch != room.epoch or steps[0].seq > room.seq + 1:
            self._fill(room, steps[-1].seq)
            return
        try:
            room.apply(steps)
        except Exception:
            log.exception("event %s: a step could not be applied; loading again", room.event_id)
            # No stored epoch is empty: what the room shows may be half of a step.
            room.epoch = ""
            self._fill(room)

    # Entering and leaving.

    async def enter(self, event_id: str, subscription_of: Any) -> tuple[Subscription, Own]:
        """Register a subscription, then read what is its owner's.

        ``subscription_of(room)`` makes it. Returns it with the owner's standing, the room being at
        least at the position that was read. Raises ``not_found`` or ``not_a_member``,
        ``overloaded`` where the database is out of reach.
        """
        while True:
            room = await self._room(event_id)
            # It may have been emptied, and forgotten, while this waited for it.
            if self._rooms.get(event_id) is room:
                break
        subscription: Subscription = subscription_of(room)
        room.enter(subscription)
        try:
            return subscription, await self.standing(room, subscription.user)
        except BaseException:
            self.leave(subscription)
            raise

    async def standing(self, room: Room, user: str) -> Own:
        """What is ``user``'s own, the room being at least at that position."""
        while True:
            generation = room.generation
            own = await self._ask_own(room.event_id, user)
            if own is None or own.membership is None:
                raise Refusal(ErrorCode.NOT_FOUND, details={"path": "event"})
            if own.membership.status not in ("accepted", "pending"):
                raise Refusal(ErrorCode.NOT_A_MEMBER, details={"status": own.membership.status})
            if room.generation != generation:
                # It started over meanwhile: what was read may be from before a restore.
                continue
            if own.epoch != room.epoch or own.seq > room.seq:
                await self._catch_up(room, own)
            return own

    def leave(self, subscription: Subscription) -> None:
        """Take a subscription out; the last one takes the room along."""
        room = subscription.room
        subscription.live = False
        room.leave(subscription)
        self.presence.touch(room)
        if not room.subscriptions and self._rooms.get(room.event_id) is room:
            self._drop(room)

    def _drop(self, room: Room) -> None:
        del self._rooms[room.event_id]
        self._bus.unwatch(room.event_id)
        self.presence.end(room)

    async def _room(self, event_id: str) -> Room:
        room = self._rooms.get(event_id)
        if room is not None:
            return room
        task = self._loading.get(event_id)
        if task is None:
            task = asyncio.create_task(self._load(event_id), name=f"load room {event_id}")
            self._loading[event_id] = task
            task.add_done_callback(lambda done: self._loaded(event_id, done))
        return await asyncio.shield(task)

    def _loaded(self, event_id: str, task: asyncio.Task[Room]) -> None:
        if self._loading.get(event_id) is task:
            # It failed, or was cancelled.
            del self._loading[event_id]
        if not task.cancelled():
            # All who asked may be gone; take the exception, so that it is not logged as lost.
            task.exception()

    async def _load(self, event_id: str) -> Room:
        room = Room(event_id)
        await self._read(room)
        # In the same step as the room is registered, and not in a callback after it: an ``enter``
        # between the two would await a task that is done, which does not suspend, for ever.
        del self._loading[event_id]
        # From here on the lanes' steps come in; what was committed while it was read is filled.
        self._rooms[event_id] = room
        self._bus.watch(event_id)
        self.presence.begin(room)
        self._fill(room)
        return room

    async def _read(self, room: Room) -> None:
        """The view, and the last steps before it, from the database."""
        try:
            state = await reading.room(self._database, room.event_id)
            if state.event_record is None:
                raise Refusal(ErrorCode.NOT_FOUND, details={"path": "event"})
            recent = await reading.steps(
                self._database,
                room.event_id,
                after=max(state.seq - STEPS_AT_LOAD, 0),
                to=state.seq,
            )
        except Exception as err:
            raise unreachable(err) from err
        room.reset(state.epoch, state.seq, document(state, "admin"))
        room.remember(step_of(stored) for stored in recent)

    async def _ask_own(self, event_id: str, user: str) -> Own | None:
        try:
            return await self._own.ask((event_id, user))
        except Exception as err:
            raise unreachable(err) from err

    async def _fetch_own(self, keys: list[tuple[str, str]]) -> dict[tuple[str, str], Own]:
        found = await reading.own(self._database, keys)
        return {(own.event, own.user): own for own in found}

    # Catching up with what was committed elsewhere, or while nobody looked.

    async def _catch_up(self, room: Room, own: Own) -> None:
        self._fill(room)
        try:
            async with asyncio.timeout(CATCH_UP_SECONDS):
                while room.epoch != own.epoch or room.seq < own.seq:
                    await room.moves()
        except TimeoutError:
            raise Rejection(ErrorCode.OVERLOADED, retry_after_ms=RETRY_AFTER_MS) from None

    def _fill(self, room: Room, to: int = 0) -> None:
        """Bring ``room`` to the top, which is ``to`` at least, where that is known."""
        event_id = room.event_id
        if event_id in self._filling:
            self._wanted[event_id] = max(self._wanted.get(event_id, 0), to or room.seq + 1)
            return
        task = asyncio.create_task(self._fill_from_journal(room), name="fill room")
        self._filling[event_id] = task
        task.add_done_callback(lambda done: self._filled(event_id, done))

    def _filled(self, event_id: str, task: asyncio.Task[None]) -> None:
        self._filling.pop(event_id, None)
        wanted = self._wanted.pop(event_id, 0)
        room = self._rooms.get(event_id)
        if room is not None and wanted > room.seq and not task.cancelled():
            self._fill(room)

    async def _fill_from_journal(self, room: Room) -> None:
        """Bring ``room`` to the top; a new epoch, or a database behind it, is a new view."""
        try:
            await self._to_the_top(room)
        except Exception as err:
            # The next sweep tries again.
            self.fills.failed(err, f"event {room.event_id}")
        else:
            self.fills.succeeded()

    async def _to_the_top(self, room: Room) -> None:
        while True:
            # What this node commits while the top is read is not lost data.
            told = room.seq
            tops = await reading.tops(self._database, [room.event_id])
            if not tops:
                return
            top = tops[0]
            if top.epoch != room.epoch or top.seq < told:
                await self._start_over(room, top.epoch)
                return
            if top.seq <= room.seq:
                return
            to = min(top.seq, room.seq + JOURNAL_PAGE)
            stored = await reading.steps(self._database, room.event_id, after=room.seq, to=to)
            room.apply([step_of(line) for line in stored])

    async def _start_over(self, room: Room, epoch: str) -> None:
        """What this room told is not what the database holds: everybody gets a snapshot."""
        reason = "epoch"
        if epoch == room.epoch:
            reason = "ahead"
            log.critical(
                "event %s: the database is behind what was told: committed data was lost",
                room.event_id,
            )
        await self._read(room)
        for subscription in tuple(room.subscriptions):
            subscription.start_over(reason)

    def _drop_empty(self) -> None:
        """Drop the rooms without a subscription: their client left while they were loaded."""
        for room in list(self._rooms.values()):
            if not room.subscriptions:
                self._drop(room)

    async def _sweep(self) -> None:
        self._drop_empty()
        if not self._rooms:
            return
        for top in await reading.tops(self._database, list(self._rooms)):
            watched = self._rooms.get(top.event)
            if watched is not None and (top.epoch, top.seq) != (watched.epoch, watched.seq):
                self._fill(watched)

    async def way(self, room: Room, after: int) -> Way | None:
        """From ``after`` up to where the room's memory goes on, folded from the journal.

        ``None`` where there is no way from there. Raises ``overloaded`` and ``busy``.
        """
        epoch, at = room.epoch, after
        stretches: list[Stretch] = []
        # Looked at again after each: the room moves on while the journal is read.
        while room.seq - at > FAR or not room.reaches_back_to(at):
            to = room.seq - room.seq % PAGE
            if to <= at:
                to = room.steps[0].seq - 1 if room.steps else room.seq
            try:
                stretches.append(await self._history.stretch(room.event_id, epoch, at, to))
            except BrokenWay:
                return None
            except Exception as err:
                raise unreachable(err) from err
            if room.epoch != epoch or room.seq < to:
                return None
            at = to
        return Way(after, at, stretches)


def unreachable(err: Exception) -> Exception:
    """``overloaded`` where the database is out of reach or too busy; anything else as it is."""
    if fault_of(err) in (None, Fault.REFUSED):
        return err
    return Rejection(ErrorCode.OVERLOADED, retry_after_ms=RETRY_AFTER_MS)
