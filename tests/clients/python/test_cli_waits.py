"""``ayes-client wait``, ``invite``, and ballots of several options."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ayes_client.cli import exits
from ayes_client.cli.inviting import people_in
from tests.clients.python.conftest import Connect, gathering, proposal
from tests.clients.python.terminal import Run, ended, start
from tests.promises.running import Running
from tests.promises.scenes import fresh


@pytest.mark.parametrize("carried", [True, False])
async def test_wait_ends_with_what_became_of_a_proposal(
    carried: bool, server: Running, connect: Connect
) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user))
    wanted = await proposal(room)
    child = await start(server.url, user, "wait", room.event, wanted, "--json")
    await (room.approve(wanted) if carried else room.reject(wanted))
    said = await ended(child)
    assert said.status == (exits.EXIT_DONE if carried else exits.EXIT_NOT_CARRIED)
    assert (said.json["carried"], said.json["how"]) == (carried, "admin")


async def test_wait_says_when_the_time_is_over_and_waits_for_the_end(
    server: Running, connect: Connect, run: Run
) -> None:
    user = fresh("ada")
    room = await gathering(await connect(user))
    wanted = await proposal(room)
    late = await run(user, "wait", room.event, wanted, "--timeout", "2")
    assert late.status == exits.EXIT_TIME_OVER
    assert late.err == "ayes-client: it did not happen within 2 s\n"
    assert (await run(user, "wait", room.event, "p_nope")).status == exits.EXIT_REFUSED
    child = await start(server.url, user, "wait", room.event)
    await room.command("event.finish")
    said = await ended(child)
    assert (said.status, said.out) == (0, "no ballots were given: nothing was chosen\n")


async def test_a_roll_goes_in_and_links_come_out_the_same_again(
    connect: Connect, run: Run, tmp_path: Path
) -> None:
    user = fresh("ada")
    client = await connect(user)
    room = await gathering(client)
    roll = tmp_path / "roll.csv"
    names = ["=Ada", "Bob, B.", *(f"Member {number}" for number in range(203))]
    with roll.open("w", newline="") as file:
        csv.writer(file).writerows([["Email", "Name"], *([f"{n}@x", n] for n in names)])
    asked = (user, "invite", room.event, "--csv", str(roll), "--id", "the-roll-1")
    said = await run(*asked, "--page", "https://vote.example/")
    assert said.status == 0
    head, *rows = csv.reader(said.out.splitlines())
    assert head == ["name", "ref", "link", "invitation"]
    assert [row[0] for row in rows] == ["'=Ada", *names[1:]]
    assert rows[1][1] == "Bob, B.@x"
    assert all(row[2].startswith("https://vote.example/#/i/") for row in rows)
    assert "--id the-roll-1 gives these links again" in said.err
    again = await run(*asked, "--json")
    found = [json.loads(line) for line in again.out.splitlines()]
    assert [each["link"].rpartition("/")[2] for each in found] == [
        row[2].rpartition("/")[2] for row in rows
    ]
    bob = await connect(fresh("bob"))
    secret = rows[1][2].rpartition("/")[2]
    joined = await bob.command("membership.join", {"invitation": secret})
    assert joined.result["status"] == "accepted"
    assert (await run(user, "invite", room.event, "--csv", str(tmp_path / "no"))).status == 2


def test_a_roll_is_read_as_the_page_reads_it() -> None:
    assert list(people_in("Ada;1\nBob;\n")) == [{"name": "Ada", "ref": "1"}, {"name": "Bob"}]
    assert list(people_in("mail,NAME\na@x,Ada\n,Bob\n")) == [
        {"name": "Ada", "ref": "a@x"},
        {"name": "Bob"},
    ]
    assert list(people_in('"Ada ""A."" L",x\n')) == [{"name": 'Ada "A." L', "ref": "x"}]
    assert list(people_in("")) == []


@pytest.mark.parametrize("method", ["approval", "ranked"])
async def test_a_ballot_names_several_options(method: str, connect: Connect, run: Run) -> None:
    user = fresh("ada")
    fields = {"options": ["Market", "Home", "Park"], "criteria": ["Near"]}
    policy = {"ballot": {"method": method, "named": False}}
    room = await gathering(await connect(user), policy=policy, **fields)
    first, second, _ = sorted(
        room.state["options"], key=lambda id: room.state["options"][id]["position"]
    )
    [criterion] = room.state["criteria"]
    options = ("--option", second, "--option", first)
    said = await run(user, "ballot", room.event, *options, "--json")
    assert said.status == 0, said
    await room.reached(said.json["seq"])
    assert room.you["ballot"].get("options", []) in ([second, first], sorted([first, second]))
    assert room.you["ballot"]["criterion_order"] == []
    ranked = await run(user, "ballot", room.event, criterion, *options, "--json")
    await room.reached(ranked.json["seq"])
    assert room.you["ballot"]["criterion_order"] == [criterion]
    assert (await run(user, "ballot", room.event, first)).status == 0


async def test_a_vote_has_a_stance_and_a_hidden_tally_is_no_defect(
    connect: Connect, run: Run
) -> None:
    user = fresh("ada")
    share = {"auto": True, "rule": "share", "share": "1/2", "more_than": True, "of": "votes"}
    policy = {
        **dict.fromkeys(("assumption", "criterion", "conclusion"), share),
        "stances": ["agree", "against", "abstain"],
        "decide": "close",
        "ttl_seconds": 3600,
        "tally": "close",
    }
    room = await gathering(await connect(user), policy=policy)
    wanted = await proposal(room)
    said = await run(user, "vote", room.event, wanted, "--stance", "against")
    assert said.out.startswith("1 of 1 took part, the tally is hidden: pending (#")
    assert "the tally is hidden" in (await run(user, "status", room.event)).out
    shown = await gathering(room._sender, policy=policy | {"tally": None})  # type: ignore[arg-type]
    open_one = await proposal(shown)
    seen = await run(user, "vote", shown.event, open_one, "--stance", "against")
    assert seen.out.startswith("0 of 1 agree, 1 against, 0 abstain, 2 needed: pending (#")
