"""Hints over Redis pub/sub: a channel a room.

Redis may be gone, hung, emptied or lying; the rooms then converge by their sweep. Two tasks, one
for each direction, each with a connection of its own, deadlines on every wait, and a reconnect
with jitter. A hung Redis is noticed by a heartbeat of our own, since a subscriber that hears
nothing cannot tell silence from death.
"""

from __future__ import annotations

import asyncio
import logging
import random
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from server.bus import Hint, Listener

log = logging.getLogger("ayes.bus")

#: Longest that a connection or a command may take.
REDIS_SECONDS = 1.0
#: Seconds between two heartbeats to oneself, and of silence until the line counts as dead.
BEAT_SECONDS = 1.0
DEAD_SECONDS = 4.0
#: How long reading waits before the set of watched rooms is looked at again.
READ_SECONDS = 0.1
#: First and longest wait before connecting again, drawn with full jitter.
FIRST_DELAY = 0.1
LONGEST_DELAY = 3.0
#: Hints waiting to be told, one an event; beyond that the oldest is left to the sweep.
MOST_WAITING = 10_000
#: Channels subscribed to in one command.
MOST_CHANNELS = 500
PREFIX = "ayes:event:"
#: Bytes of a message; ours have under 200.
LONGEST_MESSAGE = 1_024

_LOST = (RedisError, OSError, TimeoutError, EOFError)


class _Message(msgspec.Struct):
    """What goes over the wire."""

    epoch: str
    seq: int
    node: str = ""


_decoder = msgspec.json.Decoder(_Message)


def make_redis(url: str) -> Redis:
    """A client with our own retries (none: the tasks reconnect) and timeouts."""
    client: Redis = Redis.from_url(
        url,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    return client


class RedisBus:
    """One node on the bus."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._node = uuid.uuid4().hex
        self._waiting: dict[str, Hint] = {}
        self._something = asyncio.Event()
        self._watched: set[str] = set()
        self._listener: Listener | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._beat = f"ayes:beat:{self._node}"
        self.is_up = False
        """Whether hints are heard now; for the metrics."""

    async def start(self, listener: Listener) -> None:
        """Begin; a Redis that is not there yet is waited for in the background."""
        self._listener = listener
        for work, name in ((self._speak, "bus speaks"), (self._hear, "bus hears")):
            self._tasks.append(asyncio.create_task(self._for_ever(work), name=name))

    async def stop(self) -> None:
        """End."""
        # Again and again: a cancellation that meets the client in mid-read can be lost in it.
        while pending := [task for task in self._tasks if not task.done()]:
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=REDIS_SECONDS)
        self._tasks.clear()

    def tell(self, hint: Hint) -> None:
        """Tell the other nodes, soon."""
        if hint.event not in self._waiting and len(self._waiting) >= MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[hint.event] = hint
        self._something.set()

    def watch(self, event: str) -> None:
        """Hear of ``event``; the channel is subscribed to with the next look."""
        self._watched.add(event)

    def unwatch(self, event: str) -> None:
        """Hear no more of it."""
        self._watched.discard(event)

    async def _for_ever(self, work: Callable[[Redis], Awaitable[None]]) -> None:
        """Run ``work`` on a connection; again on a fresh one when that is lost.

        The log tells once that Redis is gone, and once that it is back.
        """
        delay = FIRST_DELAY
        told = False
        while True:
            begun = asyncio.get_running_loop().time()
            try:
                async with make_redis(self._url) as redis:
                    await work(redis)
            except _LOST as err:
                if not told:
                    log.warning("Redis is out of reach, rooms go by the sweep: %r", err)
                    told = True
            except Exception:
                log.exception("the bus failed")
            if asyncio.get_running_loop().time() - begun > DEAD_SECONDS + LONGEST_DELAY:
                delay, told = FIRST_DELAY, False
            await asyncio.sleep(random.uniform(0, delay))  # noqa: S311 - jitter
            delay = min(delay * 2, LONGEST_DELAY)

    # Speaking.

    async def _speak(self, redis: Redis) -> None:
        while True:
            async with asyncio.timeout(BEAT_SECONDS * 2):
                if not self._waiting:
                    self._something.clear()
                    await self._something_or_beat()
                waiting, self._waiting = self._waiting, {}
                pipe = redis.pipeline(transaction=False)
                for hint in waiting.values():
                    message = _Message(hint.epoch, hint.seq, self._node)
                    pipe.publish(PREFIX + hint.event, msgspec.json.encode(message))
                pipe.publish(self._beat, b"{}")
                await pipe.execute()

    async def _something_or_beat(self) -> None:
        try:
            async with asyncio.timeout(BEAT_SECONDS):
                await self._something.wait()
        except TimeoutError:
            return

    # Hearing.

    async def _hear(self, redis: Redis) -> None:
        loop = asyncio.get_running_loop()
        subscribed: set[str] = set()
        heard_at = loop.time()
        async with redis.pubsub() as pubsub:
            await pubsub.subscribe(self._beat)
            try:
                while True:
                    subscribed = await self._follow(pubsub, subscribed)
                    message = await pubsub.get_message(timeout=READ_SECONDS)
                    now = loop.time()
                    if message is not None:
                        heard_at = now
                        self.is_up = True
                        self._take(message)
                    elif now - heard_at > DEAD_SECONDS:
                        raise TimeoutError("no heartbeat came back")
            finally:
                self.is_up = False

    async def _follow(self, pubsub: PubSub, subscribed: set[str]) -> set[str]:
        """Subscribe to what is watched, and to nothing else."""
        if subscribed == self._watched:
            return subscribed
        new = list(self._watched - subscribed)[:MOST_CHANNELS]
        old = list(subscribed - self._watched)[:MOST_CHANNELS]
        if new:
            await pubsub.subscribe(*(PREFIX + event for event in new))
        if old:
            await pubsub.unsubscribe(*(PREFIX + event for event in old))
        return (subscribed | set(new)) - set(old)

    def _take(self, message: dict[str, Any]) -> None:
        channel = message["channel"].decode(errors="replace")
        event = channel.removeprefix(PREFIX)
        if event == channel or event not in self._watched or self._listener is None:
            return
        if message["type"] == "subscribe":
            # What was told before this is lost to us.
            self._listener(Hint(event))
        elif message["type"] == "message" and len(message["data"]) <= LONGEST_MESSAGE:
            try:
                told = _decoder.decode(message["data"])
            except (msgspec.DecodeError, RecursionError):
                return
            if told.node != self._node:
                self._listener(Hint(event, told.epoch, told.seq))
