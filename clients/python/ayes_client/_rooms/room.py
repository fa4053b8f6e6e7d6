"""One event for the users of a client: what the room shows, and the commands given there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, Unpack, cast

from ayes_client._rooms.callbacks import Callback
from ayes_client._rooms.changes import Change, Changes
from ayes_client._rooms.view import RoomView
from ayes_client.command import Ack
from ayes_client.errors import NotFound
from ayes_client.state import Json, State, You

RoomCallbackName: TypeAlias = Literal["change", "you", "presence", "closed"]


class CommandOptions(TypedDict, total=False):
    """Options of each command; see ``Client.command``."""

    id: str | None
    not_after: datetime | float | None
    once: bool


class Sender(Protocol):
    """What a room needs of its client."""

    async def command(
        self,
        type: str,
        args: Json | None = None,
        *,
        id: str | None = None,
        not_after: datetime | float | None = None,
        once: bool = False,
    ) -> Ack:
        """Give a command, and wait for its ack."""

    async def _leave(self, room: Room) -> None:
        """Unsubscribe from ``room``."""


class Room:
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

    def shown(self, collection: str, id: str) -> Any:
        """Return a thing of the state by its id. Raises ``NotFound`` if it is not shown."""
        found = cast(Json, self.state).get(collection, {}).get(id)
        if found is None:
            what = f"this room shows no {id} among its {collection}; name its version yourself"
            raise NotFound(what, event=self.event)
        return found

    # Commands. Each returns its ack, or raises the error that refuses it.

    async def command(
        self, type: str, args: Json | None = None, **options: Unpack[CommandOptions]
    ) -> Ack:
        """Give any command to this event."""
        return await self._sender.command(type, {"event": self.event, **(args or {})}, **options)

    async def vote(
        self, proposal: str, *, revision: int | None = None, **options: Unpack[CommandOptions]
    ) -> Ack:
        """Agree with a proposal, in the wording that the room shows or in that of ``revision``."""
        if revision is None:
            revision = self.shown("proposals", proposal)["revision"]
        args = {"proposal": proposal, "revision": revision}
        return await self.command("vote.cast", args, **options)

    async def retract(self, proposal: str, **options: Unpack[CommandOptions]) -> Ack:
        """Retract the vote."""
        return await self.command("vote.retract", {"proposal": proposal}, **options)

    async def approve(
        self, proposal: str, *, allow_stale: bool = False, **options: Unpack[CommandOptions]
    ) -> Ack:
        """Accept a proposal, as an admin."""
        args: Json = {"proposal": proposal}
        if allow_stale:
            args["allow_stale"] = True
        return await self.command("proposal.accept", args, **options)

    async def reject(
        self, proposal: str, *, reason: str | None = None, **options: Unpack[CommandOptions]
    ) -> Ack:
        """Reject a proposal, as an admin."""
        return await self.command(
            "proposal.reject", _given(proposal=proposal, reason=reason), **options
        )

    async def withdraw(
        self, proposal: str, *, reason: str | None = None, **options: Unpack[CommandOptions]
    ) -> Ack:
        """Withdraw the user's own proposal."""
        args = _given(proposal=proposal, reason=reason)
        return await self.command("proposal.withdraw", args, **options)

    async def propose(
        self,
        kind: Literal["assumption", "criterion", "conclusion"],
        content: str | None = None,
        *,
        category: Literal["create", "update", "delete"] = "create",
        target: str | None = None,
        base_version: int | None = None,
        reason: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack:
        """Propose a change. If left out, ``base_version`` is that of the target in the room."""
        if target is not None and base_version is None:
            shown = self.shown("assumptions" if kind == "assumption" else "criteria", target)
            base_version = shown["conclusion_version" if kind == "conclusion" else "version"]
        args = _given(
            kind=kind,
            category=category,
            content=content,
            target=target,
            base_version=base_version,
            reason=reason,
        )
        return await self.command("proposal.create", args, **options)

    async def comment(
        self,
        content: str,
        *,
        proposal: str | None = None,
        criterion: str | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack:
        """Comment on a proposal or a criterion."""
        args = _given(content=content, proposal=proposal, criterion=criterion)
        return await self.command("comment.add", args, **options)

    async def ballot(
        self,
        option: str | list[str],
        criteria: list[str] | None = None,
        *,
        revision: int | None = None,
        base: int | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack:
        """Submit the final ballot: an option, and all criteria, the most important first.

        An approval ballot takes a list of options, and a ranked one a list, best first. Without
        ``criteria``, they are not ranked.
        ``revision``: that of the criteria, if not the one shown. ``base``: the revision of the
        ballot that this one replaces, 0 for none; raises ``VersionConflict`` if another one stands.
        If left out, any earlier ballot is replaced.
        """
        args = {
            **({"option": option} if isinstance(option, str) else {"options": option}),
            **_given(criterion_order=criteria),
            "criteria_rev": self.state["event"]["criteria_rev"] if revision is None else revision,
            **_given(base=base),
        }
        return await self.command("ballot.submit", args, **options)

    async def approve_all(
        self, *, upto: int | None = None, **options: Unpack[CommandOptions]
    ) -> Ack:
        """Let in everyone who had asked by position ``upto``, or by ``seq``, as an admin."""
        args = {"upto": self.seq if upto is None else upto}
        return await self.command("membership.approve_all", args, **options)

    async def reject_all(
        self, *, upto: int | None = None, **options: Unpack[CommandOptions]
    ) -> Ack:
        """Turn away everyone who had asked by position ``upto``, or by ``seq``, as an admin."""
        args = {"upto": self.seq if upto is None else upto}
        return await self.command("membership.reject_all", args, **options)

    async def leave(self) -> None:
        """Leave the room, not the event. It needs no connection."""
        await self._sender._leave(self)


def _given(**args: Any) -> Json:
    return {name: value for name, value in args.items() if value is not None}
