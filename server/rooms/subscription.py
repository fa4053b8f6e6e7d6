"""A subscription of a room: its client's position, and the diffs that it gets.

A slow reader is bounded here. While its socket takes no bytes, no frame is made for it: it has a
position and no queue, and the steps that it lacks are merged later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import orjson

from handlers.audiences import Audience
from protocol import answers, merge_patch
from protocol.errors import FinalError
from server.rooms.room import Room
from server.transport.frames import frame
from server.transport.large_answers import MIN_LARGE_BYTES

#: Longest wait in seconds of a frame for an answer that is due to its socket: both go out in one
#: write. Beyond it the frame goes alone. Most answers of a busy room take less; it is about one
#: frame of a screen.
ANSWER_WAIT_S = 0.02
#: Membership status → the reason in ``unsubscribed``; ``None`` is a cancelled request.
END_OF_STATUS = {"removed": "removed", "left": "left", "rejected": "revoked", None: "left"}
#: Reasons that end a subscription; after any other one it continues with a snapshot.
ENDS = frozenset(END_OF_STATUS.values())


def end_of(err: FinalError) -> str:
    """Return the reason in ``unsubscribed`` for a refusal to enter the room again."""
    return END_OF_STATUS.get(err.details.get("status"), "revoked")


class Outlet(Protocol):
    """The output of a subscription: a socket or an HTTP stream."""

    @property
    def deflates(self) -> bool:
        """Whether a frame may be compressed (``server/transport/deflate.py``)."""

    @property
    def expects_answer(self) -> bool:
        """Whether an answer is due, which takes the frames of the room along."""

    def can_send(self) -> bool:
        """Return whether a frame may be written now."""

    def admits(self, size: int) -> bool:
        """Reserve ``size`` bytes for a frame; return ``False`` if there is no place.

        A reserved frame is to be written at once (``server/transport/large_answers.py``).
        """

    def send_room(self, *frames: bytes) -> None:
        """Write complete frames, in one write."""


class Subscription:
    """One client's position in a room, and the patches on ``you`` that wait for it.

    It is *live* from a snapshot or ``resumed`` to its end. Before, and while its audience changes,
    patches on its user's ``you`` are kept.
    """

    __slots__ = (
        "_need_snapshot",
        "_online",
        "_own",
        "_shares_own",
        "_waits_until",
        "audience",
        "live",
        "outdated",
        "outlet",
        "room",
        "seq",
        "user",
    )

    def __init__(
        self,
        room: Room,
        user: str,
        outlet: Outlet,
        need_snapshot: Callable[[Subscription, str], None],
    ) -> None:
        self.room = room
        self.user = user
        self.outlet = outlet
        self.audience: Audience = "member"
        self.live = False
        self.outdated = False
        """Whether the user's view may have been read before a restore."""
        self.seq = 0
        """The position of the client."""
        self._online = -1
        """The count of connected members that was last sent; -1 if none was."""
        self._own: dict[str, Any] = {}
        self._shares_own = False
        """Whether ``_own`` is a step's patch, which must not be changed."""
        self._waits_until = 0.0
        """The loop's time until which steps wait for an answer; 0 if none wait."""
        self._need_snapshot = need_snapshot
        """Asks for a snapshot; with a reason in ``ENDS``, for the end."""

    def add_own(self, patch: dict[str, Any]) -> None:
        """Keep a patch on the user's ``you`` for the next frame of the room.

        Patches are absolute. So they can be merged into a view that was read later: a value that
        the view already has does no harm.
        """
        if not self._own:
            self._own, self._shares_own = patch, True
        else:
            if self._shares_own:
                self._own, self._shares_own = merge_patch.compose({}, self._own), False
            merge_patch.compose(self._own, patch)
        membership = patch.get("membership")
        if self.live and membership is not None:
            self._membership_changed(membership)

    def _membership_changed(self, membership: dict[str, Any]) -> None:
        status = membership.get("status", "")
        if status in END_OF_STATUS:
            self._stop(END_OF_STATUS[status])
        elif "role" in membership or status == "accepted":
            self._stop("role")

    def _stop(self, reason: str) -> None:
        """Send nothing until the session has acted on ``reason``."""
        self.live = False
        self._need_snapshot(self, reason)

    def start_over(self, reason: str) -> None:
        """Drop the waiting patches and ask for a snapshot: the room shows another history.

        If the subscription is catching up, the user's view is read again.
        """
        self._own = {}
        if self.live:
            self._stop(reason)
        else:
            self.outdated = True

    def is_membership_changed(self) -> bool:
        """Return whether a waiting patch changes the user's membership."""
        return "membership" in self._own

    def take_own(self) -> dict[str, Any]:
        """Return the waiting patches on ``you`` as one, and forget them."""
        waiting, self._own = self._own, {}
        return waiting

    def send_online(self, online: int, message: bytes) -> bool:
        """Send ``message`` if the client does not know the count ``online``.

        Return ``False`` if the socket cannot take it now.
        """
        if not self.live or self.audience == "applicant" or self._online == online:
            return True
        if not self.outlet.can_send():
            return False
        self.outlet.send_room(message)
        self._online = online
        return True

    def flush(self, now: float) -> float:
        """Send the steps since the client's position, or let them wait for an answer.

        Return the loop's time until which they wait; 0 if they do not.
        """
        if self.seq == self.room.seq and not self._own:
            return 0.0
        if self.outlet.expects_answer and self.live:
            until = self._waits_until = self._waits_until or now + ANSWER_WAIT_S
            if now < until:
                return until
        self.pull()
        return 0.0

    def pull(self) -> None:
        """Send the steps since the client's position, if the socket can take them now.

        The patch on ``you`` goes before the diff of its step, so that a client can apply both at
        once: it holds the patch until the diff reaches the patch's position. Both are one write: a
        second one would cost as much as the first.
        """
        room, outlet = self.room, self.outlet
        is_behind = self.seq != room.seq
        if not (self.live and (is_behind or self._own) and outlet.can_send()):
            return
        self._waits_until = 0.0
        if not is_behind:
            outlet.send_room(self._own_frame())
            return
        diff = room.diff_frame(self.seq, self.audience, deflates=outlet.deflates)
        if diff is None or (len(diff) >= MIN_LARGE_BYTES and not outlet.admits(len(diff))):
            # A snapshot waits for its place, and is shared by all its receivers.
            self._stop("lag")
        elif self._own:
            outlet.send_room(self._own_frame(), diff)
            self.seq = room.seq
        else:
            outlet.send_room(diff)
            self.seq = room.seq

    def _own_frame(self) -> bytes:
        """Return the waiting patches on ``you`` as a frame, and forget them."""
        room, patch = self.room, orjson.dumps(self._own)
        self._own = {}
        return frame(answers.you(event=room.event_id, seq=room.seq, patch=patch))
