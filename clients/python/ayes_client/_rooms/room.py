"""One event as this client knows it: the folded state, and the commands one gives there."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, Protocol, TypeAlias, cast

from ayes_client._rooms.callbacks import Callback, Callbacks
from ayes_client._rooms.changes import Change, Changes
from ayes_client._wire.backoff import MOST_INTERNAL, Backoff
from ayes_client._wire.merge_patch import fold
from ayes_client.command import Ack
from ayes_client.errors import AyesError, NotFound, RoomClosed, Stopped
from ayes_client.state import Json, State, You

Told: TypeAlias = Literal["change", "you", "presence", "closed"]


class Sender(Protocol):
    """What a room needs of its client."""

    async def command(self, type: str, args: Json | None = None, *, id: str | None = None) -> Ack:
        """Give a command, and wait for its ack."""

    async def _leave(self, room: Room) -> None:
        """Unsubscribe from ``room``."""


class Room:
    """The same object for the same event, for as long as one is in it.

    ``state`` and ``you`` are new objects after each change, and never changed in place: hold on to
    one, and it stays what it was. ``live`` is false while the line is down; the state is then the
    last one known. ``async for change in room`` begins with the state as it stands.
    """

    def __init__(self, sender: Sender, event: str, backoff: Backoff) -> None:
        self._sender = sender
        self._backoff = backoff
        self._internal = 0
        self.event = event
        self.state: State = cast(State, {})
        self.you: You = cast(You, {})
        self.seq = -1
        """Position in the event's journal that ``state`` stands at; -1 before the first one."""
        self.epoch = ""
        self.online: int | None = None
        """Members connected now, once the server has said so."""
        self.live = False
        self.closed: str | None = None
        """Why nothing follows any more: ``client``, ``left``, ``removed``, ``revoked``, …"""
        self._error: AyesError | None = None
        self._entered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._entered.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._callbacks = Callbacks("change", "you", "presence", "closed")
        self._readers: weakref.WeakSet[Changes] = weakref.WeakSet()

    def __repr__(self) -> str:
        return f"<Room {self.event} at #{self.seq}>"

    # Reading.

    def on(self, what: Told, callback: Callback) -> Callable[[], None]:
        """Call ``callback`` at each ``change`` (a ``Change``), at what is one's own (``you``: the
        patch, or ``None`` where it came whole), at ``presence`` (the number), or when the room is
        ``closed`` (the reason). Returns what ends that.
        """
        return self._callbacks.add(what, callback)

    def __aiter__(self) -> AsyncIterator[Change]:
        return self.changes()

    def changes(self) -> Changes:
        """A reader of its own, at its own pace. It ends when the room is left or closed by the
        server, and raises where the client ended with an error.
        """
        now = Change(-1, self.seq, None, "now") if self.seq >= 0 else None
        reader = Changes(now)
        if self.closed is not None:
            reader.end(self._error)
        self._readers.add(reader)
        return reader

    async def reached(self, seq: int) -> None:
        """Wait until ``state`` holds step ``seq``, such as that of an ack.

        Raises the error that ended the room, or ``RoomClosed`` where it was closed before.
        """
        if self.seq >= seq:
            return
        async for change in self.changes():
            if change.seq >= seq:
                return
        raise self._closing()

    def shown(self, collection: str, id: str) -> Any:
        """A thing of the state by its id; raises ``NotFound`` where the room does not show it."""
        found = cast(Json, self.state).get(collection, {}).get(id)
        if found is None:
            what = f"this room shows no {id} among its {collection}; name its version yourself"
            raise NotFound(what, event=self.event)
        return found

    # Commands. Each is answered by an ack, or raises what refuses it.

    async def command(self, type: str, args: Json | None = None, *, id: str | None = None) -> Ack:
        """Any command to this event."""
        return await self._sender.command(type, {"event": self.event, **(args or {})}, id=id)

    async def vote(
        self, proposal: str, *, revision: int | None = None, id: str | None = None
    ) -> Ack:
        """Agree with a proposal: with its words as the room shows them, or of ``revision``."""
        if revision is None:
            revision = self.shown("proposals", proposal)["revision"]
        return await self.command("vote.cast", {"proposal": proposal, "revision": revision}, id=id)

    async def retract(self, proposal: str, *, id: str | None = None) -> Ack:
        """Take one's vote back."""
        return await self.command("vote.retract", {"proposal": proposal}, id=id)

    async def approve(
        self, proposal: str, *, allow_stale: bool = False, id: str | None = None
    ) -> Ack:
        """Decide for a proposal, as an admin."""
        args: Json = {"proposal": proposal}
        if allow_stale:
            args["allow_stale"] = True
        return await self.command("proposal.accept", args, id=id)

    async def reject(
        self, proposal: str, *, reason: str | None = None, id: str | None = None
    ) -> Ack:
        """Decide against a proposal, as an admin."""
        return await self.command(
            "proposal.reject", _given(proposal=proposal, reason=reason), id=id
        )

    async def withdraw(
        self, proposal: str, *, reason: str | None = None, id: str | None = None
    ) -> Ack:
        """Take one's own proposal back."""
        args = _given(proposal=proposal, reason=reason)
        return await self.command("proposal.withdraw", args, id=id)

    async def propose(
        self,
        kind: Literal["assumption", "criterion", "conclusion"],
        content: str | None = None,
        *,
        category: Literal["create", "update", "delete"] = "create",
        target: str | None = None,
        base_version: int | None = None,
        reason: str | None = None,
        id: str | None = None,
    ) -> Ack:
        """Propose a change. ``base_version`` is that of the target as the room shows it."""
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
        return await self.command("proposal.create", args, id=id)

    async def comment(
        self,
        content: str,
        *,
        proposal: str | None = None,
        criterion: str | None = None,
        id: str | None = None,
    ) -> Ack:
        """Say something beside a proposal or a criterion."""
        args = _given(content=content, proposal=proposal, criterion=criterion)
        return await self.command("comment.add", args, id=id)

    async def ballot(
        self,
        option: str,
        criteria: list[str],
        *,
        revision: int | None = None,
        id: str | None = None,
    ) -> Ack:
        """The final ballot: an option, and all criteria, the weightiest first."""
        args = {
            "option": option,
            "criterion_order": criteria,
            "criteria_rev": self.state["event"]["criteria_rev"] if revision is None else revision,
        }
        return await self.command("ballot.submit", args, id=id)

    async def leave(self) -> None:
        """Leave the room, not the event: nothing of it follows. The line need not be there."""
        await self._sender._leave(self)

    # What the server says. Only the client calls these.

    def _take(self, message: Json) -> bool:
        """Fold a message of this room; whether it has to be asked for again."""
        match message["type"]:
            case "snapshot":
                before = self.seq
                self._begin(message, message["state"])
                self._move(Change(before, self.seq, None, message.get("reason")))
            case "resumed":
                return self._resume(message)
            case "diff":
                return self._diff(message)
            case "you" if self.seq >= 0:
                self.you = cast(You, fold(cast(Json, self.you), message["patch"]))
                self._callbacks.tell("you", message["patch"])
            case "presence":
                self.online = message["online"]
                self._callbacks.tell("presence", self.online)
            case "unsubscribed":
                self._close(message["reason"], None)
        return False

    def _resume(self, message: Json) -> bool:
        before = self.seq
        if message["epoch"] != self.epoch or not message["from"] <= before <= message["seq"]:
            self.seq = -1
            return True
        self._begin(message, self._folded(message["patch"]))
        if self.seq > before:
            self._move(Change(before, self.seq, message["patch"], None))
        return False

    def _diff(self, message: Json) -> bool:
        if self.seq < 0:
            # Nothing to fold it into yet: what was asked for comes.
            return False
        if message["epoch"] == self.epoch:
            if message["seq"] <= self.seq:
                return False
            if message["from"] == self.seq:
                self.state = self._folded(message["patch"])
                before, self.seq = self.seq, message["seq"]
                self._move(Change(before, self.seq, message["patch"], None))
                return False
        return True

    def _folded(self, patch: Json) -> State:
        return cast(State, fold(cast(Json, self.state), patch))

    def _begin(self, message: Json, state: State) -> None:
        you = message["you"]
        self.epoch, self.seq, self.state = message["epoch"], message["seq"], state
        changed, self.you = self.you != you, you
        self.live = True
        self._internal = 0
        self._backoff.reset()
        if not self._entered.done():
            self._entered.set_result(None)
        if changed:
            self._callbacks.tell("you", None)

    def _move(self, change: Change) -> None:
        for reader in tuple(self._readers):
            reader.put(change)
        self._callbacks.tell("change", change)

    def _put_off(self, error: AyesError) -> float | None:
        """Entering it was answered with ``error``: seconds until it is tried again, ``None`` where
        that is of no use any more. Counted over sockets, until the room is there.
        """
        if error.code == "internal":
            self._internal += 1
        if self._internal >= MOST_INTERNAL:
            return None
        wait = self._backoff.next()
        return wait if error.retry_after_ms is None else error.retry_after_ms / 1000

    def _lost(self) -> None:
        self.live = False
        self.online = None

    def _close(self, reason: str, error: AyesError | None) -> None:
        if self.closed is not None:
            return
        self.live = False
        self.closed, self._error = reason, error
        if not self._entered.done():
            self._entered.set_exception(error or self._closing())
        for reader in tuple(self._readers):
            reader.end(error)
        self._callbacks.tell("closed", reason)

    def _end(self, error: AyesError) -> None:
        """The client ends: readers end quietly where that was asked for."""
        if not self._entered.done():
            self._entered.set_exception(error)
        stopped = isinstance(error, Stopped)
        self._close("client" if stopped else error.code, None if stopped else error)

    def _closing(self) -> RoomClosed:
        return RoomClosed(event=self.event, details={"reason": self.closed})


def _given(**args: Any) -> Json:
    return {name: value for name, value in args.items() if value is not None}
