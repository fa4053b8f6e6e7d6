"""One socket's place in one room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import orjson

from handlers.audiences import Audience
from protocol import answers, merge_patch
from protocol.errors import FinalError
from server.rooms.room import Room
from server.transport.frames import frame

#: Membership status → the reason that ``unsubscribed`` gives; ``None``: a request taken back.
END_OF_STATUS = {"removed": "removed", "left": "left", "rejected": "revoked", None: "left"}
#: The reasons for which a subscription ends; for any other one it goes on with a snapshot.
ENDS = frozenset(END_OF_STATUS.values())


def end_of(err: FinalError) -> str:
    """The reason that ``unsubscribed`` gives to whom ``err`` keeps out of a room they were in."""
    return END_OF_STATUS.get(err.details.get("status"), "revoked")


class Outlet(Protocol):
    """Where a subscription writes: the session's lane for rooms."""

    @property
    def deflates(self) -> bool:
        """Whether a frame may be compressed (``server/transport/deflate.py``)."""

    def room(self) -> bool:
        """Whether a frame may be written now."""

    def admits(self, size: int) -> bool:
        """Whether a frame of ``size`` bytes may wait for the reader (``large_answers.py``).

        If so, it has its place, and is to be written at once.
        """

    def send_room(self, data: bytes) -> None:
        """Write frames that are ready."""


class Subscription:
    """What one socket was told of one room, and what waits to be told.

    It is *live* between a snapshot (or ``resumed``) and the end. Before, and while its audience
    changes, what concerns its owner is kept.
    """

    __slots__ = (
        "_online",
        "_own",
        "_renew",
        "audience",
        "live",
        "outdated",
        "outlet",
        "room",
        "seq",
        "user",
    )

    def __init__(
        self, room: Room, user: str, outlet: Outlet, renew: Callable[[Subscription, str], None]
    ) -> None:
        self.room = room
        self.user = user
        self.outlet = outlet
        self.audience: Audience = "member"
        self.live = False
        self.outdated = False
        """Whether what was read for its owner may be from before the room started over."""
        self.seq = 0
        """The position this socket was brought to."""
        self._online = -1
        """The count of connected members that was last sent; -1 if none was."""
        self._own: dict[str, Any] = {}
        self._renew = renew
        """Asks for a snapshot (a reason), or, for ``removed``, ``left``, ``revoked``, the end."""

    def add_own(self, patch: dict[str, Any]) -> None:
        """A patch on the owner's ``you``, to go out with the next frame of the room.

        Patches are absolute, so all of them since this was registered can be folded into whatever
        was read since: what they say again does no harm.
        """
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
        """Nothing more from here on until the session has acted on ``reason``."""
        self.live = False
        self._renew(self, reason)

    def start_over(self, reason: str) -> None:
        """The room shows another history: drop what waits for the owner, ask for a snapshot.

        If the subscription is being brought up just now, its owner's own is read again.
        """
        self._own = {}
        if self.live:
            self._stop(reason)
        else:
            self.outdated = True

    def is_membership_changed(self) -> bool:
        """Whether what waits to be told changes the owner's membership."""
        return "membership" in self._own

    def take_own(self) -> dict[str, Any]:
        """What waits to be told of the owner's own; it waits no more."""
        waiting, self._own = self._own, {}
        return waiting

    def send_online(self, online: int, message: bytes) -> bool:
        """Send ``message`` if the client does not know the count ``online``.

        Return ``False`` if the socket cannot take it now.
        """
        if not self.live or self.audience == "applicant" or self._online == online:
            return True
        if not self.outlet.room():
            return False
        self.outlet.send_room(message)
        self._online = online
        return True

    def pull(self) -> None:
        """Take what the room has, if the socket can take it now."""
        room = self.room
        if not self.live or (self.seq == room.seq and not self._own):
            return
        if not self.outlet.room():
            return
        if self.seq != room.seq:
            if not room.reaches_back_to(self.seq):
                self._stop("lag")
                return
            deflates = self.outlet.deflates
            frames = room.diff_frame(self.seq, self.audience, deflates=deflates)
            if not self.outlet.admits(len(frames)):
                # The snapshot instead waits for a place, and is shared by all who need it.
                self._stop("lag")
                return
            self.outlet.send_room(frames)
            self.seq = room.seq
        if self._own:
            patch = orjson.dumps(self.take_own())
            own = answers.you(event=room.event_id, seq=self.seq, patch=patch)
            self.outlet.send_room(frame(own))
