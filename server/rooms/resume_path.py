"""The path of a resuming client from its position to the steps in a room's memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from handlers.audiences import Audience
from persistence.database.overload import unreachable
from protocol import merge_patch
from server.rooms.journal_folder import FOLD_BLOCK_STEPS, FoldedRange, JournalFolder, JournalGap
from server.rooms.room import Room

#: Steps of distance up to which a client is served from the room's memory. Clients further behind
#: are served from cached journal blocks even if memory still has the steps. Two blocks: it bounds
#: the merge work of one iteration of the event loop.
MAX_STEPS_FROM_MEMORY = 2 * FOLD_BLOCK_STEPS


class ResumePath(NamedTuple):
    """Folded ranges of the journal from ``after`` to ``at``; room memory has the rest."""

    after: int
    at: int
    ranges: list[FoldedRange]

    @classmethod
    async def load(
        cls, journal: JournalFolder, room: Room, after: int, charge: Callable[[float], None]
    ) -> ResumePath | None:
        """Fold the journal from ``after`` to where the room's memory begins.

        ``charge`` receives the seconds of the event loop that this takes. Return ``None`` if the
        journal has a gap, or the room shows another journal by then. Raises ``overloaded`` and
        ``busy``.
        """
        epoch, at = room.epoch, after
        ranges: list[FoldedRange] = []
        # Checked again after each range: the room moves on while the journal is read.
        while room.seq - at > MAX_STEPS_FROM_MEMORY or not room.reaches_back_to(at):
            to = room.seq - room.seq % FOLD_BLOCK_STEPS
            if to <= at:
                to = room.steps[0].seq - 1 if room.steps else room.seq
            try:
                ranges.append(await journal.load(room.event_id, epoch, at, to, charge))
            except JournalGap:
                return None
            except Exception as err:
                raise unreachable(err) from err
            if room.epoch != epoch or room.seq < to:
                return None
            at = to
        return cls(after, at, ranges)

    def patch(self, room: Room, audience: Audience) -> bytes:
        """Return one encoded patch from ``after`` to the room's position."""
        if not self.ranges:
            return room.merged(self.at, audience)
        return room.kept(self.after, audience, lambda: self._patch(room, audience))

    def _patch(self, room: Room, audience: Audience) -> bytes:
        patch: dict[str, Any] = {}
        for folded in self.ranges:
            merge_patch.compose(patch, folded.patch(audience))
        rest = orjson.loads(room.merged(self.at, audience))
        return orjson.dumps(merge_patch.compose(patch, rest))

    def changes_membership(self, room: Room, user: str) -> bool:
        """Return whether ``user``'s membership changes on the path."""
        return any(user in folded.membership_changed for folded in self.ranges) or any(
            # Most patches on ``you`` are of votes, and need no decoding.
            b'"membership"' in step.encoded.get("you", b"")
            and "membership" in step.patch("you").get(user, ())
            for step in room.since(self.at)
        )
