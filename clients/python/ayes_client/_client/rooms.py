"""Entering rooms and leaving them."""

from __future__ import annotations

import asyncio

from ayes_client._client.commands import CommandGiver
from ayes_client._connection.connector import Connector
from ayes_client._rooms.acts import RoomCommands
from ayes_client._rooms.registry import RoomRegistry
from ayes_client._rooms.room import Room


class RoomKeeper(CommandGiver):
    """What ``Client`` has for rooms."""

    _rooms: RoomRegistry
    _connector: Connector

    async def subscribe(self, event: str) -> Room:
        """Enter the room of ``event``. Until it is left, the same event gives the same object.

        Raises ``NotFound``, ``NotAMember``, ``LimitReached``, ``Internal``.
        """
        if self._final is not None:
            raise self._ending()
        view = self._rooms.views.get(event)
        if view is None:
            view = self._rooms.add(event, self)
            self._connector.subscribe(view)
        room = self._rooms.rooms[event]
        await asyncio.shield(view.entered)
        return room

    async def _leave(self, room: RoomCommands) -> None:
        view = self._rooms.views.get(room.event)
        if view is not None and self._rooms.rooms[room.event] is room:
            self._rooms.remove(room.event)
            self._connector.unsubscribe(view)
            view.close("client", None)
