"""Votes and ballots are secret: the server's messages reveal them to their voter alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from persistence.journal.chain import seal_digests
from server.cli import audit
from tests.promises.http_caller import caller
from tests.promises.running import Running
from tests.promises.scenes import Scene, by_count, gathering

SECRET = ("vote.cast", "vote.retract", "ballot.submit", "ballot.clear")


async def voted(server: Running) -> Scene:
    """An event with votes, ballots, and a criterion that was deleted from a ballot."""
    scene = await gathering(
        server, 3, policy=by_count(2), options=["a", "b"], criteria=["near", "cheap"]
    )
    state = await scene.state()
    first, second = state["criteria"]
    waiting = await scene.propose()
    for member in scene.members[:2]:
        await scene.vote(member, waiting)
    withdrawn = await scene.propose()
    await scene.vote(scene.members[2], withdrawn)
    await scene.members[2].ack("vote.retract", event=scene.event, proposal=withdrawn)
    for member in scene.members:
        await member.ack(
            "ballot.submit",
            event=scene.event,
            option=next(iter(state["options"])),
            criterion_order=[first, second],
            criteria_rev=state["event"]["criteria_rev"],
        )
    await scene.members[1].ack("ballot.clear", event=scene.event)
    gone = await scene.propose(kind="criterion", category="delete", target=first, base_version=1)
    await scene.do("proposal.accept", proposal=gone)
    await scene.members[2].ack("membership.leave", event=scene.event)
    return scene


async def lines_of(server: Running, scene: Scene) -> list[dict[str, Any]]:
    async with caller(server, scene.admin.user) as http:
        answer = await http.get(f"/events/{scene.event}/journal", params={"limit": 200})
    lines: list[dict[str, Any]] = answer.json()["lines"]
    return lines


async def test_the_journal_says_nothing_of_who_voted_for_what(server: Running) -> None:
    scene = await voted(server)
    lines = await lines_of(server, scene)
    secret = [line for line in lines if line["command"] in SECRET]
    assert len(secret) == 8
    for line in secret:
        assert not line.keys() & {"user", "payload", "salt"}
        assert "you" not in json.loads(line["patches"])
        assert {"user", "id", "payload", "answer", "you"} <= line["digests"].keys()
        told = json.dumps({key: line[key] for key in line if key != "digests"})
        assert not any(member.user in told for member in scene.members)


async def test_no_line_tells_a_vote_or_a_ballot_by_its_patches(server: Running) -> None:
    scene = await voted(server)
    lines = await lines_of(server, scene)
    for line in lines:
        for own in json.loads(line["patches"]).get("you", {}).values():
            assert not own.keys() & {"votes", "ballot"}, line
    # Ballots show a deleted criterion, and leaving takes votes along; both reveal the actor.
    for command in ("proposal.accept", "membership.leave"):
        (line,) = [line for line in lines if line["command"] == command]
        assert line["user"]
        assert line["payload"]
        assert "salt" not in line
        assert "you" in line["digests"]
    # Lines without the secret are as they were.
    assert all("salt" in line for line in lines if line["command"] == "membership.join")


async def test_the_chain_verifies_without_what_is_secret(server: Running) -> None:
    scene = await voted(server)
    lines = await lines_of(server, scene)
    for line in lines:
        if "digests" in line:
            hash = seal_digests(
                bytes.fromhex(line["prev_hash"]),
                seq=line["seq"],
                at=line["at"],
                command=line["command"],
                digests=line["digests"],
            )
            assert hash.hex() == line["hash"]
    assert [line["prev_hash"] for line in lines[1:]] == [line["hash"] for line in lines[:-1]]


async def test_after_the_end_votes_and_ballots_stay_secret(server: Running) -> None:
    scene = await voted(server)
    await scene.do("event.finish")
    lines = await lines_of(server, scene)
    assert not any("user" in line for line in lines if line["command"] in SECRET)


async def test_nobody_is_told_whose_vote_carried_a_proposal(server: Running) -> None:
    scene = await gathering(server, 3, policy=by_count(2))
    proposal = await scene.propose()
    for member in scene.members[:2]:
        await scene.vote(member, proposal)
    shown = (await scene.state())["proposals"][proposal]
    assert (shown["status"], shown["resolution"]) == ("accepted", "auto_votes")
    assert "resolved_by" not in shown
    late = await scene.vote(scene.members[2], proposal)
    assert late["code"] == "proposal_closed"
    assert "by" not in late["details"]


async def test_an_export_for_the_public_is_the_journal_over_http(
    server: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = await voted(server)
    head, *lines, end = map(json.loads, (await _public(server, scene, capsys)).splitlines())
    assert (head["type"], head["event"]) == ("ayes.export", scene.event)
    assert lines == await lines_of(server, scene)
    assert end == {"end": len(lines), "hash": lines[-1]["hash"]}


async def _public(server: Running, scene: Scene, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    await audit.export(server.node.database, scene.event, public=True)
    return capsys.readouterr().out


async def test_both_exports_verify(
    server: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    scene = await voted(server)
    public, whole = tmp_path / "public", tmp_path / "whole"
    public.write_text(await _public(server, scene, capsys))
    await audit.export(server.node.database, scene.event)
    whole.write_text(capsys.readouterr().out)
    assert "the chain agrees" in audit.verify_file(public)
    assert "every answer and every patch agree" in audit.verify_file(whole)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines[:4] + lines[5:], "a line is missing"),
        (lambda lines: lines[:-2] + lines[-1:], "lines were removed"),
        (lambda lines: [line.replace("vote.cast", "vote.kast") for line in lines], "was changed"),
        (lambda lines: [line.replace('"payload":"', '"payload":"0') for line in lines], "changed"),
    ],
)
async def test_a_public_export_that_was_changed_is_found(
    server: Running,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    change: Any,
    said: str,
) -> None:
    scene = await voted(server)
    path = tmp_path / "public"
    lines = (await _public(server, scene, capsys)).splitlines()
    path.write_text("\n".join(change(lines)))
    with pytest.raises(audit.AuditError, match=said):
        audit.verify_file(path)
