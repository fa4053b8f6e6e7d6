"""One room as the client holds it: the folded state, its position, its readers.

A view folds what the server sends. It sends nothing, and knows no connection.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import cast

from ayes_client._rooms.callbacks import Callbacks
from ayes_client._rooms.changes import Change, Changes
from ayes_client._rooms.happenings import NAMES, happenings
from ayes_client._wire.backoff import MAX_INTERNAL_TRIES, Backoff
from ayes_client._wire.merge_patch import fold
from ayes_client.command import Ack, Pending
from ayes_client.errors import AyesError, RoomClosed, Stopped
from ayes_client.state import Json, State, You

#: Patches on ``you`` that wait for their diffs. Beyond, the room is subscribed to again: its diffs
#: do not arrive.
MAX_HELD_PATCHES = 64
#: Acked commands of one room that wait for their diffs. Beyond, the oldest is not pending any more:
#: its room is far behind.
MAX_LANDING = 10_000

#: Fields that a message must have: one that lacks them would spoil the state.
_FIELDS: dict[str, dict[str, type]] = {
    "snapshot": {"epoch": str, "seq": int, "state": dict, "you": dict},
    "resumed": {"epoch": str, "seq": int, "patch": dict, "you": dict},
    "diff": {"epoch": str, "seq": int, "patch": dict},
    "you": {"seq": int, "patch": dict},
    "presence": {"online": int},
    "unsubscribed": {"reason": str},
}


class RoomView:
    """The private half of a ``Room``."""

    def __init__(
        self, event: str, backoff: Backoff, landed: Callable[[], None] = lambda: None
    ) -> None:
        self.event = event
        self.state: State = cast(State, {})
        self.you: You = cast(You, {})
        self.seq = -1
        """Position in the event's journal that ``state`` stands at; -1 before the first one."""
        self.epoch = ""
        self.online: int | None = None
        self.live = False
        self.closed: str | None = None
        self.error: AyesError | None = None
        """The error that closed the room, if one did."""
        self.entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Settled by the first state, or by the error that refused the room."""
        # An error is retrieved here, since no task may wait for it.
        self.entered.add_done_callback(lambda future: future.cancelled() or future.exception())
        self.callbacks = Callbacks("change", "you", "presence", "closed", *NAMES)
        self._readers: weakref.WeakSet[Changes] = weakref.WeakSet()
        self._backoff = backoff
        self._internal_errors = 0
        self._held: list[tuple[int, Json]] = []
        """Patches on ``you`` of steps ahead; each is applied together with its diff."""
        self.landing: dict[str, Pending] = {}
        """Commands that were acked at a position ahead; each goes in the moment of its diff."""
        self._landed = landed

    def position(self) -> Json:
        """Return the event and the known position, for ``subscribe`` and ``hello``."""
        known = {"epoch": self.epoch, "seq": self.seq} if self.seq >= 0 else {}
        return {"event": self.event, **known}

    def changes(self) -> Changes:
        """Make a reader."""
        reader = Changes(Change(-1, self.seq, None, "now") if self.seq >= 0 else None)
        if self.closed is not None:
            reader.end(self.error)
        self._readers.add(reader)
        return reader

    def acked(self, pending: Pending, ack: Ack) -> None:
        """Keep a command pending until the room has reached its ack's position."""
        if self.seq < ack.seq:
            self.landing[pending.id] = replace(pending, seq=ack.seq)
            if len(self.landing) > MAX_LANDING:
                del self.landing[next(iter(self.landing))]

    def _land(self, *, everything: bool = False) -> Callable[[], None]:
        """Drop the commands that the room shows now; return the function that reports it."""
        before = len(self.landing)
        self.landing = {
            id: pending
            for id, pending in self.landing.items()
            if not everything and (pending.seq or 0) > self.seq
        }
        return self._landed if len(self.landing) < before else lambda: None

    # What the server sends.

    def apply(self, message: Json) -> bool:
        """Fold a message of this room. Return whether the room must be subscribed to again.

        Raises ``KeyError`` or ``TypeError`` for a message that lacks a field, before anything has
        changed.
        """
        for name, kind in _FIELDS.get(message["type"], {}).items():
            if not isinstance(message[name], kind):
                raise TypeError(f"{name} of a message of type {message['type']}")
        match message["type"]:
            case "snapshot":
                before, shown = self.seq, self.state
                self._begin(message, message["state"])
                self._publish(Change(before, self.seq, None, message.get("reason")), shown)
            case "resumed":
                return self._resume(message)
            case "diff":
                return self._diff(message)
            case "you" if self.seq >= 0:
                self._held.append((message["seq"], message["patch"]))
                for patch in self._fold_held():
                    self.callbacks.call("you", patch)
                if len(self._held) > MAX_HELD_PATCHES:
                    self._held.clear()
                    return True
            case "presence":
                self.online = message["online"]
                self.callbacks.call("presence", self.online)
            case "unsubscribed":
                self.close(message["reason"], None)
        return False

    def _resume(self, message: Json) -> bool:
        before = self.seq
        if message["epoch"] != self.epoch or not message["from"] <= before <= message["seq"]:
            self.seq = -1
            return True
        shown = self.state
        self._begin(message, self._folded(message["patch"]))
        if self.seq > before:
            self._publish(Change(before, self.seq, message["patch"], None), shown)
        return False

    def _diff(self, message: Json) -> bool:
        if self.seq < 0:
            # There is no state to fold it into; the answer to the subscription brings one.
            return False
        if message["epoch"] == self.epoch:
            if message["seq"] <= self.seq:
                return False
            if message["from"] == self.seq:
                shown, self.state = self.state, self._folded(message["patch"])
                before, self.seq = self.seq, message["seq"]
                # ``state`` and ``you`` change in one moment: nobody hears of one before the other.
                patches, tell_landed = self._fold_held(), self._land()
                for patch in patches:
                    self.callbacks.call("you", patch)
                self._publish(Change(before, self.seq, message["patch"], None), shown)
                tell_landed()
                return False
        return True

    def _fold_held(self) -> list[Json]:
        """Apply the held patches of steps that the room has reached, and return them."""
        ready = [patch for seq, patch in self._held if seq <= self.seq]
        self._held = [held for held in self._held if held[0] > self.seq]
        for patch in ready:
            self.you = cast(You, fold(cast(Json, self.you), patch))
        return ready

    def _folded(self, patch: Json) -> State:
        return cast(State, fold(cast(Json, self.state), patch))

    def _begin(self, message: Json, state: State) -> None:
        you = message["you"]
        # Positions of another history say nothing about this one.
        is_other = message["epoch"] != self.epoch
        self.epoch, self.seq, self.state = message["epoch"], message["seq"], state
        changed, self.you = self.you != you, you
        self._held.clear()
        tell_landed = self._land(everything=is_other)
        self.live = True
        self._internal_errors = 0
        self._backoff.reset()
        if not self.entered.done():
            self.entered.set_result(None)
        if changed:
            self.callbacks.call("you", None)
        tell_landed()

    def _publish(self, change: Change, shown: State) -> None:
        """Report ``change``, from the state ``shown`` before it."""
        for reader in tuple(self._readers):
            reader.put(change)
        self.callbacks.call("change", change)
        if self.callbacks.any(*NAMES):
            for name, details in happenings(shown, self.state):
                self.callbacks.call(name, details)

    def retry_delay(self, error: AyesError) -> float | None:
        """Return the seconds until a subscription refused by ``error`` is tried again.

        ``None`` after too many ``internal``, counted over connections until the room is entered.
        """
        if error.code == "internal":
            self._internal_errors += 1
        if self._internal_errors >= MAX_INTERNAL_TRIES:
            return None
        wait = self._backoff.next()
        return wait if error.retry_after_ms is None else error.retry_after_ms / 1000

    # The connection, and the end.

    def connection_lost(self) -> None:
        """Mark the state as the last one known."""
        self.live = False
        self.online = None
        self._held.clear()

    def close(self, reason: str, error: AyesError | None) -> None:
        """End the room. Readers get ``error``, or end."""
        if self.closed is not None:
            return
        self.live = False
        self.closed, self.error = reason, error
        tell_landed = self._land(everything=True)
        if not self.entered.done():
            self.entered.set_exception(error or self.closed_error())
        for reader in tuple(self._readers):
            reader.end(error)
        self.callbacks.call("closed", reason)
        tell_landed()

    def end(self, error: AyesError) -> None:
        """End the room with its client. After ``stop``, readers end without an error."""
        if not self.entered.done():
            self.entered.set_exception(error)
        stopped = isinstance(error, Stopped)
        self.close("client" if stopped else error.code, None if stopped else error)

    def closed_error(self) -> RoomClosed:
        """Make the error that says why the room is closed."""
        return RoomClosed(event=self.event, details={"reason": self.closed})
