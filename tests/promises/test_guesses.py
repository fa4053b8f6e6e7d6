"""Entrance codes cannot be found by guessing, by any way into an event."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.promises.running import Running
from tests.promises.scenes import fresh, gathering
from tests.promises.test_http import caller


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
