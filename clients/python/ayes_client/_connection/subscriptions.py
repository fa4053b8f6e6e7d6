"""The subscriptions of one socket: those that were sent, and the server's answers to them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from ayes_client._rooms.registry import RoomRegistry
from ayes_client._rooms.view import RoomView
from ayes_client._wire.error_message import from_message
from ayes_client.errors import NeedsAuth
from ayes_client.state import Json

#: Seconds that a room may stay behind the position of a heartbeat. Beyond, it is subscribed to
#: again: a diff was lost. One that is only under way arrives within a second.
BEHIND_TIMEOUT_S = 1.0
#: Wait until a subscription is sent again, if a new token is needed first.
NEW_TOKEN_DELAY_S = 1.0


class RoomSubscriptions:
    """Subscribes the rooms of ``registry`` on one socket.

    ``send`` sends a message on the socket. ``token_expired`` asks for a new token.
    """

    def __init__(
        self,
        registry: RoomRegistry,
        send: Callable[[Json], None],
        token_expired: Callable[[], None],
    ) -> None:
        self._registry = registry
        self._send = send
        self._token_expired = token_expired
        self._loop = asyncio.get_running_loop()
        self._refs = itertools.count(1)
        self._sent: dict[str, tuple[RoomView, float]] = {}
        self._delayed: set[RoomView] = set()
        self._open = True

    def close(self) -> None:
        """Send nothing more: the socket is gone."""
        self._open = False

    def resume(self) -> list[Json]:
        """Return the positions of all rooms, for ``hello``."""
        now = self._loop.time()
        views = self._registry.views
        self._sent = {f"hello-{event}": (view, now) for event, view in views.items()}
        return [view.position() for view in views.values()]

    def subscribe(self, view: RoomView) -> None:
        """Subscribe from the known position, unless a subscription is under way or delayed."""
        if view in self._delayed or any(sent is view for sent, _ in self._sent.values()):
            return
        ref = f"room-{next(self._refs)}"
        self._sent[ref] = (view, self._loop.time())
        self._send({"type": "subscribe", "ref": ref, **view.position()})

    def unsubscribe(self, view: RoomView) -> None:
        """Unsubscribe."""
        self._forget(view)
        self._send({"type": "unsubscribe", "ref": f"leave-{next(self._refs)}", "event": view.event})

    def retry_overdue(self, now: float, timeout: float) -> None:
        """Send again the subscriptions sent ``timeout`` seconds ago."""
        for ref, (view, since) in list(self._sent.items()):
            if now - since > timeout:
                del self._sent[ref]
                self.subscribe(view)

    # What the server sends.

    def on_message(self, message: Json) -> None:
        """Take a message of a room."""
        kind = message["type"]
        if kind == "unsubscribed" and "ref" in message:
            # The answer to ``unsubscribe``. A new room of this event may be there already.
            return
        view = self._registry.views.get(message["event"])
        if view is None:
            return
        if kind in ("snapshot", "resumed", "unsubscribed"):
            self._forget(view)
        if kind == "unsubscribed":
            self._registry.remove(view.event)
        if view.apply(message):
            self.subscribe(view)

    def on_error(self, message: Json) -> bool:
        """Take an error. Return whether it was about a room."""
        ref = message.get("ref")
        if ref is None:
            view = self._registry.views.get(message.get("event", ""))
        else:
            view = self._sent.get(str(ref), (None,))[0]
        if view is None:
            return False
        self._forget(view)
        error = from_message(message)
        if error.retry == "same" and (wait := view.retry_delay(error)) is not None:
            self._subscribe_later(view, wait)
        elif isinstance(error, NeedsAuth):
            self._token_expired()
            self._subscribe_later(view, NEW_TOKEN_DELAY_S)
        else:
            self._registry.remove(view.event)
            view.close(error.code, error)
        return True

    def compare(self, positions: dict[str, Any]) -> None:
        """Compare with a heartbeat's positions: a room that stays behind has lost a diff."""
        for event, (epoch, seq) in positions.items():
            view = self._registry.views.get(event)
            if view is None or view.seq < 0:
                continue
            if view.epoch != epoch:
                self.subscribe(view)
            elif view.seq < seq:
                self._loop.call_later(BEHIND_TIMEOUT_S, self._check_position, view, seq)

    def _check_position(self, view: RoomView, seq: int) -> None:
        if self._is_open(view) and 0 <= view.seq < seq:
            self.subscribe(view)

    def _subscribe_later(self, view: RoomView, wait: float) -> None:
        self._delayed.add(view)
        self._loop.call_later(wait, self._subscribe_now, view)

    def _subscribe_now(self, view: RoomView) -> None:
        self._delayed.discard(view)
        if self._is_open(view):
            self.subscribe(view)

    def _is_open(self, view: RoomView) -> bool:
        return self._open and self._registry.views.get(view.event) is view

    def _forget(self, view: RoomView) -> None:
        for ref in [ref for ref, (sent, _) in self._sent.items() if sent is view]:
            del self._sent[ref]
