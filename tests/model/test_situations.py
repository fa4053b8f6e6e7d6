"""The model in the twelve situations: what people expect when two things happen at once."""

from __future__ import annotations

from tests.model.rows import Row
from tests.model.table import CODE, Table


def test_1_the_vote_that_crosses_accepts_once(table: Table) -> None:
    proposal = table.propose("bob")
    assert table.vote(proposal, "ada") == {"agree": 1, "eligible": 4, "status": "pending"}
    assert table.vote(proposal, "bob") == {"agree": 2, "eligible": 4, "status": "accepted"}
    assert len(table.model.live("assumption")) == 2


def test_2_a_vote_after_the_decision_is_told_by_whom(table: Table) -> None:
    proposal = table.propose("bob")
    table.vote(proposal, "ada", "bob")
    answer = table.say("cid", "vote.cast", proposal=proposal, revision=1)
    at = "2026-11-23T08:00:00.000Z"
    closed = {"status": "accepted", "resolution": "auto_votes", "at": at, "seq": 8}
    assert answer == ("error", {"code": "proposal_closed", "details": closed})
    assert "cid" not in table.model.votes[proposal]


def test_3_the_same_id_gives_the_same_answer(table: Table) -> None:
    proposal = table.propose("bob")
    vote = {"proposal": proposal, "revision": 1}
    first = table.say("ada", "vote.cast", id="one-intent", **vote)
    table.vote(proposal, "cid")
    assert table.say("ada", "vote.cast", id="one-intent", **vote) == first
    table("ada", "event.set_policy", policy_version=1, policy={"assumption": {"threshold": 5}})
    other = table.propose("bob")
    table.vote(other, "ada")
    assert table.same("ada", "vote.cast", proposal=other, revision=1)["agree"] == 1
    assert (
        table.no("ada", "vote.cast", id="one-intent", proposal=other, revision=1) == "id_conflict"
    )
    refused = table.say("ada", "vote.cast", id="refused-once", proposal="nothing", revision=1)
    assert (
        table.say("ada", "vote.cast", id="refused-once", proposal="nothing", revision=1) == refused
    )


def test_4_the_second_admin_is_told_of_the_first(table: Table) -> None:
    table("ada", "membership.set_role", user="bob", role="admin")
    proposal, other = table.propose("cid"), table.propose("cid")
    first = table("ada", "proposal.accept", proposal=proposal)
    assert table.same("bob", "proposal.accept", proposal=proposal) == first
    assert first["by"] == "ada"
    table("ada", "proposal.accept", proposal=other)
    assert table.no("bob", "proposal.reject", proposal=other) == "already_resolved"


def test_5_a_lowered_threshold_accepts_the_oldest_first(table: Table) -> None:
    table("ada", "event.set_policy", policy_version=1, policy={"assumption": {"threshold": 4}})
    on_it: Row = {"category": "update", "target": table.item(), "base_version": 1}
    first, rival, free = (
        table.propose("bob", **on_it),
        table.propose("cid", **on_it),
        table.propose("dot"),
    )
    for proposal in (first, rival, free):
        table.vote(proposal, "ada", "bob")
    lower = {"policy_version": 2, "policy": {"assumption": {"threshold": 2}}}
    assert table("ada", "event.set_policy", **lower)["accepted"] == [first, free]
    assert table.status(rival) == ("pending", None)
    raised = {"policy_version": 3, "policy": {"assumption": {"threshold": 9}}}
    assert table("ada", "event.set_policy", **raised)["accepted"] == []
    assert table.status(first) == ("accepted", "auto_votes")


def test_6_who_goes_takes_their_votes_and_what_then_passes_passes(table: Table) -> None:
    half = {"assumption": {"rule": "percent", "threshold": 50}}
    table("ada", "event.set_policy", policy_version=1, policy=half)
    proposal, other = table.propose("dot"), table.propose("dot")
    table.vote(proposal, "ada")
    table.vote(other, "dot")
    table("dot", "membership.leave")
    assert table.status(other) == ("pending", None)
    assert table.model.tally(table.model.proposals[other]) == {"agree": 0, "eligible": 3}
    table("cid", "membership.leave")
    assert table.status(proposal) == ("accepted", "auto_votes")
    table.join("dot")
    assert table.model.you("dot")["votes"] == {}
    table.vote(other, "dot")


def test_7_who_was_removed_is_no_member_for_what_waits(table: Table) -> None:
    proposal = table.propose("bob")
    table("ada", "membership.remove", user="dot")
    assert table.no("dot", "vote.cast", proposal=proposal, revision=1) == "not_a_member"
    table.join("dot")
    assert table.model.members["dot"]["status"] == "pending"


def test_8_an_event_keeps_an_admin(table: Table) -> None:
    assert table.no("ada", "membership.leave") == "last_admin"
    assert table.no("ada", "membership.set_role", user="ada", role="member") == "last_admin"
    table("ada", "membership.set_role", user="bob", role="admin")
    table("bob", "membership.set_role", user="ada", role="member")
    assert table.no("ada", "membership.set_role", user="bob", role="member") == "forbidden"
    table("bob", "membership.leave", transfer_to="cid")
    assert table.model.admins() == {"cid"}


def test_8_nobody_makes_an_admin_by_leaving(table: Table) -> None:
    assert table.no("bob", "membership.leave", transfer_to="cid") == "forbidden"


def test_9_the_maximum_is_never_exceeded() -> None:
    table = Table(max_members=2)
    table.join("bob")
    assert table.no("cid", "membership.join", code=CODE) == "event_full"
    table("ada", "event.set_policy", policy_version=1, policy={"membership_auto": False})
    table.join("cid", "dot")
    assert table.no("ada", "membership.approve", user="cid") == "event_full"
    assert table.same("ada", "membership.approve_all")["waiting"] == ["cid", "dot"]
    table("ada", "event.update", max_members=3)
    result = table("ada", "membership.approve_all")
    assert (result["approved"], result["waiting"]) == (["cid"], ["dot"])
    assert (result["approved_count"], result["waiting_count"]) == (1, 1)
    assert table.no("ada", "event.update", max_members=2) == "limit_reached"


def test_10_an_update_of_what_is_deleted_is_closed_already(table: Table) -> None:
    item = table.item()
    update = table.propose("bob", category="update", target=item, base_version=1)
    gone = table.propose("cid", category="delete", target=item, base_version=1)
    table.vote(gone, "ada", "bob")
    assert table.status(update) == ("deleted", "target_deleted")
    again = {"kind": "assumption", "category": "update", "content": "x", "base_version": 2}
    assert table.no("bob", "proposal.create", target=item, **again) == "target_gone"


def test_11_a_pause_refuses_and_a_finish_closes(table: Table) -> None:
    proposal = table.propose("bob")
    table("ada", "event.pause")
    assert table.no("cid", "vote.cast", proposal=proposal, revision=1) == "event_not_in_progress"
    table("ada", "event.finish")
    assert table.status(proposal) == ("deleted", "event_finished")
    assert "results" in table.model.state("member")


def test_12_a_ballot_stands_when_criteria_come_and_go(table: Table) -> None:
    first, second = table.model.live("criterion")
    option, other = table.model.options
    ballot = {"option": option, "criteria_rev": 1}
    table("bob", "ballot.submit", criterion_order=[first, second], **ballot)
    gone = table.propose("cid", "criterion", "delete", target=first, base_version=1)
    table.vote(gone, "ada", "bob")
    left = {"option": option, "criterion_order": [second], "criteria_rev": 1, "revision": 1}
    assert table.model.you("bob")["ballot"] == left
    stale = {"option": option, "criterion_order": [second, first], "criteria_rev": 1}
    assert table.no("cid", "ballot.submit", **stale) == "stale_criteria"
    table("ada", "event.finish")
    assert table.model.event["results"] == {
        "ballots": 1,
        "eligible": 4,
        "options": [
            {"option": option, "votes": 1, "rank": 1},
            {"option": other, "votes": 0, "rank": 2},
        ],
        "criteria": [{"criterion": second, "points": 3, "rank": 1}],
    }
