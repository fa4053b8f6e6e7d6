"""A room without a server, set by hand: for tests of code that shows a room or acts on it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from ayes_client._rooms.acts import RoomCommands
from ayes_client._rooms.room import Room
from ayes_client._rooms.view import RoomView
from ayes_client._wire.backoff import Backoff
from ayes_client._wire.merge_patch import fold
from ayes_client.command import Ack, Command, Pending
from ayes_client.errors import AyesError
from ayes_client.state import Json

_POLICY: Json = {
    "assumption": {"auto": True, "rule": "count", "threshold": 3},
    "criterion": {"auto": True, "rule": "count", "threshold": 3},
    "conclusion": {"auto": True, "rule": "percent", "threshold": 60},
    "membership_auto": False,
}
_PROPOSAL: Json = {
    "kind": "assumption",
    "category": "create",
    "author": "ada",
    "status": "pending",
    "revision": 1,
    "stale": False,
    "agree": 0,
    "created_at": "2026-01-01T00:00:00.000Z",
}


class FakeRoom(Room):
    """A room that shows what a test sets, and keeps the commands that are given to it.

    Make it while an event loop runs. It begins with an empty event in progress, of which the user
    is a member. ``state`` and ``you`` are merged into that.
    """

    def __init__(
        self, *, event: str = "fake", state: Json | None = None, you: Json | None = None
    ) -> None:
        super().__init__(_Sender(self), RoomView(event, Backoff()))
        self.given: list[Command] = []
        """The commands that were given, the oldest first."""
        self.results: dict[str, Json] = {}
        """Type of a command → the result of its ack; empty if it is not there."""
        self.refusals: dict[str, AyesError] = {}
        """Type of a command → the error that refuses it."""
        self.answers: dict[str, Json] = {}
        """Type of a query → its answer."""
        self.waiting: list[Pending] = []
        """The commands that ``pending`` returns, such as votes without an answer."""
        empty: Json = {
            "event": {
                "id": event,
                "subject": "A decision",
                "status": "in_progress",
                "policy": _POLICY,
                "policy_version": 1,
                "criteria_rev": 1,
            },
            "counts": {"members": 1, "ballots": 0, "proposals": 0, "comments": 0},
        }
        names = ("options", "assumptions", "criteria", "proposals", "comments", "members")
        empty |= {name: {} for name in names}
        own: Json = {"membership": {"status": "accepted", "role": "member"}, "votes": {}}
        self._view.apply(
            {
                "type": "snapshot",
                "epoch": "fake",
                "seq": 1,
                "state": fold(empty, state or {}),
                "you": fold(own, you or {}),
                "reason": "initial",
            }
        )

    def set(
        self, state: Mapping[str, Any] | None = None, you: Mapping[str, Any] | None = None
    ) -> int:
        """Merge patches into ``state`` and ``you`` in one step; return its position.

        ``None`` removes a field, as in a JSON merge patch.
        """
        seq = self.seq + 1
        if you is not None:
            self._view.apply({"type": "you", "seq": seq, "patch": dict(you)})
        diff = {"type": "diff", "epoch": "fake", "from": self.seq, "seq": seq}
        self._view.apply({**diff, "patch": dict(state or {})})
        return seq

    def show(self, proposal: str, **fields: Any) -> None:
        """Show a proposal, or change fields of one that is shown."""
        shown = self.state["proposals"].get(proposal)
        self.set({"proposals": {proposal: fields if shown else _PROPOSAL | fields}})

    def close(self, reason: str = "removed") -> None:
        """Close the room, as the server does."""
        self._view.close(reason, None)


class _Sender:
    """Stands for the client of a fake room."""

    def __init__(self, room: FakeRoom) -> None:
        self._room = room
        self._hashes = itertools.count(1)

    async def send(self, command: Command) -> Ack:
        room = self._room
        room.given.append(command)
        if command.type in room.refusals:
            raise room.refusals[command.type]
        seq = room.set()
        return Ack(
            id=command.id,
            event=room.event,
            seq=seq,
            hash=f"{next(self._hashes):064x}",
            applied=True,
            replayed=False,
            result=room.results.get(command.type, {}),
        )

    async def ask(self, question: Json) -> Json:
        return self._room.answers[question["type"]]

    def _pending_in(self, event: str) -> list[Pending]:
        return self._room.waiting

    async def _leave(self, room: RoomCommands) -> None:
        self._room.close("client")
