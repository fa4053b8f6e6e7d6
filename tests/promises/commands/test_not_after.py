"""``not_after``: a command that comes too late does nothing, and that is final."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.promises.http_caller import caller
from tests.promises.running import Running
from tests.promises.scenes import fresh, gathering

HOUR = timedelta(hours=1)


def moment(ago: timedelta) -> str:
    """A time in the past, by a correct clock."""
    return (datetime.now(UTC) - ago).isoformat()


PAST, FUTURE = moment(HOUR), moment(-HOUR)


def told(answer: dict[str, Any]) -> tuple[Any, ...]:
    """The fields that decide a client's next act."""
    return tuple(answer.get(key) for key in ("code", "effect", "retry", "replayed"))


async def test_a_command_past_its_time_does_nothing_and_is_remembered(server: Running) -> None:
    scene = await gathering(server)
    wish = {"event": scene.event, "not_after": PAST}
    first = await scene.admin.send("event.finish", id="old-wish-1", **wish)
    assert told(first) == ("too_late", "none", "fix", None)
    again = await scene.admin.send("event.finish", id="old-wish-1", **wish)
    assert told(again) == ("too_late", "none", "fix", True)
    later = await scene.admin.send(
        "event.finish", id="old-wish-1", event=scene.event, not_after=FUTURE
    )
    assert later["code"] == "id_conflict"
    assert (await scene.state())["event"]["status"] == "in_progress"


async def test_a_repeat_that_comes_late_gets_the_ack(server: Running) -> None:
    scene = await gathering(server)
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    wish = {"event": scene.event, "not_after": soon}
    first = await scene.admin.ack("event.pause", id="in-time-1", **wish)
    async with server.node.database.connection() as connection:
        await connection.execute(
            "SELECT pg_sleep(extract(epoch FROM $1::timestamptz - clock_timestamp()) + 0.01)",
            datetime.fromisoformat(soon),
        )
    again = await scene.admin.ack("event.pause", id="in-time-1", **wish)
    assert (again["seq"], again["applied"], again["replayed"]) == (first["seq"], True, True)
    other = await scene.admin.send("event.resume", id="in-time-2", **wish)
    assert other["code"] == "too_late"


@pytest.mark.parametrize("zone", ["Z", "+00:00", "+14:00", "-11:30"])
async def test_any_zone_will_do(server: Running, zone: str) -> None:
    scene = await gathering(server)
    for year, code in (("2020", "too_late"), ("2120", None)):
        at = f"{year}-01-01t00:00:00{zone}"
        answer = await scene.admin.send("event.rotate_code", event=scene.event, not_after=at)
        assert answer.get("code") == code


@pytest.mark.parametrize("wrong", ["2026-11-23T08:00:00", "tomorrow", "", 5, True, ["x"]])
async def test_what_is_no_time_names_the_field(server: Running, wrong: Any) -> None:
    scene = await gathering(server)
    answer = await scene.admin.send("event.finish", event=scene.event, not_after=wrong)
    assert (answer["code"], answer["details"]["path"]) == ("bad_request", "not_after")


async def test_where_no_event_is_found_it_is_too_late_all_the_same(server: Running) -> None:
    scene = await gathering(server)
    stranger = await scene.newcomer()
    unknown = "00000000-0000-0000-0000-000000000000"
    answers = [
        await stranger.send("vote.cast", proposal="p", revision=1, event=event, not_after=PAST)
        for event in (unknown, scene.event)
    ]
    answers += [
        await stranger.send("membership.join", code=code, not_after=PAST)
        for code in ("ZZZZZZ", scene.code)
    ]
    answers.append(await stranger.send("event.create", subject="s", not_after=PAST))
    assert {answer["code"] for answer in answers} == {"too_late"}


async def test_a_stranger_does_not_learn_by_it_that_there_is_an_event(server: Running) -> None:
    scene = await gathering(server)
    stranger = await scene.newcomer()
    for event in ("00000000-0000-0000-0000-000000000000", scene.event):
        id = fresh("stranger-wish")
        late = await stranger.send("event.start", id=id, event=event, not_after=PAST)
        again = await stranger.send("event.start", id=id, event=event, not_after=PAST)
        other = await stranger.send("event.start", id=id, event=event)
        codes = [answer["code"] for answer in (late, again, other)]
        assert codes == ["too_late", "too_late", "not_found"]
        assert "replayed" not in other


async def test_over_http_it_is_a_conflict(server: Running) -> None:
    scene = await gathering(server)
    body = {"type": "event.finish", "id": "http-wish-1", "event": scene.event, "not_after": PAST}
    async with caller(server, scene.admin.user) as http:
        reply = await http.post("/commands", json=body)
    assert (reply.status_code, reply.json()["code"]) == (409, "too_late")
