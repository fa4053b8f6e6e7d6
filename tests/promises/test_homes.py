"""An event on several nodes is decided at its home, and nothing is lost by that."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from handlers.lanes.decide import failed
from protocol.errors import ErrorCode, RetryableError
from server.bus.redis import RedisBus
from tests.parts import RedisServer
from tests.promises.client import Client
from tests.promises.running import Address, Running, killable, running
from tests.promises.scenes import Scene, gathering

#: Longest wait for what surely comes.
PATIENCE = 30.0


@asynccontextmanager
async def nodes(
    url: str, redis_url: str, count: int = 2, **changes: Any
) -> AsyncIterator[list[Running]]:
    """Nodes that know each other, and decide commands for each other."""
    changes = {"forward": "on"} | changes
    async with AsyncExitStack() as stack:
        found = [
            await stack.enter_async_context(
                running(url, bus=RedisBus(redis_url, "test"), **changes)
            )
            for _ in range(count)
        ]
        if changes["forward"] == "on":
            await until(lambda: all(len(one.node.nodes.homes) == count for one in found))
        yield found


async def until(happened: Any) -> None:
    """Wait for a state without an event."""
    async with asyncio.timeout(PATIENCE):
        while not happened():
            await asyncio.sleep(0.01)


class Shared:
    """An event with its home on the first node, and members on both."""

    def __init__(self, home: Running, other: Running, scene: Scene, proposal: str) -> None:
        self.home, self.other, self.scene, self.proposal = home, other, scene, proposal
        self.here: list[Client] = []
        """Members on the other node, which forwards; and the scene's first votes, at home."""

    async def votes(self, client: Client, times: int = 1, *, retried: bool = False) -> None:
        """Cast and retract, in turns; each command must be acknowledged without a replay."""
        for _ in range(times):
            for kind in ("vote.cast", "vote.retract"):
                fields: dict[str, Any] = {"event": self.scene.event, "proposal": self.proposal}
                if kind == "vote.cast":
                    fields["revision"] = 1
                id = f"{client.user}-{os.urandom(8).hex()}"
                while True:
                    answer = await client.send(kind, id=id, **fields)
                    if answer["type"] == "ack":
                        break
                    assert retried, answer
                    assert answer["retry"] == "same", answer
                    await asyncio.sleep(answer["retry_after_ms"] / 1_000)
                assert answer["applied"], answer
                assert retried or not answer["replayed"], answer

    async def shares(self) -> None:
        """Vote on both nodes in turns until the other node forwards."""
        counts = self.other.node.homes.counts
        # The first letters may be lost: the home is trusted again after ``MIN_DISTRUST_S``.
        async with asyncio.timeout(PATIENCE):
            while not counts.answered:
                await self.votes(self.scene.members[0])
                await self.votes(self.here[0])

    async def agree(self) -> None:
        """Both nodes' rooms must be equal, and have no vote left."""
        one = await self.scene.watch(self.scene.members[0])
        room = await self.here[0].subscribe(self.scene.event)
        await asyncio.gather(*(r.reached(max(one[0].seq, room.seq)) for r in (one[0], room)))
        assert one[0].state["proposals"] == room.state["proposals"]
        assert room.state["proposals"][self.proposal]["agree"] == 0


async def shared(found: list[Running], members: int = 4) -> Shared:
    """An event with a home, used on that node and on another."""
    while True:
        scene = await gathering(found[0], members)
        name = found[0].node.nodes.home_of(scene.event)
        if name == found[0].node.bus.node:
            break
    proposal = await scene.propose()
    result = Shared(found[0], found[1], scene, proposal)
    result.here = [await found[1].connect(member.user) for member in scene.members[1:]]
    await result.shares()
    return result


def counts(running: Running) -> Any:
    return running.node.homes.counts


async def test_a_shared_events_commands_are_decided_at_its_home(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        decided, forwarded = event.other.node.lanes.counts.acked, counts(event.other).forwarded
        await asyncio.gather(*(event.votes(client, 10) for client in event.here))
        assert counts(event.other).forwarded == forwarded + 60
        assert event.other.node.lanes.counts.acked == decided, "the other node decided something"
        assert counts(event.home).received == counts(event.other).answered
        assert not counts(event.home).forwarded
        assert not counts(event.other).local
        await event.agree()


async def test_an_event_that_one_node_uses_is_not_forwarded(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        for _ in range(8):
            scene = await gathering(found[0], 2)
            proposal = await scene.propose()
            for member in scene.members:
                assert (await scene.vote(member, proposal))["type"] == "ack"
        assert not any(counts(one).forwarded for one in found)


async def test_an_event_is_forwarded_once_its_home_knows_of_a_second_node(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        home, other = found
        while True:
            scene = await gathering(home, 2)
            if home.node.nodes.home_of(scene.event) == home.node.bus.node:
                break
        # Nobody watches the room, and this node's first command finds nothing of its own moved.
        there = await other.connect(scene.members[0].user)
        proposal = await scene.propose()
        await there.ack("vote.cast", event=scene.event, proposal=proposal, revision=1)
        await until(lambda: scene.event in other.node.homes._shared)
        decided = other.node.lanes.counts.acked
        await there.ack("vote.retract", event=scene.event, proposal=proposal)
        assert counts(other).answered == 1
        assert other.node.lanes.counts.acked == decided, "it decided again"


async def test_with_forwarding_off_every_node_decides_its_own(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url, forward="off") as found:
        scene = await gathering(found[0], 2)
        proposal = await scene.propose()
        there = await found[1].connect(scene.members[0].user)
        for _ in range(5):
            for client in (there, scene.members[1]):
                await client.ack("vote.cast", event=scene.event, proposal=proposal, revision=1)
                await client.ack("vote.retract", event=scene.event, proposal=proposal)
        assert not any(counts(one).forwarded for one in found)


async def test_commands_of_a_socket_keep_their_order_whatever_way_they_take(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        client = event.here[1]
        for _ in range(5):
            sent = [
                await client.post(
                    "comment.add", event=event.scene.event, proposal=event.proposal, content="x"
                )
                for _ in range(30)
            ]
            # The route changes while commands are on it: to the lane here, and back.
            event.other.node.nodes.changes += 1
            event.other.node.homes._shared.is_mine(event.scene.event)
            sent += [
                await client.post(
                    "comment.add", event=event.scene.event, proposal=event.proposal, content="y"
                )
                for _ in range(30)
            ]
            event.other.node.homes._shared._shared[event.scene.event] = None
            sent += [
                await client.post(
                    "comment.add", event=event.scene.event, proposal=event.proposal, content="z"
                )
                for _ in range(30)
            ]
            seqs = [(await client.answered(one))["seq"] for one in sent]
            assert seqs == sorted(seqs)


async def test_votes_over_and_over_at_two_nodes_have_one_budget(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url, churn_votes=40) as found:
        event = await shared(found)
        proposal = await event.scene.propose()
        there = event.here[1]
        here = await event.home.connect(there.user)
        codes = []
        for number in range(70):
            client, kind = (here, there)[number // 2 % 2], ("cast", "retract")[number % 2]
            fields: dict[str, Any] = {"revision": 1} if kind == "cast" else {}
            answer = await client.send(
                f"vote.{kind}", event=event.scene.event, proposal=proposal, **fields
            )
            codes.append(answer.get("code"))
        assert "rate_limited" in codes
        # A node alone would let in 40, and both of them all.
        assert codes.index("rate_limited") < 60


async def test_the_sender_is_judged_by_the_home_under_the_lock(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        await event.scene.do("membership.remove", user=event.here[1].user)
        answer = await event.here[1].send(
            "vote.cast", event=event.scene.event, proposal=event.proposal, revision=1
        )
        assert answer["code"] == "not_a_member"
        answer = await event.here[0].send(
            "vote.cast", event=event.scene.event, proposal=event.proposal, revision=7
        )
        assert answer["code"] == "revision_changed"
        assert not counts(event.other).local


async def test_a_lost_letter_costs_a_moment_and_nothing_else(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        for sender, what in ((event.other, "commands"), (event.home, "answers")):
            bus = sender.node.bus
            assert isinstance(bus, RedisBus)
            post, dropped = bus.post, 0

            def lossy(channel: str, writer: Any, post: Any = post) -> None:
                def write() -> Any:
                    nonlocal dropped
                    text = writer()
                    if channel.startswith("node:") and text is not None and not dropped:
                        dropped += 1
                        return None
                    return text

                post(channel, write)

            bus.post = lossy  # type: ignore[method-assign]
            await asyncio.gather(*(event.votes(client, 10) for client in event.here))
            bus.post = post  # type: ignore[method-assign]
            assert dropped, what
        assert counts(event.other).local["lost"] + counts(event.other).local["silent"]
        await event.agree()


@pytest.mark.parametrize("how", ["cut", "frozen", "emptied"])
async def test_redis_that_fails_between_forward_and_answer_loses_no_ack(
    migrated_url: str, redis_server: RedisServer, how: str
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        going = [asyncio.create_task(event.votes(client, 15)) for client in event.here]
        going.append(asyncio.create_task(event.votes(event.scene.members[0], 15)))
        before = counts(event.other).answered
        await until(lambda: counts(event.other).answered > before + 5)
        assert redis_server.process is not None
        if how == "frozen":
            os.kill(redis_server.process.pid, signal.SIGSTOP)
        else:
            redis_server.stop()
            if how == "emptied":
                redis_server.start()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*going)
        if how == "frozen":
            os.kill(redis_server.process.pid, signal.SIGCONT)
        elif how == "cut":
            redis_server.start()
        assert +counts(event.other).local
        await event.agree()
        # It is a home again, once the nodes hear from each other.
        answered = counts(event.other).answered
        async with asyncio.timeout(PATIENCE):
            while counts(event.other).answered == answered:
                await event.votes(event.scene.members[0])
                await event.votes(event.here[0])


async def test_a_home_that_is_cut_off_from_the_database_is_left(
    migrated_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        # Its lanes accept commands, and decide nothing.
        home = event.home.node.lanes
        kept: list[Any] = []
        monkeypatch.setattr(home, "submit", lambda *given: kept.append(given))
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(event.votes(client) for client in event.here))
        assert counts(event.other).local["stuck"] == len(event.here)
        monkeypatch.undo()
        # The commands that it decides at last were decided already.
        before = await event.scene.state()
        for event_id, submission in kept:
            home.submit(event_id, submission)
        await home.drained()
        assert await event.scene.state() == before


async def test_two_nodes_that_both_think_they_are_the_home_lose_nothing(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url, 3) as found:
        event = await shared(found)
        third = await found[2].connect((await event.scene.member()).user)
        # The second node believes that it is the home; the third sends to either in turns.
        own = event.other.node.bus.node
        event.other.node.nodes.home_of = lambda event: own  # type: ignore[method-assign]
        either = iter([event.home.node.bus.node, own] * 1_000)
        found[2].node.nodes.home_of = lambda event: next(either)  # type: ignore[method-assign]

        async def wavering() -> None:
            for _ in range(10):
                found[2].node.nodes.changes += 1
                event.other.node.nodes.changes += 1
                await event.votes(third)

        await asyncio.gather(
            event.votes(event.scene.members[0], 10), event.votes(event.here[1], 10), wavering()
        )
        await event.agree()


async def test_a_node_that_joins_under_load_takes_its_share(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(nodes(migrated_url, redis_server.url))
        events = [await shared(found) for _ in range(6)]
        going = [
            asyncio.create_task(event.votes(client, 15, retried=True))
            for event in events
            for client in (*event.here, event.scene.members[0])
        ]
        newcomer = await stack.enter_async_context(
            running(migrated_url, bus=RedisBus(redis_server.url, "test"), forward="on")
        )
        async with asyncio.timeout(2 * PATIENCE):
            await asyncio.gather(*going)
        await until(lambda: len(newcomer.node.nodes.homes) == 3)
        name = newcomer.node.bus.node
        moved = [e for e in events if found[0].node.nodes.home_of(e.scene.event) == name]
        for event in moved:
            await event.votes(event.here[0])
        assert bool(counts(newcomer).received) >= bool(moved)
        for event in events:
            await event.agree()


async def test_a_draining_home_gives_up_its_events_first(
    migrated_url: str, redis_of_a_kind: str
) -> None:
    async with nodes(migrated_url, redis_of_a_kind, 3) as found:
        event = await shared(found)
        going = [asyncio.create_task(event.votes(client, 30)) for client in event.here]
        third = await found[2].connect((await event.scene.member()).user)
        going.append(asyncio.create_task(event.votes(third, 30)))
        await asyncio.sleep(0)
        draining = asyncio.create_task(event.home.drain())
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*going)
        assert not counts(event.other).local["silent"]
        name = event.home.node.bus.node
        assert event.other.node.nodes.home_of(event.scene.event) != name
        await draining


async def pair(found: list[Address]) -> tuple[Scene, str, list[Client]]:
    """An event made on the first of two processes, and half of its members on the second."""
    scene = await gathering(found[0], 2)
    proposal = await scene.propose()
    there = [await found[1].connect(member.user) for member in scene.members[1:]]
    for member in scene.members[1:]:
        await member.leave()
    del scene.members[1:]
    return scene, proposal, there


async def forwards(address: Address) -> dict[str, float]:
    """The metrics of forwarding of a process."""
    import httpx

    async with httpx.AsyncClient(base_url=address.base, trust_env=False) as http:
        lines = (await http.get("/metrics")).text.splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if line.startswith("ayes_forward")]
    return {name: float(value) for name, value in pairs}


async def test_a_home_that_ends_after_commit_and_before_its_answer_loses_no_ack(
    migrated_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        # It decides, and none of its messages arrives any more.
        monkeypatch.setattr(event.home.node.bus, "post", lambda channel, writer: None)
        recovered = event.other.node.lanes.counts.recovered
        async with asyncio.timeout(PATIENCE):
            # Each must be acknowledged without a replay.
            await asyncio.gather(*(event.votes(client) for client in event.here))
        assert event.other.node.lanes.counts.recovered > recovered
        assert counts(event.other).local["silent"]
        monkeypatch.undo()
        await event.agree()


async def test_what_a_home_may_yet_decide_is_not_denied(
    migrated_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        monkeypatch.setattr(event.home.node.bus, "post", lambda channel, writer: None)
        busy = RetryableError(ErrorCode.BUSY, retry_after_ms=1)
        monkeypatch.setattr(
            event.other.node.lanes,
            "submit",
            lambda event, submission: submission.respond(failed(submission, busy)),
        )
        answer = await event.here[0].send(
            "vote.cast", event=event.scene.event, proposal=event.proposal, revision=1
        )
        assert (answer["code"], answer["effect"]) == ("commit_unknown", "unknown")
        monkeypatch.undo()


async def test_a_home_that_is_killed_under_load_loses_no_ack(
    migrated_url: str, tmp_path: Path, redis_server: RedisServer
) -> None:
    settings: dict[str, Any] = {"redis_url": redis_server.url, "forward": "on"}
    async with (
        killable(migrated_url, tmp_path / "1", **settings) as one,
        killable(migrated_url, tmp_path / "2", **settings) as other,
    ):
        # The home of each is one of the two by chance: of so many, some are at home at ``other``.
        events = [await pair([other, one]) for _ in range(12)]
        votes = [Shared(None, None, scene, proposal) for scene, proposal, _ in events]  # type: ignore[arg-type]
        there = [
            asyncio.create_task(_until_lost(vote, client))
            for vote, (scene, _, _) in zip(votes, events, strict=True)
            for client in scene.members
        ]
        is_killed = False

        async def voting(vote: Shared, client: Client) -> None:
            while not is_killed:
                await vote.votes(client, retried=True)
            await vote.votes(client, 5, retried=True)

        here = [
            asyncio.create_task(voting(vote, client))
            for vote, (_, _, clients) in zip(votes, events, strict=True)
            for client in clients
        ]

        async def enough() -> None:
            while (await forwards(one))["ayes_forwards_answered_total"] < 20:
                await asyncio.sleep(0.05)

        await asyncio.wait_for(enough(), PATIENCE)
        await other.kill()
        is_killed = True
        await asyncio.gather(*there)
        async with asyncio.timeout(2 * PATIENCE):
            await asyncio.gather(*here)
        for scene, proposal, clients in events:
            room = await clients[0].subscribe(scene.event)
            # Members who were cut off may have left a vote; the others retracted each one.
            assert room.state["proposals"][proposal]["agree"] <= len(scene.members)
        other.clients.clear()
        await one.leave()


async def test_a_rolling_restart_under_load_loses_no_ack(
    migrated_url: str, redis_server: RedisServer
) -> None:
    """Each node drains in turn while another replaces it; clients on the others go on."""
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(nodes(migrated_url, redis_server.url, 3))
        event = await shared(found)
        users = [(await event.scene.member()).user for _ in range(3)]
        other = await found[2].connect(users.pop())
        over = False

        async def voting(client: Client) -> int:
            times = 0
            while not over:
                await event.votes(client)
                times += 1
            return times

        going = [asyncio.create_task(voting(other))]
        for each in found[:2]:
            newcomer = await stack.enter_async_context(
                running(migrated_url, bus=RedisBus(redis_server.url, "test"), forward="on")
            )
            joined = await newcomer.connect(users.pop())
            going.append(asyncio.create_task(voting(joined)))
            await each.drain()
        over = True
        assert all(await asyncio.gather(*going))
        room = await other.subscribe(event.scene.event)
        assert room.state["proposals"][event.proposal]["agree"] == 0


async def _until_lost(vote: Shared, client: Client) -> None:
    """Vote until the socket is cut."""
    try:
        await vote.votes(client, 10_000, retried=True)
    except AssertionError:
        raise
    except Exception:
        return
