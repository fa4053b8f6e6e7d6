"""Entrance codes cannot be found by guessing, by any way into an event."""

from __future__ import annotations

import asyncio
from collections import Counter

from server.bus.redis import RedisBus
from tests.parts import RedisServer
from tests.promises.http_caller import caller
from tests.promises.running import Running, running
from tests.promises.scenes import fresh, gathering


async def test_guesses_under_way_together_are_limited_like_any_others(server: Running) -> None:
    async with caller(server, fresh("guesser")) as http:
        answers = await asyncio.gather(
            *(
                http.post(
                    "/commands",
                    json={"type": "membership.join", "id": f"guess-number-{n}", "code": f"WRON{n}"},
                )
                for n in range(10, 70)
            )
        )
    codes = Counter(answer.json()["code"] for answer in answers)
    assert set(codes) == {"not_found", "rate_limited"}
    assert codes["not_found"] <= 12


async def test_codes_that_are_taken_cannot_be_found_by_making_events(server: Running) -> None:
    scene = await gathering(server)
    guesser = await server.connect(fresh("guesser"))
    made = await guesser.result("event.create", subject="Mine", entrance_code="MINE00")
    codes = []
    for number in range(30):
        taken = ("MINE00", scene.code)[number % 2]
        answer = await guesser.send("event.create", subject="Theirs?", entrance_code=taken)
        codes.append(answer["code"])
    assert codes[:2] == ["version_conflict"] * 2
    assert set(codes) == {"version_conflict", "rate_limited"}
    assert codes.count("version_conflict") <= 12
    # Codes that are not in use can still be chosen.
    assert await guesser.result("event.create", subject="Mine too", entrance_code="MINE01") != made


async def test_who_makes_many_events_with_codes_of_their_own_is_not_held_up(
    server: Running,
) -> None:
    maker = await server.connect(fresh("maker"))
    made = [
        await maker.result("event.create", subject="Mine", entrance_code=f"OWN{n:03}")
        for n in range(30)
    ]
    assert len({result["event"] for result in made}) == 30


async def test_guesses_at_two_nodes_are_one_users_guesses(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with (
        running(migrated_url, bus=RedisBus(redis_server.url, "test")) as one,
        running(migrated_url, bus=RedisBus(redis_server.url, "test")) as other,
    ):
        user, codes = fresh("guesser"), []
        here, there = await one.connect(user), await other.connect(user)
        async with asyncio.timeout(30):
            while not (one.node.nodes.others and other.node.nodes.others):
                await asyncio.sleep(0.01)
        for number in range(10):
            answer = await here.send("membership.join", code=f"WRON{number:02}")
            codes.append(answer["code"])
        buckets = other.node.commands._guesses._buckets
        async with asyncio.timeout(30):
            while user not in buckets or buckets[user]._tokens >= 1:
                await asyncio.sleep(0.01)
        for _ in range(5):
            answer = await there.send("membership.join", code="WRON00")
            codes.append(answer["code"])
        assert codes[-1] == "rate_limited"
        # Those that came back meanwhile are its own.
        assert codes.count("not_found") <= 12
        # One who did not guess is not held up there.
        honest = await other.connect(fresh("honest"))
        assert (await honest.send("membership.join", code="WRON00"))["code"] == "not_found"
        # Without Redis each node counts its own.
        redis_server.stop()
        careless = await other.connect(fresh("careless"))
        assert (await careless.send("membership.join", code="WRON00"))["code"] == "not_found"
