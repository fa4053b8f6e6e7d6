"""Commands name the state that their sender was shown: ``upto``, ``base``, and numbers."""

from __future__ import annotations

from typing import Any

from tests.promises.client import Client
from tests.promises.http_caller import caller
from tests.promises.running import Running
from tests.promises.scenes import Scene, fresh, gathering


async def asking(scene: Scene, count: int) -> list[Client]:
    """``count`` users who asked to join, in this order."""
    people = [await scene.newcomer(fresh("asking")) for _ in range(count)]
    for person in people:
        await scene.join(person)
    return people


# Requests to join


async def test_all_are_let_in_that_had_asked_by_what_was_shown(server: Running) -> None:
    scene = await gathering(server, joins=False)
    first, second, third = await asking(scene, 3)
    shown = (await scene.state())["requests"]
    positions = [shown[person.user]["position"] for person in (first, second, third)]
    assert positions == sorted(positions)
    result = await scene.do("membership.approve_all", upto=positions[1])
    assert result == {
        "approved": [first.user, second.user],
        "waiting": [third.user],
        "approved_count": 2,
        "waiting_count": 1,
    }
    assert set((await scene.state())["requests"]) == {third.user}


async def test_a_position_before_all_requests_lets_in_nobody(server: Running) -> None:
    scene = await gathering(server, joins=False)
    (person,) = await asking(scene, 1)
    for act in ("approve_all", "reject_all"):
        ack = await scene.admin.ack(f"membership.{act}", event=scene.event, upto=0)
        assert (ack["applied"], ack["result"]["waiting"]) == (False, [person.user])


async def test_all_are_turned_away_that_had_asked_by_what_was_shown(server: Running) -> None:
    scene = await gathering(server, joins=False)
    first, second = await asking(scene, 2)
    upto = (await scene.state())["requests"][first.user]["position"]
    result = await scene.do("membership.reject_all", upto=upto)
    assert (result["rejected"], result["waiting"]) == ([first.user], [second.user])


async def test_a_request_that_is_made_again_counts_from_then(server: Running) -> None:
    scene = await gathering(server, joins=False)
    first, second = await asking(scene, 2)
    upto = (await scene.state())["requests"][second.user]["position"]
    await first.ack("membership.cancel", event=scene.event)
    await scene.join(first)
    result = await scene.do("membership.approve_all", upto=upto)
    assert (result["approved"], result["waiting"]) == ([second.user], [first.user])


async def test_pages_of_requests_carry_positions(server: Running) -> None:
    scene = await gathering(server, joins=False)
    people = await asking(scene, 3)
    page = await scene.admin.ask("requests.list", event=scene.event)
    shown = (await scene.state())["requests"]
    assert {one["id"]: one["position"] for one in page["requests"]} == {
        person.user: shown[person.user]["position"] for person in people
    }


# Ballots


async def test_a_ballot_does_not_replace_one_that_its_sender_has_not_seen(server: Running) -> None:
    scene = await gathering(server, 1, options=["a", "b", "c"])
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    ballots = [
        {"option": option, "criterion_order": [], "criteria_rev": 1}
        for option in room.state["options"]
    ]

    async def submit(which: int, **base: Any) -> Any:
        return await member.send("ballot.submit", event=scene.event, **ballots[which], **base)

    assert (await submit(0, base=0))["applied"] is True
    refused = await submit(1, base=0)
    assert (refused["code"], refused["retry"]) == ("version_conflict", "fix")
    assert refused["details"] == {"path": "base", "current": 1}
    # The same ballot again is a double click, and replaces nothing.
    assert (await submit(0, base=0))["applied"] is False
    assert (await submit(1, base=1))["applied"] is True
    # Without ``base``, the last ballot counts, as in older clients.
    assert (await submit(2))["applied"] is True
    you = (await (await server.connect(member.user)).subscribe(scene.event)).you
    assert you["ballot"] == ballots[2] | {"revision": 3}
    await member.ack("ballot.clear", event=scene.event)
    assert (await submit(0, base=3))["details"]["current"] == 0


async def test_no_ballot_of_a_member_has_the_revision_of_an_earlier_one(server: Running) -> None:
    """A ``base`` that was seen before a clear, or before going, never means a later ballot."""
    scene = await gathering(server, 1, options=["a", "b"])
    (member,) = scene.members
    first, second = (await member.subscribe(scene.event)).state["options"]

    async def submit(option: str, base: int | None) -> Any:
        given: dict[str, Any] = {} if base is None else {"base": base}
        return await member.send(
            "ballot.submit", event=scene.event, option=option, criteria_rev=1, **given
        )

    async def shown() -> int:
        again = await server.connect(member.user)
        revision: int = (await again.subscribe(scene.event)).you["ballot"]["revision"]
        return revision

    await submit(first, None)
    seen = [await shown()]
    await member.ack("ballot.clear", event=scene.event)
    await submit(first, None)
    seen.append(await shown())
    await member.ack("membership.leave", event=scene.event)
    await scene.join(member)
    await submit(first, None)
    seen.append(await shown())
    assert seen == [1, 2, 3]
    for stale in seen[:-1]:
        refused = await submit(second, stale)
        assert refused["details"] == {"path": "base", "current": seen[-1]}
    assert (await submit(second, seen[-1]))["applied"] is True


# Numbers


async def test_proposals_and_comments_say_in_which_order_they_were_made(server: Running) -> None:
    scene = await gathering(server, 1)
    proposals = [await scene.propose() for _ in range(3)]
    comments = [
        (await scene.do("comment.add", proposal=proposals[0], content=fresh("words")))["comment"]
        for _ in range(2)
    ]
    await scene.do("proposal.reject", proposal=proposals[2])
    await scene.do("proposal.reject", proposal=proposals[0])
    state = await scene.state()
    shown = [state["proposals"][id] for id in proposals]
    assert [one["no"] for one in shown] == [1, 2, 3]
    assert [one.get("resolved_no") for one in shown] == [2, None, 1]
    assert [state["comments"][id]["no"] for id in comments] == [1, 2]


async def test_pages_say_it_too(server: Running) -> None:
    scene = await gathering(server)
    proposals = [await scene.propose() for _ in range(3)]
    for id in proposals:
        await scene.do("proposal.reject", proposal=id)
        await scene.do("comment.add", proposal=id, content="c")
    async with caller(server, scene.admin.user) as http:
        path = f"/events/{scene.event}"
        closed = (await http.get(f"{path}/proposals?before=3")).json()["proposals"]
        said = (await http.get(f"{path}/comments?before=3")).json()["comments"]
    assert [(one["no"], one["resolved_no"]) for one in closed] == [(2, 2), (1, 1)]
    assert [one["no"] for one in said] == [2, 1]


# Names and codes


async def test_a_member_takes_another_name_in_this_event(server: Running) -> None:
    scene = await gathering(server, 1)
    (member,) = scene.members
    first = await member.ack("membership.rename", event=scene.event, name=" Ada\u202e L. ")
    assert (first["applied"], first["result"]) == (True, {"name": "Ada L."})
    again = await member.ack("membership.rename", event=scene.event, name="Ada L.")
    assert again["applied"] is False
    assert (await scene.state())["members"][member.user]["name"] == "Ada L."
    empty = await member.send("membership.rename", event=scene.event, name="\u3164")
    assert (empty["code"], empty["details"]["path"]) == ("bad_request", "name")


async def test_new_codes_have_no_letters_that_look_alike(server: Running) -> None:
    scene = await gathering(server)
    codes = [scene.code]
    for _ in range(40):
        codes.append((await scene.do("event.rotate_code"))["entrance_code"])
    assert not set("".join(codes)) & set("0O1IL")
    assert all(len(code) == 6 and code.isalnum() and code.isascii() for code in codes)


async def test_a_given_code_may_have_them(server: Running) -> None:
    code = fresh("0O1IL").replace("-", "")[:6].upper().ljust(6, "0")
    scene = await gathering(server, entrance_code=code)
    ack = await scene.join(await scene.newcomer())
    assert ack["result"]["event"] == scene.event
