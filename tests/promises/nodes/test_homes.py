"""An event on several nodes is decided at its home, and nothing is lost by that."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.parts import RedisServer
from tests.promises.nodes.homes import counts, nodes, shared, until
from tests.promises.scenes import gathering


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
