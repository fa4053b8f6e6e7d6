"""Entering rooms and leaving them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Unpack, cast

from ayes_client._client.commands import CommandGiver
from ayes_client._connection.connector import Connector
from ayes_client._rooms.acts import RoomCommands
from ayes_client._rooms.registry import RoomRegistry
from ayes_client._rooms.room import Room
from ayes_client._typed.args import EventCreate, MembershipJoin, PolicyPatch
from ayes_client._typed.known import check_options
from ayes_client._wire.moments import text_of
from ayes_client.command import CommandOptions
from ayes_client.state import Json


class RoomKeeper(CommandGiver):
    """The methods of ``Client`` for rooms."""

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

    async def create_event(
        self,
        subject: str,
        *,
        options: Iterable[str] = (),
        assumptions: Iterable[str] = (),
        criteria: Iterable[str] = (),
        policy: PolicyPatch | None = None,
        max_members: int | None = None,
        entrance_code: str | None = None,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        organiser: bool = False,
        **options_of_command: Unpack[CommandOptions],
    ) -> Room:
        """Make an event, enter its room, and return the room once it shows the event.

        ``organiser``: the user runs the event and has no vote in it. Times have a zone. ``id`` and
        the other options are those of ``command``. The ``id`` of an earlier call makes no second
        event: its room is entered.

        Raises what ``command`` and ``subscribe`` do, and ``RoomClosed``.
        """
        check_options(options_of_command, self.create_event)
        lists = {"options": options, "assumptions": assumptions, "criteria": criteria}
        times = {"starts_at": starts_at, "ends_at": ends_at}
        given: Json = {
            **{name: list(texts) for name, texts in lists.items()},
            **{name: text_of(moment) for name, moment in times.items() if moment is not None},
            "max_members": max_members,
            "entrance_code": entrance_code,
            "policy": policy,
            "as": "organiser" if organiser else None,
        }
        wanted = {name: value for name, value in given.items() if value not in (None, [], {})}
        args = cast(EventCreate, {"subject": subject, **wanted})
        ack = await self.command("event.create", args, **options_of_command)
        room = await self.subscribe(ack.event)
        await room.reached(ack.seq)
        return room

    async def join(
        self,
        code: str | None = None,
        *,
        invitation: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> Room:
        """Join by an entrance code, or by the secret of an invitation, and enter the room.

        If an admin lets people in, ``room.you["membership"]["status"]`` is ``pending`` until that.
        Raises what ``command`` and ``subscribe`` do.
        """
        args: MembershipJoin = {"code": code} if invitation is None else {"invitation": invitation}
        ack = await self.command("membership.join", args, **options)
        return await self.subscribe(ack.event)

    async def _leave(self, room: RoomCommands) -> None:
        view = self._rooms.views.get(room.event)
        if view is not None and self._rooms.rooms[room.event] is room:
            self._rooms.remove(room.event)
            self._connector.unsubscribe(view)
            view.close("client", None)
