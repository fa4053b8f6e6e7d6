"""The connections to one Redis server: one to publish, one to subscribe.

Redis may be gone, hung, emptied or compromised. Each direction has its own task and connection,
a deadline on every wait, and reconnects with full jitter. Both send a heartbeat, since a subscriber
without messages cannot otherwise distinguish a quiet server from a hung one.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import MovedError, NoPermissionError, RedisError, ResponseError

from server.bus.client import borrowed, handler_of, round_trip
from server.bus.port import Writer
from server.bus.trouble import BusTrouble, is_misconf, trouble_of
from server.config.redis_url import shown

log = logging.getLogger("ayes.bus")

#: Seconds that a connect or a command may take; then the connection counts as lost.
REDIS_TIMEOUT_S = 1.0
#: Seconds between two heartbeats.
REDIS_HEARTBEAT_INTERVAL_S = 1.0
#: Seconds of silence after which a connection counts as lost: several heartbeats.
REDIS_SILENCE_TIMEOUT_S = 4.0
#: Seconds that a read waits before changed subscriptions are sent. A new room hears hints later by
#: as much.
REDIS_READ_TIMEOUT_S = 0.1
#: Seconds before the first reconnect, with full jitter; doubled after each failure.
MIN_RECONNECT_DELAY_S = 0.1
#: Seconds to which the delay is doubled at most; hints are missing meanwhile.
MAX_RECONNECT_DELAY_S = 3.0
#: Seconds before a reconnect after Redis refused a right: someone has to grant it first.
NO_PERMISSION_DELAY_S = 30.0
#: Seconds to wait after MOVED, so that two servers that disagree cause no busy loop.
MOVED_DELAY_S = 0.05
#: Messages that wait to be published, one per channel and kind; beyond that the oldest is dropped.
MAX_UNPUBLISHED = 10_000
#: Bytes that wait to be published, beyond which steps are left out of the messages.
MAX_UNPUBLISHED_BYTES = 8 * 1024 * 1024
#: Messages of one round trip; the rest follows.
MAX_PIPELINED = 1_000
#: Messages that are received in one iteration of the event loop; a flood must not delay its others.
MAX_RECEIVED_TOGETHER = 16
#: Channels that one command subscribes to; the rest follows.
MAX_CHANNEL_CHANGES = 500

#: Errors of a broken, hung or refusing server.
LOST_ERRORS = (RedisError, OSError, TimeoutError, EOFError)


def is_lost(err: Exception) -> bool:
    """Return whether ``err`` means that a connection is lost.

    uvloop raises a plain ``RuntimeError`` for a write to a connection that broke since the last
    iteration of the loop. redis-py does such a write, its HELLO, after a reconnect.
    """
    return isinstance(err, LOST_ERRORS) or (
        isinstance(err, RuntimeError) and "handler is closed" in str(err)
    )


#: Receives the number of connections that got a channel's message.
OnPublished: TypeAlias = Callable[[str, int], None]
#: Receives a channel's message. ``None``: subscribed again, and earlier messages may be lost.
OnMessage: TypeAlias = Callable[[str, bytes | None], None]


class RedisConnection:
    """Publishes to one server and receives from it, until ``stop``."""

    def __init__(
        self,
        url: str,
        on_message: OnMessage,
        *,
        on_published: OnPublished,
        moved: Callable[[MovedError], None] | None = None,
        lost: Callable[[], None] | None = None,
    ) -> None:
        """``moved`` makes it use a cluster's sharded channels, and is called for MOVED.

        ``lost`` is called whenever a connection is lost.
        """
        self._url = url
        self._on_message = on_message
        self._on_published = on_published
        self._moved = moved
        self._lost = lost
        self._waiting: dict[tuple[str, str], bytes | Writer] = {}
        self._waiting_bytes = 0
        self._something = asyncio.Event()
        self._watched: set[str] = set()
        self._subscribed: set[str] = set()
        self._alive = {"publish": False, "receive": False}
        self._answered_at = {"publish": time.monotonic(), "receive": time.monotonic()}
        self.dropped = 0
        """Messages dropped since too many waited."""
        self.trouble: BusTrouble | None = None
        """Why a connection was lost or refused; ``None`` while both answer."""
        self._logged = False
        self._refused: set[str] = set()
        """The directions for which a right is missing; a heartbeat does not bring them back."""
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()

    @property
    def is_up(self) -> bool:
        """Whether both connections answered their last heartbeat."""
        return all(self._alive.values())

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since both connections had answered a heartbeat."""
        return time.monotonic() - min(self._answered_at.values())

    def start(self) -> None:
        """Connect in the background; the server need not be up yet."""
        self._over.clear()
        for name, work in (("publish", self._publish), ("receive", self._receive)):
            running = self._keep_running(name, work)
            self._tasks.append(asyncio.create_task(running, name=f"bus: {name}"))

    async def stop(self) -> None:
        """Stop, and close the connections."""
        # Let the tasks end on their own first. A client that is cancelled while it connects or
        # reads leaks its socket; with TLS at any time, since closing takes a round trip.
        self._over.set()
        self._something.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2 * REDIS_TIMEOUT_S)
        # Repeated: a client that is cancelled in the middle of a read can lose the cancellation.
        while pending := [task for task in self._tasks if not task.done()]:
            for task in pending:
                task.cancel()
            await asyncio.wait(pending, timeout=REDIS_TIMEOUT_S)
        self._tasks.clear()

    def send(self, channel: str, kind: str, data: bytes | Writer) -> None:
        """Publish soon; replace a waiting message of that channel and kind.

        A ``Writer`` is asked for the message when it leaves.
        """
        if (channel, kind) not in self._waiting and len(self._waiting) >= MAX_UNPUBLISHED:
            self._pop(next(iter(self._waiting)))
            self.dropped += 1
        if (channel, kind) in self._waiting:
            self._waiting_bytes -= _bytes_of(self._waiting[channel, kind])
        self._waiting_bytes += _bytes_of(data)
        self._waiting[channel, kind] = data
        self._something.set()

    def _pop(self, key: tuple[str, str]) -> bytes | Writer:
        data = self._waiting.pop(key)
        self._waiting_bytes -= _bytes_of(data)
        return data

    def is_congested(self, channel: str) -> bool:
        """Whether too many bytes wait to be published."""
        return self._waiting_bytes > MAX_UNPUBLISHED_BYTES

    def subscribe(self, channel: str) -> None:
        """Receive the messages of ``channel``, once the reader has sent SUBSCRIBE."""
        self._watched.add(channel)

    def unsubscribe(self, channel: str) -> None:
        """Stop receiving the messages of ``channel``."""
        self._watched.discard(channel)

    async def _keep_running(self, name: str, work: Callable[[Redis], Awaitable[None]]) -> None:
        """Run ``work`` on a connection, and on a new one whenever that is lost."""
        delay = MIN_RECONNECT_DELAY_S
        while not self._over.is_set():
            try:
                async with make_redis(self._url) as redis:
                    await work(redis)
            except NoPermissionError as err:
                self.trouble = trouble_of(err)
                self._log_refused(name, err)
                delay = NO_PERMISSION_DELAY_S
            except Exception as err:
                if is_lost(err):
                    self._log_lost(err)
                else:
                    log.exception("the bus failed")
            if self._alive[name] and name not in self._refused:
                delay = MIN_RECONNECT_DELAY_S
            self._alive[name] = False
            if self._lost is not None:
                self._lost()
            await rest(self._over, random.uniform(0, delay))  # noqa: S311 - jitter
            delay = min(delay * 2, MAX_RECONNECT_DELAY_S)

    def _log_refused(self, name: str, err: NoPermissionError) -> None:
        """Log a missing right once, with what Redis says is missing and the cure."""
        if name not in self._refused:
            self._refused.add(name)
            log.error(
                "Redis at %s lacks a right, rooms go by the sweep: %s. The user needs +publish "
                "+subscribe +unsubscribe +ping, with a cluster +spublish +ssubscribe +sunsubscribe "
                "+cluster, and the channels &ayes:*",
                shown(self._url),
                err,
            )

    def _log_lost(self, err: Exception) -> None:
        """Log an outage once, whatever the number of attempts and the direction."""
        self.trouble = trouble_of(err)
        if not self._logged:
            where = shown(self._url)
            log.warning("Redis at %s: %s; rooms go by the sweep: %r", where, self.trouble, err)
            self._logged = True

    def _mark_alive(self, name: str, *, is_proven: bool) -> None:
        """Note a heartbeat. ``is_proven``: a publish or subscribe succeeded as well."""
        if is_proven:
            self._refused.discard(name)
        if name in self._refused:
            return
        self._alive[name] = True
        self._answered_at[name] = time.monotonic()
        if self.trouble is None or not self.is_up:
            return
        self.trouble = None
        if self._logged:
            log.warning("Redis at %s is back", shown(self._url))
            self._logged = False

    # Publishing.

    async def _publish(self, redis: Redis) -> None:
        publish = "PUBLISH" if self._moved is None else "SPUBLISH"
        # Kept from one round trip to the next: to borrow it each time costs more than the trip.
        async with asyncio.timeout(REDIS_HEARTBEAT_INTERVAL_S * 2):
            connection = await borrowed(redis)
        while not self._over.is_set():
            async with asyncio.timeout(REDIS_HEARTBEAT_INTERVAL_S * 2):
                if not self._waiting:
                    self._something.clear()
                    await rest(self._something, REDIS_HEARTBEAT_INTERVAL_S)
                commands: list[tuple[str | bytes, ...]] = []
                sent: list[str] = []
                for key in list(self._waiting)[:MAX_PIPELINED]:
                    waiting = self._pop(key)
                    data = waiting if isinstance(waiting, bytes) else waiting()
                    if data is not None:
                        commands.append((publish, key[0], data))
                        sent.append(key[0])
                commands.append(("PING",))
                answers = await round_trip(redis, connection, commands)
            for channel, receivers in zip(sent, answers, strict=False):
                if isinstance(receivers, int):
                    self._on_published(channel, receivers)
            self._check(answers)
            self._mark_alive("publish", is_proven=len(answers) > 1)

    def _check(self, answers: list[Any]) -> None:
        for answer in answers:
            if isinstance(answer, MovedError) and self._moved is not None:
                # The message is lost; the sweep finds its step.
                self._moved(answer)
            elif isinstance(answer, Exception) and not is_misconf(answer):
                raise answer

    # Receiving.

    async def _receive(self, redis: Redis) -> None:
        loop = asyncio.get_running_loop()
        self._subscribed.clear()
        async with redis.pubsub(**handler_of(redis)) as pubsub:
            await pubsub.connect()
            heard_at, beat_at, together = loop.time(), 0.0, 0
            while not self._over.is_set():
                if loop.time() >= beat_at:
                    await pubsub.ping()
                    beat_at = loop.time() + REDIS_HEARTBEAT_INTERVAL_S
                await self._follow(pubsub)
                message = await self._next(pubsub)
                if message is not None:
                    heard_at = loop.time()
                    self._mark_alive("receive", is_proven=message["type"] != "pong")
                    self._take(message)
                    # The client does not wait while there is something to read.
                    together += 1
                    if together % MAX_RECEIVED_TOGETHER == 0:
                        await asyncio.sleep(0)
                elif loop.time() - heard_at > REDIS_SILENCE_TIMEOUT_S:
                    raise TimeoutError("no heartbeat came back")
            if pubsub.connection is not None:
                # The client itself would not wait until the connection is closed.
                await pubsub.connection.disconnect()

    async def _next(self, pubsub: PubSub) -> dict[str, Any] | None:
        try:
            message: dict[str, Any] | None = await pubsub.get_message(timeout=REDIS_READ_TIMEOUT_S)
        except ResponseError as err:
            if is_misconf(err):
                return {"type": "pong", "channel": b"", "data": b""}
            if not isinstance(err, MovedError) or self._moved is None:
                raise
            slot = err.slot_id
            self._subscribed -= {name for name in self._subscribed if slot_of(name) == slot}
            self._moved(err)
            await asyncio.sleep(MOVED_DELAY_S)
            return None
        return message

    async def _follow(self, pubsub: PubSub) -> None:
        """Send SUBSCRIBE and UNSUBSCRIBE until the channels match ``_watched``."""
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
        # One command per channel: the channels of one command must share a slot.
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
            # Without a request of this node: the slot has moved. The next SSUBSCRIBE gets MOVED.
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
    """Make a client of one server, with timeouts and without retries: the callers reconnect."""
    client: Redis = Redis.from_url(
        url,
        socket_timeout=REDIS_TIMEOUT_S,
        socket_connect_timeout=REDIS_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    return client


def slot_of(channel: str) -> int:
    """Return the slot of a sharded channel (Redis Cluster specification, *key distribution*)."""
    return key_slot(channel.encode())


def _bytes_of(waiting: bytes | Writer) -> int:
    """Return the bytes of a waiting message; a letter has none before it is written."""
    return len(waiting) if isinstance(waiting, bytes) else 0
