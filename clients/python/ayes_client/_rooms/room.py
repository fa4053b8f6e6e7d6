"""One event for the users of a client: what the room shows, and the commands given there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Literal, TypeAlias

from ayes_client._rooms.acts import RoomCommands, Sender
from ayes_client._rooms.callbacks import Callback
from ayes_client._rooms.changes import Change, Changes
from ayes_client._rooms.counting import tally_of
from ayes_client._rooms.view import RoomView
from ayes_client.command import Pending
from ayes_client.state import State, You
from ayes_client.tally import Tally

RoomCallbackName: TypeAlias = Literal["change", "you", "presence", "closed"]


class Room(RoomCommands):
    """An event's room. It stays the same object until the room is left.

    ``state`` and ``you`` are new objects after each change, and never changed in place. While there
    is no connection, ``live`` is false and ``state`` is the last one known. ``async for change in
    room`` begins with the present state.
    """

    def __init__(self, sender: Sender, view: RoomView) -> None:
        self._sender = sender
        self._view = view

    def __repr__(self) -> str:
        return f"<Room {self.event} at #{self.seq}>"

    # Reading.

    @property
    def event(self) -> str:
        """The event's id."""
        return self._view.event

    @property
    def state(self) -> State:
        """What the room shows."""
        return self._view.state

    @property
    def you(self) -> You:
        """What is the user's alone: membership, votes, ballot."""
        return self._view.you

    @property
    def seq(self) -> int:
        """The position in the event's journal that ``state`` stands at; -1 before the first one."""
        return self._view.seq

    @property
    def epoch(self) -> str:
        """The history that ``seq`` counts in."""
        return self._view.epoch

    @property
    def online(self) -> int | None:
        """Members connected now, once the server has sent the number."""
        return self._view.online

    @property
    def live(self) -> bool:
        """Whether ``state`` follows the server at present."""
        return self._view.live

    @property
    def closed(self) -> str | None:
        """Why the room is closed: ``client``, ``left``, ``removed``, ``revoked``, or a code."""
        return self._view.closed

    def on(self, what: RoomCallbackName, callback: Callback) -> Callable[[], None]:
        """Call ``callback`` whenever ``what`` happens; return a function that removes it.

        ``change``: with the ``Change``. ``you``: with the patch, or ``None`` if ``you`` came whole.
        ``presence``: with the number of members online. ``closed``: with the reason.
        """
        return self._view.callbacks.add(what, callback)

    def __aiter__(self) -> AsyncIterator[Change]:
        return self.changes()

    def changes(self) -> Changes:
        """Make a reader with a pace of its own.

        It ends when the room is left or closed, and raises the error that ended the client.
        """
        return self._view.changes()

    async def reached(self, seq: int) -> None:
        """Wait until ``state`` holds step ``seq``, such as that of an ack.

        Raises the error that ended the room, or ``RoomClosed``.
        """
        if self.seq >= seq:
            return
        async for change in self.changes():
            if change.seq >= seq:
                return
        raise self._view.closed_error()

    # What the votes say, with those on their way.

    @property
    def pending(self) -> list[Pending]:
        """The user's commands to this event that the room does not show yet, oldest first."""
        return self._sender._pending_in(self.event)

    def tally(self, proposal: str) -> Tally:
        """Return how the votes on ``proposal`` stand, the user's own counted once.

        Raises ``NotFound`` if the room does not show it.
        """
        self.shown("proposals", proposal)
        return tally_of(proposal, self.state, self.you, self.pending)

    async def leave(self) -> None:
        """Leave the room, not the event. It needs no connection."""
        await self._sender._leave(self)
