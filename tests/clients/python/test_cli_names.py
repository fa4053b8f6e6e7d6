"""``ayes-client`` takes the words of things for their ids, and says what its counts mean."""

from __future__ import annotations

from ayes_client.cli import exits
from tests.clients.python.conftest import Connect, gathering, proposal
from tests.clients.python.terminal import Run
from tests.promises.scenes import fresh

NEEDS_THREE = {
    "auto": True,
    "rule": "count",
    "threshold": 3,
}


async def test_a_ballot_names_its_option_and_criteria_by_their_words(
    connect: Connect, run: Run
) -> None:
    user = fresh("ada")
    options, criteria = ["Market", "Home"], ["Near", "Cheap"]
    room = await gathering(await connect(user), options=options, criteria=criteria)
    ids = {option["content"]: id for id, option in room.state["options"].items()}
    given = await run(user, "ballot", room.event, "--option", "Market", "--json")
    assert given.status == 0, given
    await room.reached(given.json["seq"])
    assert room.you["ballot"]["option"] == ids["Market"]
    given = await run(user, "ballot", room.event, " Home", "Cheap", "Near", "--json")
    await room.reached(given.json["seq"])
    assert room.you["ballot"]["option"] == ids["Home"]
    order = [room.state["criteria"][id]["content"] for id in room.you["ballot"]["criterion_order"]]
    assert order == ["Cheap", "Near"]


async def test_words_of_no_thing_or_of_several_name_none(connect: Connect, run: Run) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user), options=["Market", "Home"])
    none = await run(user, "ballot", room.event, "market")
    assert none.status == exits.EXIT_REFUSED
    assert none.err.startswith("ayes-client: not_found: no option has the id or the words “market”")
    assert "“Market”, “Home”" in none.err or "“Home”, “Market”" in none.err
    for _ in range(2):
        await proposal(room, "It rains")
    both = await run(user, "vote", room.event, "It rains")
    assert both.status == exits.EXIT_USAGE
    assert all(id in both.err for id in room.state["proposals"])


async def test_proposals_and_items_are_named_by_their_words(connect: Connect, run: Run) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user), criteria=["Near"])
    wanted = await proposal(room, "It rains")
    vote = (user, "vote", room.event, "It rains", "--id", "by-its-words")
    assert (await run(*vote)).out.startswith("1 of 1 agree: pending (#")
    said = await run(user, "comment", room.event, "Does it?", "--proposal", "It rains")
    assert said.status == 0, said
    approved = await run(user, "approve", room.event, "It rains", "--id", "approved-by-words")
    assert approved.out.startswith(f"proposal {wanted} is accepted (admin) (#")
    # The same ids settle what was done, also when another thing has the words.
    await proposal(room, "It rains")
    assert "as answered before" in (await run(*vote)).out
    again = await run(user, "approve", room.event, "It rains", "--id", "approved-by-words")
    assert "as answered before" in again.out, again
    concluded = await run(user, "propose", room.event, "conclusion", "So it is", "--of", "Near")
    assert concluded.status == 0, concluded
    removed = await run(user, "propose", room.event, "assumption", "--delete", "It rains")
    assert removed.status == 0, removed


async def test_the_state_says_how_many_are_needed(connect: Connect, run: Run) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user), policy={"assumption": NEEDS_THREE})
    wanted = await proposal(room)
    await room.reached((await room.vote(wanted)).seq)
    assert "  1 of 1, 3 needed  " in (await run(user, "status", room.event)).out
    await room.reached((await room.approve(wanted)).seq)
    assert "  1 of 1  accepted (admin)" in (await run(user, "status", room.event)).out


async def test_no_ballots_choose_nothing(connect: Connect, run: Run) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user), options=["Market", "Home"])
    await room.finish()
    said = await run(user, "results", room.event)
    assert (said.status, said.out) == (0, "no ballots were given: nothing was chosen\n")


async def test_a_policy_with_guests_is_warned_of_if_the_server_takes_none(run: Run) -> None:
    made = await run(fresh("ada"), "create", "Lunch", "--policy", '{"guests": true}')
    assert made.status == 0
    assert "this server takes no guests (AYES_GUESTS is off)" in made.err
    assert (await run(fresh("ada"), "create", "Lunch")).err == ""
