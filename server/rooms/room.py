"""A room: one event as its subscribers see it, at the position of the last committed step.

This is the committed view; what a lane holds while it decides is never seen here. Steps come in
from the lane of this node or, where they were committed elsewhere, from the journal. What goes out
is *pulled*: a subscriber that can take bytes gets everything since its position as one merged
patch, made once for all who stand at the same place.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, Protocol

import orjson

from handlers.audiences import COLLECTIONS, Audience, Patches
from protocol import answers, merge_patch
from server.rooms.rendering import Rendering
from server.transport import deflate
from server.transport.frames import frame

#: Steps kept in memory; who comes back from further away is served from the journal.
MAX_STEPS_IN_MEMORY = 2_048
#: Bytes of them as they are encoded, whatever their number: the longest texts make a step of
#: several KiB, and as objects they take a few times as much.
MAX_STEP_BYTES_IN_MEMORY = 4 * 1024 * 1024
#: In a busy room, frames to a socket are at least this far apart: more steps merge into each, and
#: nothing is lost. The first one after a quiet while goes at once.
FRAME_INTERVAL_S = 0.004
#: Merged patches kept: most sockets of a room stand at one of a few positions.
MAX_MERGED_PATCHES = 64
#: Bytes of them, and of their frames; further ones are made for each socket that needs them.
MAX_MERGED_BYTES = 8 * 1024 * 1024


class RoomStep(NamedTuple):
    """A committed step, ready to be told."""

    seq: int
    patches: Patches
    encoded: dict[str, bytes]

    def weight(self) -> int:
        """Its bytes, encoded."""
        return sum(map(len, self.encoded.values()))


class Subscriber(Protocol):
    """A subscription as its room knows it."""

    @property
    def user(self) -> str:
        """The user whose subscription it is."""

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

    def pull(self) -> None:
        """Send the steps since the client's position, if its socket can take them."""


class Room:
    """The committed view of one event, and who watches it."""

    def __init__(self, event_id: str) -> None:
        self.event_id = event_id
        self.generation = 0
        """How often its view was read from the database."""
        self.epoch = ""
        self.seq = 0
        self.document: dict[str, Any] = {}
        """``state`` as members see it."""
        self.for_admins: dict[str, dict[str, Any]] = {"requests": {}, "counts": {}}
        """What admins see beside that; of ``counts``, their own."""
        self.subscriptions: set[Subscriber] = set()
        self.by_user: dict[str, set[Subscriber]] = {}
        self.steps: deque[RoomStep] = deque()
        """The last ones, without a hole, up to ``seq``."""
        self._weight = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._snapshots: dict[Audience, tuple[int, bytes]] = {}
        self._segments: dict[Audience, tuple[bytes, bytes]] = {}
        """A snapshot, and the same compressed."""
        self._renderings: dict[Rendering, Audience] = {}
        """Snapshots that are being made, and of what."""
        self._merged: dict[tuple[int, Audience], bytes] = {}
        self._frames: dict[tuple[int, Audience, bool], bytes] = {}
        self._merged_bytes = 0
        self._flushing: asyncio.TimerHandle | asyncio.Handle | None = None
        self._flushed_at = 0.0

    # Who is there.

    def enter(self, subscription: Subscriber) -> None:
        """Register before reading: what is told from now on is kept for the subscriber."""
        self.subscriptions.add(subscription)
        self.by_user.setdefault(subscription.user, set()).add(subscription)

    def leave(self, subscription: Subscriber) -> None:
        """Nothing of this room goes to ``subscription`` any more."""
        self.subscriptions.discard(subscription)
        own = self.by_user.get(subscription.user)
        if own is not None:
            own.discard(subscription)
            if not own:
                del self.by_user[subscription.user]

    def members_here(self) -> list[str]:
        """The members (each once) with a live subscription on this node."""
        return [
            user
            for user, own in self.by_user.items()
            if any(s.live and s.audience != "applicant" for s in own)
        ]

    # What comes in.

    def reset(self, epoch: str, seq: int, document: dict[str, Any]) -> None:
        """Take a view read from the database; ``document`` is the admins'."""
        self.generation += 1
        self.epoch, self.seq = epoch, seq
        counted = document["counts"].pop("requests", None)
        self.for_admins = {
            "requests": document.pop("requests", {}),
            "counts": {} if counted is None else {"requests": counted},
        }
        self.document = document
        self.steps.clear()
        self._weight = 0
        self._snapshots.clear()
        self._segments.clear()
        for rendering in self._renderings:
            rendering.start_over()
        self._moved()

    def apply(self, steps: Iterable[RoomStep]) -> None:
        """Fold the steps that follow this room's position; older ones are dropped."""
        moved = False
        for step in steps:
            if step.seq <= self.seq:
                continue
            assert step.seq == self.seq + 1
            self.seq = step.seq
            moved = True
            self._remember(step)
            merge_patch.apply(self.document, step.patches.member)
            merge_patch.apply(self.for_admins, step.patches.admin)
            for rendering, audience in self._renderings.items():
                rendering.changed(step.patches.member)
                if audience == "admin":
                    rendering.changed(step.patches.admin)
            self._deliver_own(step)
        if moved:
            self._moved()
            self._schedule_flush()

    def release(self) -> None:
        """Let go of the view: nobody is here any more.

        What still refers to this room, such as the frames of an exception, may live until the
        collector comes by.
        """
        self.document = {}
        self.requests = dict[str, Any]()
        self.steps.clear()
        self._weight = 0
        self._snapshots.clear()
        self._segments.clear()
        self._merged.clear()
        self._frames.clear()
        self._merged_bytes = 0

    def remember(self, steps: Iterable[RoomStep]) -> None:
        """Take along the steps that led to the view that was read."""
        for step in steps:
            self._remember(step)

    def _remember(self, step: RoomStep) -> None:
        self.steps.append(step)
        self._weight += step.weight()
        while len(self.steps) > MAX_STEPS_IN_MEMORY or self._weight > MAX_STEP_BYTES_IN_MEMORY:
            self._weight -= self.steps.popleft().weight()

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

    def _deliver_own(self, step: RoomStep) -> None:
        if everyone := step.patches.everyone:
            for subscription in self.subscriptions:
                subscription.add_own(everyone)
        for user, patch in step.patches.you.items():
            for subscription in tuple(self.by_user.get(user, ())):
                subscription.add_own(patch)

    # What goes out.

    def _schedule_flush(self) -> None:
        if self._flushing is not None or not self.subscriptions:
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
        for subscription in tuple(self.subscriptions):
            subscription.pull()

    def reaches_back_to(self, seq: int) -> bool:
        """Whether memory holds every step after ``seq``."""
        return seq == self.seq or (bool(self.steps) and self.steps[0].seq <= seq + 1)

    def merged(self, after: int, audience: Audience) -> bytes:
        """The steps after ``after`` as one patch, encoded; memory must reach back that far."""
        return self.kept(after, audience, lambda: self._merge(after, audience))

    def kept(self, after: int, audience: Audience, make: Callable[[], bytes]) -> bytes:
        """What ``make`` makes of the steps after ``after``: once, until the room moves."""
        patch = self._merged.get((after, audience))
        if patch is None:
            patch = make()
            if len(self._merged) < MAX_MERGED_PATCHES and self._may_keep(patch):
                self._merged[after, audience] = patch
        return patch

    def since(self, after: int) -> list[RoomStep]:
        """The steps after ``after``; memory must reach back that far."""
        return [self.steps[index] for index in range(after - self.seq, 0)]

    def _merge(self, after: int, audience: Audience) -> bytes:
        steps = self.since(after)
        if not steps:
            return b"{}"
        if len(steps) == 1 and not (audience == "admin" and steps[0].patches.admin):
            label = "applicant" if audience == "applicant" else "member"
            return steps[0].encoded.get(label, b"{}")
        return orjson.dumps(merge(steps, audience))

    def diff_frame(self, after: int, audience: Audience, *, deflates: bool) -> bytes:
        """The frame that takes a subscriber from ``after`` to the top.

        ``deflates``: it may be compressed.
        """
        key = (after, audience, deflates)
        made = self._frames.get(key)
        if made is None:
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
        """Whether ``made`` fits into what is kept until the room moves; if so, it is counted."""
        if self._merged_bytes + len(made) > MAX_MERGED_BYTES:
            return False
        self._merged_bytes += len(made)
        return True

    def records(self) -> int:
        """How many entries the members' state has."""
        return sum(len(self.document[name]) for name in COLLECTIONS)

    def has_snapshot(self, audience: Audience) -> bool:
        """Whether the snapshot of this position is made."""
        made = self._snapshots.get(audience)
        return made is not None and made[0] == self.seq

    async def render(self, audience: Audience) -> None:
        """Make the snapshot of the position at which this returns, a little at a time."""
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
        """``state`` for an audience, encoded once per position."""
        made = self._snapshots.get(audience)
        if made is None or made[0] != self.seq:
            made = self._snapshots[audience] = (self.seq, orjson.dumps(self._state(audience)))
        return made[1]

    def size(self) -> int:
        """Bytes of the snapshots and steps that are kept."""
        return self._weight + sum(len(made) for _, made in self._snapshots.values())

    def segment(self, audience: Audience, snapshot: bytes) -> bytes:
        """``snapshot``, made by this room for ``audience``, compressed once for all who get it."""
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


def merge(steps: Iterable[RoomStep], audience: Audience) -> dict[str, Any]:
    """The steps' patches for an audience as one."""
    merged: dict[str, Any] = {}
    for step in steps:
        if audience == "applicant":
            merge_patch.compose(merged, step.patches.applicant)
            continue
        merge_patch.compose(merged, step.patches.member)
        if audience == "admin":
            merge_patch.compose(merged, step.patches.admin)
    return merged
