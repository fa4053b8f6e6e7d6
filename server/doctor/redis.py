"""Redis as a bus: within reach, with its rights, of the kind that the URL names."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from server.bus.connection import LOST_ERRORS, REDIS_TIMEOUT_S, make_redis
from server.bus.trouble import CLUSTER_RIGHTS, RIGHTS, is_misconf, trouble_of
from server.config import redis_url
from server.doctor.finding import Finding, fail, ok, warn


async def findings(url: str) -> AsyncIterator[Finding]:
    """Yield the findings about the Redis at ``url``."""
    is_cluster = redis_url.is_cluster(url)
    where = redis_url.shown(url)
    for address in redis_url.addresses_of(url) if is_cluster else [None]:
        one = url if address is None else redis_url.url_of(url, address)
        try:
            async with make_redis(one) as redis:
                yield await _look(redis, str(address or where), is_cluster=is_cluster)
        except NoPermissionError as err:
            rights = CLUSTER_RIGHTS if is_cluster else RIGHTS
            fact = f"{where} lacks a right, and rooms on other nodes lag: {err}"
            yield fail("redis", fact, f"ACL SETUSER … {rights}")
        except LOST_ERRORS as err:
            found = trouble_of(err)
            said = str(err) or type(err).__name__
            yield fail("redis", f"{address or where}: {found.fact} ({said})", found.cure)


async def _look(redis: Redis, where: str, *, is_cluster: bool) -> Finding:
    client: Any = redis
    cannot_save = False
    try:
        await client.ping()
    except ResponseError as err:
        if not is_misconf(err):
            raise
        cannot_save = True
    try:
        serves_slots = bool(await client.execute_command("CLUSTER", "SLOTS"))
    except NoPermissionError:
        if is_cluster:
            raise
        serves_slots = False
    except ResponseError:
        serves_slots = False
    if serves_slots != is_cluster:
        scheme = "redis://" if is_cluster else "redis+cluster://"
        kind = "no cluster" if is_cluster else "a server of a cluster"
        return fail("redis", f"{where} is {kind}", f"begin AYES_REDIS_URL with {scheme}")
    heard = await (_hears_on_shard if is_cluster else _hears)(client)
    if not heard:
        cure = "look at its latency and its client-output-buffer-limit"
        return fail("redis", f"{where} took a message and did not deliver it in time", cure)
    if cannot_save:
        found = trouble_of(ResponseError("MISCONF"))
        fact = f"{where}: {found.fact}; Ayes stores nothing there, other programs may"
        return warn("redis", fact, found.cure)
    return ok("redis", f"{where} answers, publishes and delivers")


async def _hears(redis: Any) -> bool:
    """Publish to a channel of its own, and whether the message arrives."""
    channel = f"ayes:doctor:{secrets.token_hex(8)}"
    async with redis.pubsub() as listener:
        await listener.subscribe(channel)
        await listener.get_message(timeout=REDIS_TIMEOUT_S)
        await redis.publish(channel, b"doctor")
        return await _message(listener)


async def _hears_on_shard(redis: Any) -> bool:
    """Ask only for the right: a channel's shard may be another server."""
    channel = f"ayes:doctor:{secrets.token_hex(8)}"
    try:
        await redis.execute_command("SPUBLISH", channel, b"doctor")
    except NoPermissionError:
        raise
    except ResponseError as err:
        return "MOVED" in str(err) or type(err).__name__ == "MovedError"
    return True


async def _message(listener: Any) -> bool:
    try:
        async with asyncio.timeout(REDIS_TIMEOUT_S):
            while True:
                found = await listener.get_message(
                    ignore_subscribe_messages=True, timeout=REDIS_TIMEOUT_S
                )
                if found is not None:
                    return True
    except TimeoutError:
        return False
