"""The route of one event: where its next command goes, and which nodes use the event."""

from __future__ import annotations

from typing import Final

from handlers.lanes.decide import Submission

#: Seconds after which a node that gave no command to an event does not use it any more.
USE_TTL_S: Final = 60.0
#: Nodes that are remembered as users of one event; that there are several is all that counts.
MAX_USERS: Final = 8


class Route:
    """The way of one event's commands from this node.

    A command that comes while earlier ones are on another way is *held* until those are answered,
    so that commands are decided in the order sent. The caller passes the clock, in seconds.
    """

    __slots__ = (
        "_since",
        "_users",
        "changes",
        "event",
        "held",
        "home",
        "outgoing",
        "reports_from",
        "target",
        "waits_for_lane",
    )

    def __init__(self, event: str, now: float) -> None:
        self.event = event
        self._since = now
        self.home: str | None = None
        """The event's home, when the homes had changed ``changes`` times."""
        self.changes = -1
        self.target: str | None = None
        """The node that commands are sent to now; ``None``: the lane of this one."""
        self.outgoing = 0
        """Commands that were sent to ``target`` and are not answered."""
        self.held: list[Submission] = []
        self.waits_for_lane = False
        """Whether the held commands go on when the lane here is idle."""
        self.reports_from = 0.0
        """When this node names the event to its home again."""
        self._users: dict[str, float] = {}

    @property
    def is_idle(self) -> bool:
        """Whether no command is on its way."""
        return not self.outgoing and not self.held

    def use(self, node: str, now: float) -> bool:
        """Note that ``node`` has given a command; return whether it is a new user."""
        last = self._users.get(node)
        if last is None and len(self._users) >= MAX_USERS:
            del self._users[min(self._users, key=self._users.__getitem__)]
        self._users[node] = now
        return last is None or last < now - USE_TTL_S

    def users_beside(self, node: str, now: float) -> list[str]:
        """Return the nodes, ``node`` not among them, that use the event."""
        latest = now - USE_TTL_S
        return [user for user, at in self._users.items() if user != node and at >= latest]

    def is_only_user(self, node: str, now: float) -> bool:
        """Whether no node but ``node`` uses the event; seen for long enough to know."""
        latest = now - USE_TTL_S
        return self._since < latest and all(
            user == node or at < latest for user, at in self._users.items()
        )
