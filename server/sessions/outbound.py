"""The output of one socket: answers, merged into few writes, and the frames of rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from server.rooms.subscription import Subscription
from server.sessions.arrays import batched
from server.sessions.delivery import Delivery, in_writes
from server.transport.frames import frame
from server.transport.large_answers import MIN_LARGE_BYTES, LargeAnswers
from server.transport.socket_transport import SocketTransport


class Outbound:
    """Collects the answers of one turn of the loop; writes rooms' frames behind them."""

    __slots__ = (
        "_answers",
        "_flushing",
        "_longest_batch",
        "_loop",
        "_subscriptions",
        "_transport",
        "delivery",
        "in_batches",
    )

    def __init__(
        self,
        transport: SocketTransport,
        large_answers: LargeAnswers,
        longest_batch: int,
        subscriptions: Mapping[str, Subscription],
    ) -> None:
        self._transport = transport
        self._subscriptions = subscriptions
        """The rooms' share of this socket: what they have for it goes out with the answers."""
        self._longest_batch = longest_batch
        self._loop = asyncio.get_running_loop()
        self._answers: list[bytes] = []
        self._flushing: asyncio.Handle | None = None
        self.delivery: Final = Delivery(large_answers, transport)
        self.in_batches = False
        """Whether answers may go out as arrays: set once the client has sent an array itself."""

    def say(self, message: bytes) -> None:
        """Send an answer; those of one turn of the loop go out in one write."""
        self._answers.append(message)
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._end_turn)

    def flush(self) -> None:
        """Write the answers that wait."""
        for data in self._take():
            self._transport.send(data)

    def send_room(self, *parts: bytes) -> None:
        """Write frames of a room; answers that wait go before them, in the same write.

        Nothing is written on a closed socket.
        """
        if not self._answers:
            size = self._transport.send_room(*parts)
        else:
            *earlier, answers = self._take()
            for data in earlier:
                self._transport.send(data)
            size = self._transport.send_room(*parts, answers=answers)
        if size >= MIN_LARGE_BYTES:
            self.delivery.written(parts)

    def _end_turn(self) -> None:
        self._flushing = None
        for subscription in tuple(self._subscriptions.values()):
            subscription.pull()
        if self._answers:
            self.flush()

    def _take(self) -> list[bytes]:
        """Return the answers that wait as writes, and forget them."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        out = self._answers
        if not out:
            return []
        self._answers = []
        if len(out) == 1:
            return [frame(out[0])]
        if self.in_batches:
            out = batched(out, self._longest_batch)
        return in_writes([frame(message) for message in out])

    def drop(self) -> None:
        """Forget the answers that wait: the connection is gone."""
        self._answers.clear()
        self.delivery.close()
