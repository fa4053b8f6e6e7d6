"""The way of a client from a position in the past to where a room's memory goes on."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from handlers.audiences import Audience
from protocol import merge_patch
from server.rooms.journal_folder import Stretch
from server.rooms.room import Room


class Way(NamedTuple):
    """What takes a client from ``after`` to ``at``, from where the room's memory goes on."""

    after: int
    at: int
    stretches: list[Stretch]

    def patch(self, room: Room, audience: Audience) -> bytes:
        """All of it up to the room's position as one patch, encoded."""
        if not self.stretches:
            return room.merged(self.at, audience)
        return room.kept(self.after, audience, lambda: self._patch(room, audience))

    def _patch(self, room: Room, audience: Audience) -> bytes:
        patch: dict[str, Any] = {}
        for stretch in self.stretches:
            merge_patch.compose(patch, stretch.patch(audience))
        rest = orjson.loads(room.merged(self.at, audience))
        return orjson.dumps(merge_patch.compose(patch, rest))

    def regrades(self, room: Room, user: str) -> bool:
        """Whether what ``user`` may see is not what they could see before."""
        return any(user in stretch.regraded for stretch in self.stretches) or any(
            "membership" in step.patches.you.get(user, ()) for step in room.since(self.at)
        )
