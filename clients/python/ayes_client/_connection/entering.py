"""The rooms of one socket: which were asked for, and what the server says of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from ayes_client._rooms.room import Room
from ayes_client.errors import NeedsAuth, from_message
from ayes_client.state import Json

#: Seconds that a room may stay behind the position of a heartbeat before it is asked for again.
BEHIND_SECONDS = 1.0
#: Seconds until a room is asked for again, where a new token is needed first.
NEW_TOKEN_SECONDS = 1.0


class Entering:
    """``rooms``: those of the client, by event. ``say`` sends on this socket, while it is there;
    ``expired`` is called where the token has to be renewed.
    """

    def __init__(
        self,
        rooms: dict[str, Room],
        say: Callable[[Json], None],
        expired: Callable[[], None],
    ) -> None:
        self._rooms = rooms
        self._say = say
        self._expired = expired
        self._loop = asyncio.get_running_loop()
        self._refs = itertools.count(1)
        self._asked: dict[str, tuple[Room, float]] = {}
        self._put_off: set[Room] = set()
        self._open = True

    def close(self) -> None:
        """The socket is gone."""
        self._open = False

    def resume(self) -> list[Json]:
        """The rooms and how far each is known, for ``hello``."""
        now = self._loop.time()
        self._asked = {f"hello-{event}": (room, now) for event, room in self._rooms.items()}
        return [position(room) for room in self._rooms.values()]

    def ask(self, room: Room) -> None:
        """Subscribe, from where the room stands; once at a time, and not while it is put off."""
        if room in self._put_off or any(asked is room for asked, _ in self._asked.values()):
            return
        ref = f"room-{next(self._refs)}"
        self._asked[ref] = (room, self._loop.time())
        self._say({"type": "subscribe", "ref": ref, **position(room)})

    def leave(self, room: Room) -> None:
        """Unsubscribe."""
        self._answered(room)
        self._say({"type": "unsubscribe", "ref": f"leave-{next(self._refs)}", "event": room.event})

    def overdue(self, now: float, patience: float) -> None:
        """Ask again for what was asked for ``patience`` seconds ago."""
        for ref, (room, since) in list(self._asked.items()):
            if now - since > patience:
                del self._asked[ref]
                self.ask(room)

    # What the server says.

    def take(self, message: Json) -> None:
        """A message of a room."""
        kind = message["type"]
        if kind == "unsubscribed" and "ref" in message:
            # The answer to a leave; there may be a new room of this event by now.
            return
        room = self._rooms.get(message["event"])
        if room is None:
            return
        if kind in ("snapshot", "resumed", "unsubscribed"):
            self._answered(room)
        if kind == "unsubscribed":
            del self._rooms[room.event]
        if room._take(message):
            self.ask(room)

    def refuse(self, message: Json) -> bool:
        """An error; whether it was about a room."""
        ref = message.get("ref")
        if ref is None:
            room = self._rooms.get(message.get("event", ""))
        else:
            room = self._asked.get(str(ref), (None,))[0]
        if room is None:
            return False
        self._answered(room)
        error = from_message(message)
        if error.retry == "same" and (wait := room._put_off(error)) is not None:
            self._ask_later(room, wait)
        elif isinstance(error, NeedsAuth):
            self._expired()
            self._ask_later(room, NEW_TOKEN_SECONDS)
        else:
            self._rooms.pop(room.event, None)
            room._close(error.code, error)
        return True

    def compare(self, positions: dict[str, Any]) -> None:
        """A heartbeat tells each room's top: where we are not there soon, something was lost."""
        for event, (epoch, seq) in positions.items():
            room = self._rooms.get(event)
            if room is None or room.seq < 0:
                continue
            if room.epoch != epoch:
                self.ask(room)
            elif room.seq < seq:
                self._loop.call_later(BEHIND_SECONDS, self._still_behind, room, seq)

    def _still_behind(self, room: Room, seq: int) -> None:
        if self._open and self._rooms.get(room.event) is room and 0 <= room.seq < seq:
            self.ask(room)

    def _ask_later(self, room: Room, wait: float) -> None:
        self._put_off.add(room)
        self._loop.call_later(wait, self._ask_again, room)

    def _ask_again(self, room: Room) -> None:
        self._put_off.discard(room)
        if self._open and self._rooms.get(room.event) is room:
            self.ask(room)

    def _answered(self, room: Room) -> None:
        for ref in [ref for ref, (asked, _) in self._asked.items() if asked is room]:
            del self._asked[ref]


def position(room: Room) -> Json:
    """How far a room is known, for ``subscribe`` and ``hello``."""
    known = {"epoch": room.epoch, "seq": room.seq} if room.seq >= 0 else {}
    return {"event": room.event, **known}
