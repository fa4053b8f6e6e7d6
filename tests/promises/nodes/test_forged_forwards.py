"""Forged, repeated, late and reordered forwards: none is believed, none is decided twice.

The forger can publish on the deployment's Redis, and has read all that went over it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from server.bus.redis import LETTER, RedisBus, letters_channel_of
from server.bus.seal import SEAL_BYTES, Seal
from server.homes import homes
from server.homes.incoming import Incoming
from server.homes.letters import Commands, ForwardedCommand, Letter, channel_to, encode_letter
from tests.parts import RedisServer
from tests.promises.nodes.homes import PATIENCE, Shared, counts, nodes, shared

#: Messages of each kind.
FORGED = 10_000
#: Messages published before the nodes read them: with more at once, this process's own connections
#: to Redis would end.
AT_ONCE = 100


class Wire:
    """A forger's connection: all that it reads and writes."""

    def __init__(self, redis: Redis, event: Shared) -> None:
        self.redis, self.event = redis, event
        self.read: list[tuple[bytes, bytes]] = []
        """Channels and messages, in order."""
        self.reading: asyncio.Task[None] | None = None

    async def tap(self) -> None:
        """Read all letters from now on."""
        pubsub = self.redis.pubsub()
        await pubsub.psubscribe(letters_channel_of("test", "node:*"))
        # The confirmation.
        await pubsub.get_message(timeout=PATIENCE)

        async def read() -> None:
            try:
                async for message in pubsub.listen():
                    self.read.append((message["channel"], message["data"]))
            finally:
                await pubsub.aclose()  # type: ignore[no-untyped-call]

        self.reading = asyncio.create_task(read())

    async def let_go(self) -> None:
        """Read no more."""
        if self.reading is not None:
            self.reading.cancel()
            await asyncio.gather(self.reading, return_exceptions=True)

    async def publish(self, messages: list[tuple[bytes | str, bytes]]) -> None:
        """Publish, and wait until the nodes have read it."""
        await self.let_go()
        for at in range(0, len(messages), AT_ONCE):
            pipe: Any = self.redis.pipeline(transaction=False)
            for channel, data in messages[at : at + AT_ONCE]:
                pipe.publish(channel, data)
            await pipe.execute()
            # A letter behind them: once it is read, those before it were read.
            await self.event.votes(self.event.here[0], retried=True)

    def letters_to(self, bus: RedisBus | Any) -> str:
        """The channel of a node."""
        return letters_channel_of("test", channel_to(bus.node))


@asynccontextmanager
async def tapped(url: str, redis_url: str) -> AsyncIterator[Wire]:
    """A shared event, and a forger on its Redis."""
    async with nodes(url, redis_url) as found, Redis.from_url(redis_url) as redis:
        wire = Wire(redis, await shared(found))
        await wire.tap()
        yield wire
        await wire.let_go()


class Unmoved:
    """Only the honest votes within have an effect, at either node."""

    def __init__(self, event: Shared) -> None:
        self.event = event

    def _read(self) -> tuple[int, int]:
        both = (self.event.home, self.event.other)
        received = sum(counts(one).received for one in both)
        return received, sum(one.node.lanes.counts.replayed for one in both)

    async def __aenter__(self) -> Unmoved:
        self.sent = counts(self.event.other).forwarded + counts(self.event.home).forwarded
        self.before = self._read()
        return self

    async def __aexit__(self, *_: object) -> None:
        sent = counts(self.event.other).forwarded + counts(self.event.home).forwarded - self.sent
        received, replayed = self._read()
        assert received - self.before[0] <= sent, "a forged forward was handed to a lane"
        assert replayed == self.before[1]
        await self.event.agree()


def honest_command(event: Shared) -> ForwardedCommand:
    """A forged forward: the admin ends the event."""
    name = event.scene.event
    payload = b'{"type":"event.finish","id":"forged-forged","event":"%s"}' % name.encode()
    later = datetime.now(UTC) + timedelta(hours=1)
    admin = event.scene.admin.user
    return ForwardedCommand(name, payload, admin, admin, bytes(32), later, None)


def forgeries(wire: Wire) -> list[tuple[bytes | str, bytes]]:
    """Letters that the forger wrote without the key, or changed."""
    event, chance = wire.event, random.Random(1)
    stranger = Seal()
    stranger.use(b"a key that the forger has thought of")
    sender = event.other.node.bus.node
    found: list[tuple[bytes | str, bytes]] = []
    for number in range(FORGED):
        stream = chance.choice([1, 2, 1_000 + number, 1_000 + number])
        letter = encode_letter(
            Letter(
                sender,
                # Valid in time, whenever it is read.
                event.other.node.homes._clock() + 5,
                Commands(stream, chance.choice([1, 1, 2]), [honest_command(event)]),
                None,
            )
        )
        channel, true = chance.choice(wire.read)
        to = wire.letters_to(event.home.node.bus)
        changed = bytearray(true)
        changed[chance.randrange(len(true))] ^= chance.randrange(1, 256)
        other = event.other.node.bus if channel.decode() == to else event.home.node.bus
        kinds: list[tuple[bytes | str, bytes]] = [
            (to, letter),
            (to, bytes(SEAL_BYTES) + letter),
            (to, true[: SEAL_BYTES - 16] + letter),
            (to, stranger.seal(LETTER, channel_to(event.home.node.bus.node), letter)),
            (channel, bytes(changed)),
            # A genuine letter, sent to another node than its receiver.
            (wire.letters_to(other), true),
        ]
        found.append(kinds[number % len(kinds)])
    return found


async def test_forged_forwards_are_not_believed(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with tapped(migrated_url, redis_server.url) as wire:
        await wire.event.votes(wire.event.here[0], 5)
        async with Unmoved(wire.event):
            await wire.publish(forgeries(wire))
        assert (await wire.event.scene.state())["event"]["status"] == "in_progress"


async def test_a_seal_that_is_not_checked_is_found(
    migrated_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above is able to fail: a planted bug takes the actor from an unsealed letter."""
    open_seal = Seal.open

    def trusting(self: Seal, kind: str, about: str, sealed: bytes) -> bytes | None:
        return open_seal(self, kind, about, sealed) or sealed

    async with tapped(migrated_url, redis_server.url) as wire:
        await wire.event.votes(wire.event.here[0], 5)
        monkeypatch.setattr(Seal, "open", trusting)
        forged = forgeries(wire)[:600]
        with pytest.raises(AssertionError):
            async with Unmoved(wire.event):
                await wire.publish(forged)


async def repeated(wire: Wire, kind: str, number: int = FORGED) -> None:
    """Every recorded letter, again and again: in its order, or ``reordered``."""
    for _ in range(10):
        await asyncio.gather(*(wire.event.votes(client) for client in wire.event.here))
    chance = random.Random(2)
    true = list(wire.read)
    again: list[tuple[bytes | str, bytes]] = []
    while len(again) < number:
        again += true if kind == "repeated" else chance.sample(true, len(true))
    async with Unmoved(wire.event):
        await wire.publish(again)


@pytest.mark.parametrize("kind", ["repeated", "reordered"])
async def test_repeated_and_reordered_forwards_are_not_believed(
    migrated_url: str, redis_server: RedisServer, kind: str
) -> None:
    async with tapped(migrated_url, redis_server.url) as wire:
        await repeated(wire, kind)
        refused = counts(wire.event.home).refused + counts(wire.event.other).refused
        assert refused["order"] + refused["late"] >= FORGED * 0.9


async def test_a_forward_that_is_decided_twice_is_found(
    migrated_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above is able to fail: a planted bug takes a letter whenever it comes."""

    def trusting(self: Incoming, commands: Commands) -> int | None:
        self._stream = commands.stream
        self._received = max(self._received, commands.first + len(commands.commands) - 1)
        self.waiting += len(commands.commands)
        return self._stream

    async with tapped(migrated_url, redis_server.url) as wire:
        monkeypatch.setattr(Incoming, "accept", trusting)
        with pytest.raises(AssertionError):
            await repeated(wire, "repeated", 600)


async def test_late_forwards_are_not_believed(
    migrated_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis holds letters back for a while; meanwhile their commands are decided elsewhere."""
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        bus = event.other.node.bus
        assert isinstance(bus, RedisBus)
        kept: list[bytes] = []
        post = bus.post

        def keeping(channel: str, writer: Callable[[], bytes | None]) -> None:
            def write() -> bytes | None:
                text = writer()
                if channel.startswith("node:") and text is not None:
                    kept.append(text)
                    return None
                return text

            post(channel, write)

        monkeypatch.setattr(bus, "post", keeping)
        await asyncio.gather(*(event.votes(client) for client in event.here))
        assert counts(event.other).local["silent"]
        assert kept
        await asyncio.sleep(homes.MAX_LATENESS_S)
        before = counts(event.home).received
        for number in range(FORGED):
            event.home.node.homes._on_letter(kept[number % len(kept)])
        assert counts(event.home).refused["late"] >= FORGED
        assert counts(event.home).received == before
        monkeypatch.undo()
        await event.agree()


async def test_letters_of_nodes_that_are_gone_are_not_believed(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        home = event.home.node
        commands = Commands(1, 1, [honest_command(event)])
        text = encode_letter(Letter("a node of before", home.homes._clock(), commands, None))
        for _ in range(FORGED):
            home.homes._on_letter(text)
            home.homes._on_letter(msgspec.msgpack.encode("no letter"))
        assert counts(event.home).refused["stranger"] == FORGED
        assert counts(event.home).refused["unreadable"] == FORGED
        assert (await event.scene.state())["event"]["status"] == "in_progress"
