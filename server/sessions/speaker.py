"""The port from the parts of a session to the session itself."""

from __future__ import annotations

from typing import Protocol

from protocol.closes import CloseCode
from protocol.codec import Invalid, Message
from protocol.errors import ProtocolError
from server.identity.auth import Identity
from server.rooms.subscription import Outlet, Subscription
from server.sessions.phase import Phase


class Speaker(Outlet, Protocol):
    """A session as its parts see it: ``server.sessions.session.Session``."""

    id: str
    phase: Phase
    identity: Identity | None
    subscriptions: dict[str, Subscription]

    @property
    def is_open(self) -> bool:
        """Whether the client was welcomed and the socket is not closed."""

    def dispatch(self, message: Message | Invalid) -> None:
        """Act on a message."""

    def refuse_busy(self, *, event: str) -> None:
        """Answer a room of ``hello.resume`` with ``busy``."""

    def refuse(self, message: Message | Invalid, err: ProtocolError) -> None:
        """Answer a message with an error, without looking at it further."""

    def say(self, message: bytes) -> None:
        """Send an answer; those of one turn of the loop go out in one write."""

    def error(
        self,
        err: ProtocolError,
        *,
        id: str | None = None,
        ref: str | int | None = None,
        event: str | None = None,
    ) -> None:
        """Send an error."""

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Close with ``code``; answers that were sent before still go out."""

    def close_with_violation(self, code: CloseCode, reason: str = "") -> None:
        """Close a socket that broke the rules; nothing more is read from it."""

    def fail_internal(self) -> None:
        """Log the exception that is being handled as a defect, and close the socket."""
