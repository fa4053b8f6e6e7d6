"""A Redis Cluster with sharded pub/sub (Redis 7, Valkey): one connection per shard.

A channel lives on the shard that serves its hash slot. Any server that answers is asked for the
slot map: at the start, every few seconds, after a lost connection and after MOVED. Messages that
are lost meanwhile are found by the rooms' sweep.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import MovedError

from server.bus.connection import (
    MAX_RECONNECT_DELAY_S,
    MIN_RECONNECT_DELAY_S,
    REDIS_TIMEOUT_S,
    OnMessage,
    OnPublished,
    RedisConnection,
    is_lost,
    make_redis,
    rest,
    slot_of,
)
from server.bus.port import Writer
from server.bus.trouble import BusTrouble, trouble_of
from server.config.redis_url import Address, addresses_of, url_of

log = logging.getLogger("ayes.bus")

SLOTS = 16_384
#: Seconds between two reads of the slot map, if no error forces one earlier.
SLOT_MAP_INTERVAL_S = 10.0
#: Servers that are asked before a read of the slot map has failed.
MAX_ASKED_SERVERS = 8


class Cluster:
    """Publishes to the shards of a cluster, and receives from them."""

    def __init__(self, url: str, on_message: OnMessage, *, on_published: OnPublished) -> None:
        self._url = url
        self._on_message = on_message
        self._on_published = on_published
        self._seeds = addresses_of(url)
        self._owners: list[Address | None] = [None] * SLOTS
        self._connections: dict[Address, RedisConnection] = {}
        self._others: set[Address] = set()
        """Replicas, to be asked if no known primary answers."""
        self._watched: dict[str, RedisConnection | None] = {}
        """Channel → the connection that subscribes to it, once its shard is known."""
        self._stale = asyncio.Event()
        self._over = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._trouble: BusTrouble | None = None
        self._logged = False
        self._made_at = time.monotonic()
        self._dropped = 0

    @property
    def is_up(self) -> bool:
        """Whether every slot has an owner, and every owner answers."""
        return (
            bool(self._connections)
            and None not in self._owners
            and all(connection.is_up for connection in self._connections.values())
        )

    @property
    def trouble(self) -> BusTrouble | None:
        """Why a shard does not answer, or why the slot map cannot be read."""
        found = (connection.trouble for connection in self._connections.values())
        return next(filter(None, found), self._trouble)

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since every shard had answered a heartbeat; since the start, if none is known."""
        ages = [connection.heartbeat_age_s for connection in self._connections.values()]
        return max(ages, default=time.monotonic() - self._made_at)

    @property
    def dropped(self) -> int:
        """Messages dropped since too many waited, or since their shard was not known."""
        return self._dropped + sum(found.dropped for found in self._connections.values())

    def start(self) -> None:
        """Connect in the background; the cluster need not be up yet."""
        self._over.clear()
        self._reader = asyncio.create_task(self._keep_slot_map(), name="cluster")

    async def stop(self) -> None:
        """Stop, and close the connections."""
        self._over.set()
        self._stale.set()
        if self._reader is not None:
            await asyncio.wait([self._reader], timeout=2 * REDIS_TIMEOUT_S)
        while self._reader is not None and not self._reader.done():
            self._reader.cancel()
            await asyncio.wait([self._reader], timeout=REDIS_TIMEOUT_S)
        ending = [connection.stop() for connection in self._connections.values()]
        await asyncio.gather(*ending, *self._stopping)
        self._connections.clear()

    def send(self, channel: str, kind: str, data: bytes | Writer) -> None:
        """Publish soon; drop the message while the channel's shard is not known."""
        connection = self._connection_of(channel)
        if connection is None:
            self._dropped += 1
        else:
            connection.send(channel, kind, data)

    def is_congested(self, channel: str) -> bool:
        """Whether the channel's shard is not known, or too many bytes wait for it."""
        connection = self._connection_of(channel)
        return connection is None or connection.is_congested(channel)

    def subscribe(self, channel: str) -> None:
        """Receive the messages of ``channel``, soon."""
        self._watched.setdefault(channel, None)
        self._place(channel)

    def unsubscribe(self, channel: str) -> None:
        """Stop receiving the messages of ``channel``."""
        connection = self._watched.pop(channel, None)
        if connection is not None:
            connection.unsubscribe(channel)

    def _connection_of(self, channel: str) -> RedisConnection | None:
        owner = self._owners[slot_of(channel)]
        return self._connections.get(owner) if owner is not None else None

    def _place(self, channel: str) -> None:
        """Subscribe to ``channel`` on its current shard only."""
        before, connection = self._watched[channel], self._connection_of(channel)
        if before is connection:
            return
        if before is not None:
            before.unsubscribe(channel)
        if connection is not None:
            connection.subscribe(channel)
        self._watched[channel] = connection

    def _moved(self, err: MovedError) -> None:
        """Follow a MOVED reply, and read the slot map again."""
        address = Address(*err.node_addr)
        self._stale.set()
        if address.host and self._owners[err.slot_id] != address:
            self._owners[err.slot_id] = address
            self._open(address)
            for channel in self._watched:
                if slot_of(channel) == err.slot_id:
                    self._place(channel)

    def _open(self, address: Address) -> None:
        if address not in self._connections:
            connection = RedisConnection(
                url_of(self._url, address),
                self._on_message,
                on_published=self._on_published,
                moved=self._moved,
                lost=self._stale.set,
            )
            self._connections[address] = connection
            connection.start()

    # The slot map.

    async def _keep_slot_map(self) -> None:
        delay = MIN_RECONNECT_DELAY_S
        while not self._over.is_set():
            self._stale.clear()
            try:
                found = await self._read_slot_map()
            except Exception:
                log.exception("the slot map could not be read")
                found = False
            if self._over.is_set():
                return
            if found:
                await rest(self._stale, SLOT_MAP_INTERVAL_S)
            delay = MIN_RECONNECT_DELAY_S if found else min(delay * 2, MAX_RECONNECT_DELAY_S)
            # Each failed attempt to reach a lost server asks for the slot map again.
            await rest(self._over, random.uniform(MIN_RECONNECT_DELAY_S, 2 * delay))  # noqa: S311 - jitter

    async def _read_slot_map(self) -> bool:
        """Ask servers in turn for the slot map; return whether one answered."""
        known = [*self._connections, *self._others]
        random.shuffle(known)
        error: Exception | None = None
        for address in [*dict.fromkeys([*known, *self._seeds])][:MAX_ASKED_SERVERS]:
            try:
                async with asyncio.timeout(2 * REDIS_TIMEOUT_S):
                    async with make_redis(url_of(self._url, address)) as redis:
                        self._take(await _slots(redis, address))
                self._logged, self._trouble = False, None
                return True
            except Exception as err:
                if not is_lost(err):
                    raise
                error, self._trouble = err, trouble_of(err)
        if not self._logged:
            log.warning("no server of the Redis cluster returned the slot map: %r", error)
            self._logged = True
        return False

    def _take(self, slots: list[tuple[int, int, Address, list[Address]]]) -> None:
        """Apply a slot map: open the connections that it names, and close the others."""
        owners: list[Address | None] = [None] * SLOTS
        self._others = set()
        for first, last, owner, replicas in slots:
            owners[first : last + 1] = [owner] * (last + 1 - first)
            self._others.update(replicas)
            self._open(owner)
        self._owners = owners
        for channel in self._watched:
            self._place(channel)
        for address in set(self._connections) - set(owners):
            ended = self._connections.pop(address)
            self._dropped += ended.dropped
            stopping = asyncio.create_task(ended.stop(), name="stop a Redis connection")
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)


async def _slots(redis: Redis, asked: Address) -> list[tuple[int, int, Address, list[Address]]]:
    """Return first and last slot, primary and replicas of each range (``CLUSTER SLOTS``)."""
    ask: Callable[[str], Awaitable[list[list[Any]]]] = redis.execute_command
    answer = await ask("CLUSTER SLOTS")
    return [
        (first, last, _address(primary, asked), [_address(replica, asked) for replica in replicas])
        for first, last, primary, *replicas in answer
    ]


def _address(found: list[Any], asked: Address) -> Address:
    """Return a server's address; if it does not know its own name, the name it was asked by."""
    host, port = found[:2]
    text = host.decode() if isinstance(host, bytes) else str(host or "")
    return Address(text if text not in ("", "?") else asked.host, int(port))
