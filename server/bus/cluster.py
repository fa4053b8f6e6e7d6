"""A Redis Cluster with sharded pub/sub (Redis 7, Valkey): one connection per shard.

A channel lives on the shard that serves its hash slot. Any server that answers is asked for the
slot map: at the start, every few seconds, after a lost connection and after MOVED. Messages that
are lost meanwhile are found by the rooms' sweep.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import MovedError

from server.bus.connection import (
    MAX_RECONNECT_DELAY_S,
    MIN_RECONNECT_DELAY_S,
    REDIS_TIMEOUT_S,
    OnMessage,
    RedisConnection,
    is_lost,
    make_redis,
    rest,
    slot_of,
)
from server.config.redis_url import Address, addresses_of, url_of

log = logging.getLogger("ayes.bus")

SLOTS = 16_384
#: Seconds between two looks at who serves which slot, where nothing forces one.
SLOT_MAP_INTERVAL_S = 10.0
#: Servers that are asked before a look has failed.
MAX_ASKED_SERVERS = 8


class Cluster:
    """Publishes to the shards of a cluster and hears from them."""

    def __init__(self, url: str, on_message: OnMessage) -> None:
        self._url = url
        self._on_message = on_message
        self._seeds = addresses_of(url)
        self._owners: list[Address | None] = [None] * SLOTS
        self._connections: dict[Address, RedisConnection] = {}
        self._others: set[Address] = set()
        """Replicas: worth asking when every primary we know is gone."""
        self._watched: dict[str, RedisConnection | None] = {}
        """Channel → the connection it is watched on, once its shard is known."""
        self._look_again = asyncio.Event()
        self._over = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._stopping: set[asyncio.Task[None]] = set()
        self._logged = False

    @property
    def is_up(self) -> bool:
        """Whether every slot has an owner, and every owner answers."""
        return (
            bool(self._connections)
            and None not in self._owners
            and all(connection.is_up for connection in self._connections.values())
        )

    def start(self) -> None:
        """Begin; a cluster that is not there yet is waited for in the background."""
        self._over.clear()
        self._looking = asyncio.create_task(self._look_for_ever(), name="cluster")

    async def stop(self) -> None:
        """End, with the connections closed."""
        self._over.set()
        self._look_again.set()
        if self._looking is not None:
            await asyncio.wait([self._looking], timeout=2 * REDIS_TIMEOUT_S)
        while self._looking is not None and not self._looking.done():
            self._looking.cancel()
            await asyncio.wait([self._looking], timeout=REDIS_TIMEOUT_S)
        ending = [connection.stop() for connection in self._connections.values()]
        await asyncio.gather(*ending, *self._stopping)
        self._connections.clear()

    def send(self, channel: str, kind: str, data: bytes) -> None:
        """Publish soon; to nobody while the channel's shard is not known."""
        connection = self._connection_of(channel)
        if connection is not None:
            connection.send(channel, kind, data)

    def subscribe(self, channel: str) -> None:
        """OnMessage ``channel``, soon."""
        self._watched.setdefault(channel, None)
        self._place(channel)

    def unsubscribe(self, channel: str) -> None:
        """OnMessage it no more."""
        connection = self._watched.pop(channel, None)
        if connection is not None:
            connection.unsubscribe(channel)

    def _connection_of(self, channel: str) -> RedisConnection | None:
        owner = self._owners[slot_of(channel)]
        return self._connections.get(owner) if owner is not None else None

    def _place(self, channel: str) -> None:
        """Watch ``channel`` where it lives now, and nowhere else."""
        before, connection = self._watched[channel], self._connection_of(channel)
        if before is connection:
            return
        if before is not None:
            before.unsubscribe(channel)
        if connection is not None:
            connection.subscribe(channel)
        self._watched[channel] = connection

    def _moved(self, err: MovedError) -> None:
        """A server says that a slot is elsewhere: believe it, and look."""
        address = Address(*err.node_addr)
        self._look_again.set()
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
                moved=self._moved,
                lost=self._look_again.set,
            )
            self._connections[address] = connection
            connection.start()

    # Who serves which slot.

    async def _look_for_ever(self) -> None:
        delay = MIN_RECONNECT_DELAY_S
        while not self._over.is_set():
            self._look_again.clear()
            try:
                found = await self._look()
            except Exception:
                log.exception("the cluster could not be looked at")
                found = False
            if self._over.is_set():
                return
            if found:
                await rest(self._look_again, SLOT_MAP_INTERVAL_S)
            delay = MIN_RECONNECT_DELAY_S if found else min(delay * 2, MAX_RECONNECT_DELAY_S)
            # A server that is gone calls for a look with each try to reach it.
            await rest(self._over, random.uniform(MIN_RECONNECT_DELAY_S, 2 * delay))  # noqa: S311 - jitter

    async def _look(self) -> bool:
        """Ask one server after the other until one knows the cluster; whether one did."""
        known = [*self._connections, *self._others]
        random.shuffle(known)
        error: Exception | None = None
        for address in [*dict.fromkeys([*known, *self._seeds])][:MAX_ASKED_SERVERS]:
            try:
                async with asyncio.timeout(2 * REDIS_TIMEOUT_S):
                    async with make_redis(url_of(self._url, address)) as redis:
                        self._take(await _slots(redis, address))
                self._logged = False
                return True
            except Exception as err:
                if not is_lost(err):
                    raise
                error = err
        if not self._logged:
            log.warning("no server of the Redis cluster tells who serves what: %r", error)
            self._logged = True
        return False

    def _take(self, slots: list[tuple[int, int, Address, list[Address]]]) -> None:
        """Go by what a server said: open the connections there should be, and close the others."""
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
            stopping = asyncio.create_task(ended.stop(), name="stop a Redis connection")
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)


async def _slots(redis: Redis, asked: Address) -> list[tuple[int, int, Address, list[Address]]]:
    """First and last slot, primary and replicas of each range (``CLUSTER SLOTS``)."""
    ask: Callable[[str], Awaitable[list[list[Any]]]] = redis.execute_command
    answer = await ask("CLUSTER SLOTS")
    return [
        (first, last, _address(primary, asked), [_address(replica, asked) for replica in replicas])
        for first, last, primary, *replicas in answer
    ]


def _address(found: list[Any], asked: Address) -> Address:
    """A server that does not know its own name is reached by the name it was asked under."""
    host, port = found[:2]
    text = host.decode() if isinstance(host, bytes) else str(host or "")
    return Address(text if text not in ("", "?") else asked.host, int(port))
