"""The rooms that a client is in, by event."""

from __future__ import annotations

from collections.abc import Callable

from ayes_client._rooms.acts import Sender
from ayes_client._rooms.room import Room
from ayes_client._rooms.view import RoomView
from ayes_client._wire.backoff import Backoff
from ayes_client.command import Ack, Pending


class RoomRegistry:
    """Each room twice: ``rooms`` for users, ``views`` for the connection.

    Both have the same keys. ``landed`` is called when a room shows what was acked before.
    """

    def __init__(
        self, new_backoff: Callable[[], Backoff], landed: Callable[[], None] = lambda: None
    ) -> None:
        self._new_backoff = new_backoff
        self._landed = landed
        self.rooms: dict[str, Room] = {}
        self.views: dict[str, RoomView] = {}

    def add(self, event: str, sender: Sender) -> RoomView:
        """Make the room of ``event``."""
        view = self.views[event] = RoomView(event, self._new_backoff(), self._landed)
        self.rooms[event] = Room(sender, view)
        return view

    def remove(self, event: str) -> RoomView | None:
        """Take a room out, and return its view."""
        self.rooms.pop(event, None)
        return self.views.pop(event, None)

    def acked(self, pending: Pending, ack: Ack) -> None:
        """Keep an acked command pending until its room shows it, if there is one."""
        if (view := self.views.get(ack.event)) is not None:
            view.acked(pending, ack)

    def clear(self) -> list[RoomView]:
        """Take all rooms out, and return their views."""
        self.rooms.clear()
        views = list(self.views.values())
        self.views.clear()
        return views
