"""The line to one Redis server: what is published there, and what is heard from there.

Redis may be gone, hung, emptied or lying. Two tasks, one for each direction, each with a connection
of its own, deadlines on every wait, and a reconnect with full jitter. A hung server is noticed by a
heartbeat of our own on both connections, since a subscriber that hears nothing cannot tell silence
from death.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import MovedError, RedisError

from server.config.redis_url import shown

log = logging.getLogger("ayes.bus")

#: Longest that a connection or a command may take.
REDIS_TIMEOUT_S = 1.0
#: Seconds between two heartbeats, and of silence until the line counts as dead.
REDIS_HEARTBEAT_INTERVAL_S = 1.0
REDIS_SILENCE_TIMEOUT_S = 4.0
#: How long reading waits before the set of watched channels is looked at again.
REDIS_READ_TIMEOUT_S = 0.1
#: First and longest wait before connecting again, drawn with full jitter.
MIN_RECONNECT_DELAY_S = 0.1
MAX_RECONNECT_DELAY_S = 3.0
#: Rest after a server said that a channel is another's: two that disagree must not spin.
MOVED_DELAY_S = 0.05
#: Messages waiting to be published, one a channel and kind; beyond that the oldest is dropped.
MAX_UNPUBLISHED = 10_000
#: Messages published in one round trip, channels subscribed to in one look.
MAX_PIPELINED = 1_000
MAX_CHANNEL_CHANGES = 500

#: What a broken, hung or refusing server raises.
LOST_ERRORS = (RedisError, OSError, TimeoutError, EOFError)


def is_lost(err: Exception) -> bool:
    """Whether ``err`` says that a connection is gone.

    uvloop has a plain ``RuntimeError`` for writing to one that broke between two turns of the loop,
    and redis-py writes its HELLO so after it has connected again.
    """
    return isinstance(err, LOST_ERRORS) or (
        isinstance(err, RuntimeError) and "handler is closed" in str(err)
    )


#: Hears a channel's message; ``None``: subscribed anew, what was published before is lost.
OnMessage: TypeAlias = Callable[[str, bytes | None], None]


class RedisConnection:
    """Publishes to one server and hears from it, for as long as it runs."""

    def __init__(
        self,
        url: str,
        on_message: OnMessage,
        *,
        moved: Callable[[MovedError], None] | None = None,
        lost: Callable[[], None] | None = None,
    ) -> None:
        """``moved``: a cluster's sharded channels are used, and a slot was found elsewhere.

        ``lost`` is called whenever a connection is lost.
        """
        self._url = url
        self._on_message = on_message
        self._moved = moved
        self._lost = lost
        self._waiting: dict[tuple[str, str], bytes] = {}
        self._something = asyncio.Event()
        self._watched: set[str] = set()
        self._subscribed: set[str] = set()
        self._alive = {"publish": False, "receive": False}
        self._logged = False
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()

    @property
    def is_up(self) -> bool:
        """Whether both directions answered their last heartbeat."""
        return all(self._alive.values())

    def start(self) -> None:
        """Begin; a server that is not there yet is waited for in the background."""
        self._over.clear()
        for name, work in (("publish", self._publish), ("receive", self._receive)):
            running = self._run_forever(name, work)
            self._tasks.append(asyncio.create_task(running, name=f"bus: {name}"))

    async def stop(self) -> None:
        """End, with the connections closed."""
        # Asked to first: a client that is cancelled while it connects or reads leaves its socket
        # behind, one with TLS at any time, since there the end is a round trip.
        self._over.set()
        self._something.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2 * REDIS_TIMEOUT_S)
        # Again and again: a cancellation that meets the client in mid-read can be lost in it.
        while pending := [task for task in self._tasks if not task.done()]:
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=REDIS_TIMEOUT_S)
        self._tasks.clear()

    def send(self, channel: str, kind: str, data: bytes) -> None:
        """Publish soon; takes the place of what waits for that channel and kind."""
        if (channel, kind) not in self._waiting and len(self._waiting) >= MAX_UNPUBLISHED:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[channel, kind] = data
        self._something.set()

    def subscribe(self, channel: str) -> None:
        """OnMessage ``channel``; it is subscribed to with the next look."""
        self._watched.add(channel)

    def unsubscribe(self, channel: str) -> None:
        """OnMessage it no more."""
        self._watched.discard(channel)

    async def _run_forever(self, name: str, work: Callable[[Redis], Awaitable[None]]) -> None:
        """Run ``work`` on a connection; again on a fresh one when that is lost."""
        delay = MIN_RECONNECT_DELAY_S
        while not self._over.is_set():
            try:
                async with make_redis(self._url) as redis:
                    await work(redis)
            except Exception as err:
                if is_lost(err):
                    self._log_lost(err)
                else:
                    log.exception("the bus failed")
            if self._alive[name]:
                delay = MIN_RECONNECT_DELAY_S
            self._alive[name] = False
            if self._lost is not None:
                self._lost()
            await rest(self._over, random.uniform(0, delay))  # noqa: S311 - jitter
            delay = min(delay * 2, MAX_RECONNECT_DELAY_S)

    def _log_lost(self, err: Exception) -> None:
        """Log it once, however often it is tried, and by whichever direction it was noticed."""
        if not self._logged:
            where = shown(self._url)
            log.warning("Redis at %s is out of reach, rooms go by the sweep: %r", where, err)
            self._logged = True

    def _lives(self, name: str) -> None:
        self._alive[name] = True
        if self._logged and self.is_up:
            log.warning("Redis at %s is back", shown(self._url))
            self._logged = False

    # Speaking.

    async def _publish(self, redis: Redis) -> None:
        publish = "PUBLISH" if self._moved is None else "SPUBLISH"
        while not self._over.is_set():
            async with asyncio.timeout(REDIS_HEARTBEAT_INTERVAL_S * 2):
                if not self._waiting:
                    self._something.clear()
                    await rest(self._something, REDIS_HEARTBEAT_INTERVAL_S)
                pipe = redis.pipeline(transaction=False)
                for key in list(self._waiting)[:MAX_PIPELINED]:
                    pipe.execute_command(publish, key[0], self._waiting.pop(key))
                pipe.ping()
                answers = await pipe.execute(raise_on_error=False)
            self._look_at(answers)
            self._lives("publish")

    def _look_at(self, answers: list[Any]) -> None:
        for answer in answers:
            if isinstance(answer, MovedError) and self._moved is not None:
                # The message itself is left to the sweep.
                self._moved(answer)
            elif isinstance(answer, Exception):
                raise answer

    # Hearing.

    async def _receive(self, redis: Redis) -> None:
        loop = asyncio.get_running_loop()
        self._subscribed.clear()
        async with redis.pubsub() as pubsub:
            await pubsub.connect()
            heard_at, beat_at = loop.time(), 0.0
            while not self._over.is_set():
                if loop.time() >= beat_at:
                    await pubsub.ping()
                    beat_at = loop.time() + REDIS_HEARTBEAT_INTERVAL_S
                await self._follow(pubsub)
                message = await self._next(pubsub)
                if message is not None:
                    heard_at = loop.time()
                    self._lives("receive")
                    self._take(message)
                elif loop.time() - heard_at > REDIS_SILENCE_TIMEOUT_S:
                    raise TimeoutError("no heartbeat came back")
            if pubsub.connection is not None:
                # Nobody else reads from it; the client itself would not wait for the end.
                await pubsub.connection.disconnect()

    async def _next(self, pubsub: PubSub) -> dict[str, Any] | None:
        try:
            message: dict[str, Any] | None = await pubsub.get_message(timeout=REDIS_READ_TIMEOUT_S)
        except MovedError as err:
            if self._moved is None:
                raise
            slot = err.slot_id
            self._subscribed -= {name for name in self._subscribed if slot_of(name) == slot}
            self._moved(err)
            await asyncio.sleep(MOVED_DELAY_S)
            return None
        return message

    async def _follow(self, pubsub: PubSub) -> None:
        """Subscribe to what is watched, and to nothing else."""
        if self._subscribed == self._watched:
            return
        new = list(self._watched - self._subscribed)[:MAX_CHANNEL_CHANGES]
        old = list(self._subscribed - self._watched)[:MAX_CHANNEL_CHANGES]
        self._subscribed = (self._subscribed | set(new)) - set(old)
        if self._moved is None:
            if new:
                await pubsub.subscribe(*new)
            if old:
                await pubsub.unsubscribe(*old)
            return
        # One by one: the channels of one command must be of one slot.
        for channel in new:
            await pubsub.ssubscribe(channel)
        for channel in old:
            await pubsub.sunsubscribe(channel)

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "pong":
            return
        channel = message["channel"].decode(errors="replace")
        if kind == "sunsubscribe":
            # Where nobody asked for it: the slot has moved. The next try is told whereto.
            self._subscribed.discard(channel)
        elif channel not in self._watched:
            return
        elif kind in ("subscribe", "ssubscribe"):
            self._on_message(channel, None)
        elif kind in ("message", "smessage"):
            self._on_message(channel, message["data"])


async def rest(over: asyncio.Event, seconds: float) -> None:
    """Wait ``seconds``, or until ``over`` is set."""
    try:
        async with asyncio.timeout(seconds):
            await over.wait()
    except TimeoutError:
        return


def make_redis(url: str) -> Redis:
    """A client of one server, with our own retries (none: the callers reconnect) and timeouts."""
    client: Redis = Redis.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    return client


def slot_of(channel: str) -> int:
    """The hash slot of a sharded channel (Redis Cluster specification, *key distribution*)."""
    return key_slot(channel.encode())
