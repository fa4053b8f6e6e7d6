"""The rooms that a client is in, by event."""

from __future__ import annotations

from collections.abc import Callable

from ayes_client._rooms.room import Room, Sender
from ayes_client._rooms.view import RoomView
from ayes_client._wire.backoff import Backoff


class RoomRegistry:
    """Each room twice: ``rooms`` for users, ``views`` for the connection.

    Both have the same keys.
    """

    def __init__(self, new_backoff: Callable[[], Backoff]) -> None:
        self._new_backoff = new_backoff
        self.rooms: dict[str, Room] = {}
        self.views: dict[str, RoomView] = {}

    def add(self, event: str, sender: Sender) -> RoomView:
        """Make the room of ``event``."""
        view = self.views[event] = RoomView(event, self._new_backoff())
        self.rooms[event] = Room(sender, view)
        return view

    def remove(self, event: str) -> RoomView | None:
        """Take a room out, and return its view."""
        self.rooms.pop(event, None)
        return self.views.pop(event, None)

    def clear(self) -> list[RoomView]:
        """Take all rooms out, and return their views."""
        self.rooms.clear()
        views = list(self.views.values())
        self.views.clear()
        return views
