"""One event for the users of a client: what the room shows, and the commands given there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, Literal, Self, TypeAlias, TypeVar, overload

from ayes_client._rooms.acts import RoomCommands, Sender
from ayes_client._rooms.changes import Change, Changes
from ayes_client._rooms.counting import decided_of, tally_of
from ayes_client._rooms.proposing import Proposing
from ayes_client._rooms.view import RoomView
from ayes_client._rooms.waiting import until as wait_until
from ayes_client.command import Pending
from ayes_client.errors import BadRequest, NotFound, Refused, RoomClosed
from ayes_client.happenings import EventFinished, MemberJoined, ProposalDecided
from ayes_client.state import Json, State, You
from ayes_client.tally import Decided, Tally

T = TypeVar("T")
#: Seconds for the room to show the user's own acked steps. Beyond, an act takes what it shows.
CATCH_UP_TIMEOUT_S = 10.0
#: Removes the callback.
Undo: TypeAlias = Callable[[], None]


class Room(RoomCommands):
    """An event's room. It stays the same object until the room is left.

    ``state`` and ``you`` are new objects after each change, and never changed in place. While there
    is no connection, ``live`` is false and ``state`` is the last one known. ``async for change in
    room`` begins with the present state.
    """

    def __init__(self, sender: Sender, view: RoomView) -> None:
        self._sender = sender
        self._view = view
        self.propose = Proposing(self)
        """Proposes any change; ``room.propose.assumption(…)`` and its like, a new item."""

    def __repr__(self) -> str:
        return f"<Room {self.event} at #{self.seq}>"

    # Reading.

    @property
    def event(self) -> str:
        """The event's id."""
        return self._view.event

    @property
    def state(self) -> State:
        """The room's present state."""
        return self._view.state

    @property
    def you(self) -> You:
        """The part that the user alone sees: membership, votes, ballot."""
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

    @overload
    def on(self, what: Literal["change"], callback: Callable[[Change], object]) -> Undo: ...
    @overload
    def on(self, what: Literal["you"], callback: Callable[[Json | None], object]) -> Undo: ...
    @overload
    def on(self, what: Literal["presence"], callback: Callable[[int], object]) -> Undo: ...
    @overload
    def on(self, what: Literal["closed"], callback: Callable[[str], object]) -> Undo: ...
    @overload
    def on(
        self, what: Literal["decided"], callback: Callable[[ProposalDecided], object]
    ) -> Undo: ...
    @overload
    def on(self, what: Literal["joined"], callback: Callable[[MemberJoined], object]) -> Undo: ...
    @overload
    def on(
        self, what: Literal["finished"], callback: Callable[[EventFinished], object]
    ) -> Undo: ...
    def on(self, what: str, callback: Callable[[Any], object]) -> Undo:
        """Call ``callback`` whenever ``what`` happens; return a function that removes it.

        ``change``: with the ``Change``. ``you``: with the patch, or ``None`` if ``you`` came whole.
        ``presence``: with the number of members online. ``closed``: with the reason. ``decided``,
        ``joined``, ``finished``: with ``ProposalDecided``, ``MemberJoined`` and ``EventFinished``,
        also for what happened while there was no connection.
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

    async def _caught_up(self) -> None:
        """Wait until the room shows each step of the user's own that was acked, but not long.

        No order is promised between an ack and the step in the room. Raises the error that ended
        the room, or ``RoomClosed``.
        """
        own = max((one.seq for one in self.pending if one.seq is not None), default=-1)
        with contextlib.suppress(TimeoutError):
            await wait_until(self._view, lambda: self.seq >= own, CATCH_UP_TIMEOUT_S)

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

    # Waiting.

    async def until(self, look: Callable[[Self], T], *, timeout: float | None = None) -> T:  # noqa: ASYNC109
        """Wait until ``look(room)`` is true, and return what it returned.

        It is called now and after each change, so nothing passes unseen. Raises what it raises,
        ``TimeoutError`` after ``timeout`` seconds, and the error that ended the room or
        ``RoomClosed``.
        """
        return await wait_until(self._view, lambda: look(self), timeout)

    async def decided(self, proposal: str, *, timeout: float | None = None) -> Decided:  # noqa: ASYNC109
        """Wait until ``proposal`` is closed, and return how.

        ``timeout`` is in seconds. Raises as ``until`` does, and ``NotFound`` if the event has no
        such proposal.
        """

        def look() -> Decided | None:
            found = self.state["proposals"].get(proposal)
            return None if found is None else decided_of(found)

        what = f"proposal {proposal} was not decided"
        try:
            async with asyncio.timeout(timeout) as limit:
                if proposal not in self.state["proposals"]:
                    await self._exists(proposal)
                found = await wait_until(self._view, look, None)
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimeoutError(f"{what} within {timeout:g} s") from None
        assert found is not None
        return found

    async def _exists(self, proposal: str) -> None:
        """Ask the server about a proposal that the room does not show, after the user's own steps.

        Raises ``NotFound`` if there is none. Another refusal says that it exists, or nothing.
        """
        await self._caught_up()
        if proposal in self.state["proposals"]:
            return
        try:
            await self.query("votes.list", {"proposal": proposal, "limit": 1})
        except (NotFound, BadRequest):
            message = f"this event has no proposal {proposal}"
            raise NotFound(message, event=self.event, details={"path": "proposal"}) from None
        except Refused:
            return

    async def every(
        self, interval: float | timedelta, *, until: Callable[[Self], object] = lambda room: False
    ) -> AsyncIterator[Self]:
        """Yield this room after each ``interval``, in seconds or as a ``timedelta``.

        Ends once ``until(room)`` is true, or the room is left or closed. Raises the error that
        ended the client.
        """
        seconds = interval.total_seconds() if isinstance(interval, timedelta) else interval
        loop = asyncio.get_running_loop()
        at = loop.time()
        while True:
            at = max(at + seconds, loop.time())
            try:
                await self.until(until, timeout=at - loop.time())
            except TimeoutError:
                yield self
            except RoomClosed:
                return
            else:
                return

    async def leave(self) -> None:
        """Leave the room, not the event. It needs no connection."""
        await self._sender._leave(self)
