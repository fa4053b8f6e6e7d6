"""A room: one event as its subscribers see it, at the position of the last committed step.

It shows committed steps only; a lane's undecided state never appears here. Steps come from this
node's lane or, if another node committed them, from the journal. Output is *pulled*: a subscriber
whose socket takes bytes gets all steps since its position as one merged patch. The patch is encoded
once for all subscribers at that position.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

import orjson

from handlers.audiences import COLLECTIONS, FOR_ADMINS, Audience
from persistence.database.histogram import Histogram
from protocol import answers, merge_patch
from server.rooms.rendering import Rendering
from server.rooms.step_history import EncodedStep, RoomStep, StepHistory
from server.transport import deflate
from server.transport.frames import frame

#: Seconds between two frames to a socket in a busy room, so that more steps merge into each. The
#: first frame after a quiet time is sent at once.
FRAME_INTERVAL_S = 0.004
#: Merged patches in the cache; most sockets of a room are at one of a few positions.
MAX_MERGED_PATCHES = 64
#: Bytes of cached patches and frames; beyond that they are made for each socket again.
MAX_MERGED_BYTES = 8 * 1024 * 1024


class Subscriber(Protocol):
    """A subscription as its room knows it."""

    @property
    def user(self) -> str:
        """The user whose subscription it is."""

    @property
    def seq(self) -> int:
        """The position of its client."""

    @property
    def live(self) -> bool:
        """Whether its client has a snapshot and receives diffs."""

    @property
    def audience(self) -> Audience:
        """The audience whose patches it receives."""

    def add_own(self, patch: dict[str, Any]) -> None:
        """Keep a patch on the user's ``you`` for the next frame."""

    def send_online(self, online: int, message: bytes) -> bool:
        """Send a changed count of connected members; ``False`` if the socket is full."""

    def start_over(self, reason: str) -> None:
        """Ask for a snapshot: the room shows another history."""

    def flush(self, now: float) -> float:
        """Send the steps since the client's position, if its socket can take them.

        Steps may wait for an answer that is due to the socket. Then return the loop's time by which
        to call this again; else 0.
        """


class Room:
    """The committed view of one event, and its subscriptions."""

    def __init__(self, event_id: str, delivery_seconds: Histogram | None = None) -> None:
        self.event_id = event_id
        self._delivery_seconds = Histogram() if delivery_seconds is None else delivery_seconds
        self._committed_at = 0.0
        """When the oldest step that is not flushed yet was committed on this node; 0 if none."""
        self.generation = 0
        """Counts the reads of the view from the database."""
        self.epoch = ""
        self.seq = 0
        self.hash = b""
        """The hash of the event's history up to ``seq``."""
        self.document: dict[str, Any] = {}
        """``state`` of the audience ``member``."""
        self.for_admins: dict[str, dict[str, Any]] = {"counts": {}}
        """The parts of ``state`` that only admins see."""
        self.subscriptions: set[Subscriber] = set()
        self.by_user: dict[str, set[Subscriber]] = {}
        self._history = StepHistory()
        """The last steps, up to ``seq``."""
        self._waiting: list[asyncio.Future[None]] = []
        self._snapshots: dict[Audience, tuple[int, bytes]] = {}
        self._segments: dict[Audience, tuple[bytes, bytes]] = {}
        """A snapshot, and its compressed form."""
        self._renderings: dict[Rendering, Audience] = {}
        """Snapshots in progress, with their audience."""
        self._merged: dict[tuple[int, Audience], bytes] = {}
        self._frames: dict[tuple[int, Audience, bool], bytes] = {}
        self._merged_bytes = 0
        self._flushing: asyncio.TimerHandle | asyncio.Handle | None = None
        self._flushed_at = 0.0
        self._deferred: dict[Subscriber, float] = {}
        """Subscribers whose frame waits for an answer, and the loop's time until which."""
        self._late: asyncio.TimerHandle | None = None
        """The next flush of frames that wait for an answer."""

    # Subscriptions.

    def enter(self, subscription: Subscriber) -> None:
        """Add a subscription. From now on, patches on its user's ``you`` are kept for it."""
        self.subscriptions.add(subscription)
        self.by_user.setdefault(subscription.user, set()).add(subscription)

    def leave(self, subscription: Subscriber) -> None:
        """Remove a subscription."""
        self.subscriptions.discard(subscription)
        own = self.by_user.get(subscription.user)
        if own is not None:
            own.discard(subscription)
            if not own:
                del self.by_user[subscription.user]

    def members_here(self) -> list[str]:
        """Return the members, each once, with a live subscription on this node."""
        return [
            user
            for user, own in self.by_user.items()
            if any(s.live and s.audience != "applicant" for s in own)
        ]

    # Input.

    def reset(self, epoch: str, seq: int, hash: bytes, document: dict[str, Any]) -> None:
        """Show a view that was read from the database; ``document`` is the admins'."""
        self.generation += 1
        self.epoch, self.seq, self.hash = epoch, seq, hash
        counts = document["counts"]
        self.for_admins = {
            **{name: document.pop(name, {}) for name in FOR_ADMINS},
            "counts": {name: counts.pop(name) for name in FOR_ADMINS if name in counts},
        }
        self.document = document
        self._history.clear()
        self._snapshots.clear()
        self._segments.clear()
        for rendering in self._renderings:
            rendering.start_over()
        self._moved()

    def apply(self, steps: Iterable[RoomStep], committed_at: float = 0.0) -> None:
        """Apply the steps after this room's position; ignore older ones.

        ``committed_at``: ``time.monotonic()`` at their COMMIT, if this node sent it.
        """
        later = [step for step in steps if step.seq > self.seq]
        if not later:
            return
        for number, step in enumerate(later, self.seq + 1):
            assert step.seq == number
        self.seq, self.hash = later[-1].seq, later[-1].hash
        span = self._history.add(later)
        merge_patch.apply(self.document, span.member)
        merge_patch.apply(self.for_admins, span.admin)
        for rendering, audience in self._renderings.items():
            rendering.changed(span.member)
            if audience == "admin":
                rendering.changed(span.admin)
        self._moved()
        self._deliver_own(later)
        self._committed_at = self._committed_at or committed_at
        self._schedule_flush()

    def release(self) -> None:
        """Free the view, when the room is dropped.

        References to this room, such as an exception's frames, can outlive it until the next
        garbage collection.
        """
        self.document = {}
        self.for_admins = {"counts": {}}
        self._history.clear()
        self._snapshots.clear()
        self._segments.clear()
        self._merged.clear()
        self._frames.clear()
        self._merged_bytes = 0

    def remember(self, steps: Iterable[RoomStep]) -> None:
        """Keep the steps that led to the view, for clients that resume."""
        self._history.remember(steps)

    @property
    def steps(self) -> Sequence[EncodedStep]:
        """The last steps, without a gap, up to ``seq``."""
        return self._history.steps

    def _moved(self) -> None:
        self._merged.clear()
        self._frames.clear()
        self._merged_bytes = 0
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def moves(self) -> None:
        """Wait until the room's position changes."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def _deliver_own(self, steps: Iterable[RoomStep]) -> None:
        for step in steps:
            if everyone := step.patches.everyone:
                for subscription in self.subscriptions:
                    subscription.add_own(everyone)
            for user, patch in step.patches.you.items():
                for subscription in tuple(self.by_user.get(user, ())):
                    subscription.add_own(patch)

    # Output.

    def _schedule_flush(self) -> None:
        if not self.subscriptions:
            self._committed_at = 0.0
            return
        if self._flushing is not None:
            return
        loop = asyncio.get_running_loop()
        wait = self._flushed_at + FRAME_INTERVAL_S - loop.time()
        if wait <= 0:
            self._flushing = loop.call_soon(self._flush)
        else:
            self._flushing = loop.call_later(wait, self._flush)

    def _flush(self) -> None:
        self._flushing = None
        self._flushed_at = asyncio.get_running_loop().time()
        self._send_to(tuple(self.subscriptions), self._flushed_at)
        committed_at, self._committed_at = self._committed_at, 0.0
        if committed_at:
            self._delivery_seconds.observe(time.monotonic() - committed_at)

    def _send_to(self, subscribers: Iterable[Subscriber], now: float) -> None:
        """Send to all of these but those whose frame waits for an answer."""
        for subscriber in subscribers:
            if until := subscriber.flush(now):
                self._deferred[subscriber] = until
        if self._deferred and self._late is None:
            loop = asyncio.get_running_loop()
            self._late = loop.call_at(min(self._deferred.values()), self._flush_late)

    def _flush_late(self) -> None:
        """Send the frames whose answer did not come in time, and no others."""
        self._late = None
        deferred, self._deferred = self._deferred, {}
        here = [subscriber for subscriber in deferred if subscriber in self.subscriptions]
        self._send_to(here, asyncio.get_running_loop().time())

    def reaches_back_to(self, seq: int) -> bool:
        """Return whether every step after ``seq`` is in memory."""
        steps = self._history.steps
        return seq == self.seq or (bool(steps) and steps[0].seq <= seq + 1)

    def merged(self, after: int, audience: Audience) -> bytes:
        """Return the steps after ``after`` as one encoded patch; they must be in memory."""
        return self.kept(after, audience, lambda: self._history.merge(after, self.seq, audience))

    def kept(self, after: int, audience: Audience, make: Callable[[], bytes]) -> bytes:
        """Return the patch from ``after``, made by ``make`` and cached until the room moves."""
        patch = self._merged.get((after, audience))
        if patch is None:
            patch = make()
            if len(self._merged) < MAX_MERGED_PATCHES and self._may_keep(patch):
                self._merged[after, audience] = patch
        return patch

    def since(self, after: int) -> list[EncodedStep]:
        """Return the steps after ``after``; they must be in memory."""
        return self._history.since(after, self.seq)

    def diff_frame(self, after: int, audience: Audience, *, deflates: bool) -> bytes | None:
        """Return the frame that moves a client from ``after`` to the room's position.

        ``None`` if the steps after ``after`` are no longer in memory. ``deflates``: the frame may
        be compressed.
        """
        key = (after, audience, deflates)
        made = self._frames.get(key)
        if made is None:
            if not self.reaches_back_to(after):
                return None
            diff = answers.diff(
                event=self.event_id,
                epoch=self.epoch,
                from_=after,
                seq=self.seq,
                patch=self.merged(after, audience),
            )
            if deflates and len(diff) >= deflate.MIN_DEFLATE_BYTES:
                made = b"".join(deflate.deflated(deflate.segment(diff)))
            else:
                made = frame(diff)
            if len(self._frames) < MAX_MERGED_PATCHES and self._may_keep(made):
                self._frames[key] = made
        return made

    def _may_keep(self, made: bytes) -> bool:
        """Return whether ``made`` fits into the cache; if so, count its bytes."""
        if self._merged_bytes + len(made) > MAX_MERGED_BYTES:
            return False
        self._merged_bytes += len(made)
        return True

    def records(self) -> int:
        """Return the number of entries in the members' ``state``."""
        return sum(len(self.document[name]) for name in COLLECTIONS)

    def has_snapshot(self, audience: Audience) -> bool:
        """Return whether the snapshot at this position is cached."""
        made = self._snapshots.get(audience)
        return made is not None and made[0] == self.seq

    async def render(self, audience: Audience) -> None:
        """Encode the snapshot in slices; it is of the position at which this returns."""
        if self.has_snapshot(audience):
            return
        rendering = Rendering(partial(self._state, audience))
        self._renderings[rendering] = audience
        try:
            made = await rendering.run()
            self._snapshots[audience] = (self.seq, made)
        finally:
            del self._renderings[rendering]

    def snapshot(self, audience: Audience) -> bytes:
        """Return ``state`` for an audience, encoded once per position."""
        made = self._snapshots.get(audience)
        if made is None or made[0] != self.seq:
            made = self._snapshots[audience] = (self.seq, orjson.dumps(self._state(audience)))
        return made[1]

    def size(self) -> int:
        """Return the bytes of the cached snapshots and of the steps in memory."""
        return self._history.weight + sum(len(made) for _, made in self._snapshots.values())

    def segment(self, audience: Audience, snapshot: bytes) -> bytes:
        """Return this room's ``snapshot`` compressed, once for all its receivers."""
        made = self._segments.get(audience)
        if made is None or made[0] is not snapshot:
            made = self._segments[audience] = (snapshot, deflate.segment(snapshot))
        return made[1]

    def _state(self, audience: Audience) -> dict[str, Any]:
        if audience == "admin":
            counts = self.document["counts"] | self.for_admins["counts"]
            return self.document | self.for_admins | {"counts": counts}
        if audience == "member":
            return self.document
        event = self.document["event"]
        shown: dict[str, Any] = {
            name: {} for name in self.document if isinstance(self.document[name], dict)
        }
        shown.pop("results", None)
        return shown | {"event": {key: event[key] for key in ("id", "subject", "status")}}
