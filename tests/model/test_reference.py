"""The model's rules: thresholds, acceptance, reverts, time, same intent, windows."""

from __future__ import annotations

import math
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest

from protocol.commands import COMMANDS, Command
from tests.model.reference import Model
from tests.model.rows import Row, enough
from tests.model.table import CODE, Table
from tests.model.terms import LIMITS

# --- thresholds


def test_percent_is_exact_for_every_small_electorate() -> None:
    for eligible in range(501):
        for percent in range(1, 101):
            least = math.ceil(Fraction(percent * eligible, 100)) if eligible else 1
            passing = [enough("percent", percent, agree, eligible) for agree in range(eligible + 1)]
            assert passing == [agree >= least for agree in range(eligible + 1)]


@pytest.mark.parametrize(
    ("agree", "percent", "eligible"), [(57, 57, 100), (58, 58, 100), (29, 58, 50)]
)
def test_what_floats_refuse_passes(agree: int, percent: int, eligible: int) -> None:
    assert enough("percent", percent, agree, eligible)
    assert not enough("percent", percent, agree - 1, eligible)


@pytest.mark.parametrize("eligible", [0, 1, 100_000])
def test_a_count_is_a_count_whoever_is_there(eligible: int) -> None:
    assert enough("count", 3, 3, eligible)
    assert not enough("count", 3, 2, eligible)


def test_a_quorum_counts_who_took_part_retracted_or_not(table: Table) -> None:
    table("ada", "event.set_policy", policy_version=1, policy={"quorum_percent": 75})
    proposal = table.propose("bob")
    assert table.vote(proposal, "ada", "bob")["status"] == "pending"
    table("bob", "vote.retract", proposal=proposal)
    assert table.vote(proposal, "cid")["status"] == "accepted"


# --- what acceptance does


def test_a_created_item_is_there_and_criteria_move_on(table: Table) -> None:
    table.vote(table.propose("bob", "criterion"), "ada", "bob")
    assert table.model.event["criteria_rev"] == 2
    assert [table.model.items[id]["content"] for id in table.model.live("criterion")] == [
        "k",
        "l",
        "new",
    ]


def test_an_update_makes_its_rivals_stale_and_those_do_not_pass(table: Table) -> None:
    item = table.item()
    on_it: Row = {"category": "update", "target": item, "base_version": 1}
    first, rival = table.propose("bob", **on_it), table.propose("cid", **on_it)
    table.vote(first, "ada", "bob")
    assert table.vote(rival, "ada", "bob", "cid")["status"] == "pending"
    assert table.model.state("member")["proposals"][rival]["stale"]
    assert table.no("ada", "proposal.accept", proposal=rival) == "stale"
    revision = table("cid", "proposal.rebase", proposal=rival, base_version=2)["revision"]
    assert (revision, table.model.count(table.model.proposals[rival], "agree")) == (2, 0)
    assert table.no("ada", "vote.cast", proposal=rival, revision=1) == "revision_changed"
    assert table.vote(rival, "ada", "bob")["status"] == "accepted"
    assert table.model.items[item]["version"] == 3


def test_an_admin_may_accept_what_is_stale(table: Table) -> None:
    on_it: Row = {"category": "update", "target": table.item(), "base_version": 1}
    first, rival = table.propose("bob", **on_it), table.propose("cid", content="other", **on_it)
    table("ada", "proposal.accept", proposal=first)
    table("ada", "proposal.accept", proposal=rival, allow_stale=True)
    assert table.model.items[table.item()]["content"] == "other"


def test_a_criterions_deletion_takes_its_conclusions_along(table: Table) -> None:
    criterion = table.item("criterion")
    gone = table.propose("bob", "criterion", "delete", target=criterion, base_version=1)
    conclusion = table.propose("cid", "conclusion", target=criterion, base_version=0)
    table.vote(gone, "ada", "bob")
    assert table.status(conclusion) == ("deleted", "target_deleted")
    assert table.model.event["criteria_rev"] == 2


def test_a_conclusion_is_made_changed_and_cleared(table: Table) -> None:
    criterion = table.item("criterion")
    row = table.model.items[criterion]
    for category, version in (("create", 0), ("update", 1), ("delete", 2)):
        on_it: Row = {"target": criterion, "base_version": version}
        table.vote(table.propose("bob", "conclusion", category, **on_it), "ada", "bob")
    assert (row["conclusion"], row["conclusion_version"], row["version"]) == (None, 3, 1)
    on_it = {"kind": "conclusion", "target": criterion, "base_version": 3, "content": "x"}
    assert table.no("bob", "proposal.create", category="update", **on_it) == "target_gone"


@pytest.mark.parametrize(
    ("kind", "category", "version", "opposite"),
    [
        ("assumption", "create", None, "delete"),
        ("assumption", "update", 1, "update"),
        ("criterion", "delete", 1, "create"),
        ("conclusion", "create", 0, "delete"),
    ],
)
def test_a_revert_puts_back_what_was(
    table: Table, kind: str, category: str, version: int | None, opposite: str
) -> None:
    def words() -> list[Any]:
        rows = table.model.items.values()
        return sorted((r["content"], str(r["conclusion"])) for r in rows if not r["deleted"])

    before = words()
    on_it: Row = {}
    if version is not None:
        target = table.item("assumption" if kind == "assumption" else "criterion")
        on_it = {"target": target, "base_version": version}
    proposal = table.propose("bob", kind, category, **on_it)
    table("ada", "proposal.accept", proposal=proposal)
    assert words() != before
    undo = table("ada", "proposal.revert", proposal=proposal)["proposal"]
    made = table.model.proposals[undo]
    assert words() == before
    assert (made["category"], made["decision"]["agree"], made["reverts"]) == (opposite, 0, proposal)
    assert table.same("ada", "proposal.revert", proposal=proposal)["proposal"] == undo


def test_a_criterion_comes_back_with_its_conclusion(table: Table) -> None:
    criterion = table.item("criterion")
    on_it: Row = {"target": criterion, "base_version": 0, "content": "so it is"}
    table.vote(table.propose("bob", "conclusion", **on_it), "ada", "bob")
    gone = table.propose("bob", "criterion", "delete", target=criterion, base_version=1)
    table("ada", "proposal.accept", proposal=gone)
    undo = table("ada", "proposal.revert", proposal=gone)["proposal"]
    back = table.model.items[table.model.proposals[undo]["item"]]
    assert (back["conclusion"], back["conclusion_version"], back["version"]) == ("so it is", 1, 1)


def test_only_what_still_is_can_be_undone(table: Table) -> None:
    item = table.item()
    first = table.propose("bob", category="update", target=item, base_version=1)
    table("ada", "proposal.accept", proposal=first)
    second = table.propose("bob", category="update", target=item, base_version=2)
    table("ada", "proposal.accept", proposal=second)
    assert table.no("ada", "proposal.revert", proposal=first) == "stale"
    gone = table.propose("bob", category="delete", target=item, base_version=3)
    table("ada", "proposal.accept", proposal=gone)
    assert table.no("ada", "proposal.revert", proposal=second) == "target_gone"


# --- time


def test_time_opens_and_closes_and_stands_still_in_a_pause(table: Table) -> None:
    rules = {"min_open_seconds": 10, "ttl_seconds": 30}
    table("ada", "event.set_policy", policy_version=1, policy=rules)
    proposal = table.propose("bob")
    assert table.vote(proposal, "ada", "bob")["status"] == "pending"
    assert table.no("", "proposal.mature", proposal=proposal) == "not_due"
    table("ada", "event.pause")
    table.at += timedelta(seconds=20)
    table("ada", "event.resume")
    assert table.status(proposal) == ("pending", None)
    table.at += timedelta(seconds=10)
    table("", "proposal.mature", proposal=proposal)
    assert table.status(proposal) == ("accepted", "auto_votes")
    assert "resolved_by" not in table.model.state("member")["proposals"][proposal]


def test_what_expired_takes_votes_and_does_not_pass(table: Table) -> None:
    table("ada", "event.set_policy", policy_version=1, policy={"ttl_seconds": 30})
    proposal = table.propose("bob")
    table.at += timedelta(seconds=30)
    assert table.vote(proposal, "ada", "bob")["status"] == "pending"
    assert table("", "proposal.expire", proposal=proposal) == {"status": "rejected"}
    assert table.status(proposal) == ("rejected", "expired")


def test_a_resume_looks_at_what_is_pending(table: Table) -> None:
    table("ada", "event.set_policy", policy_version=1, policy={"assumption": {"threshold": 3}})
    proposal = table.propose("bob")
    table.vote(proposal, "ada", "bob")
    table("ada", "event.pause")
    table("ada", "event.set_policy", policy_version=2, policy={"assumption": {"threshold": 2}})
    assert table.status(proposal) == ("pending", None)
    table("ada", "event.resume")
    assert table.status(proposal) == ("accepted", "auto_votes")


# --- the same intent, and what a room shows


def test_the_same_intent_changes_nothing_and_has_its_place(table: Table) -> None:
    seq = table.model.seq
    table.same("ada", "event.start")
    table.same("ada", "event.update", max_members=100)
    table.same("bob", "membership.join", code=CODE)
    table.same("bob", "ballot.clear")
    table.same("ada", "membership.approve", user="bob")
    assert table.model.seq == seq + 5


def test_a_retired_code_opens_nothing_but_answers_again(table: Table) -> None:
    first = table.say("eve", "membership.join", id="eve-joins", code=CODE)
    table("ada", "event.rotate_code")
    assert table.say("eve", "membership.join", id="eve-joins", code=CODE) == first
    assert table.no("fay", "membership.join", code=CODE) == "not_found"


def test_what_leaves_a_window_does_not_come_back() -> None:
    small = {"shown_comments": 2, "shown_proposals": 1, "shown_members": 1}
    table = Table(criteria=["k"], limits=small)
    table.join("bob", "cid")
    assert table.model.state("member")["members"].keys() == {"ada", "bob"}
    table("bob", "membership.leave")
    table.join("dot")
    assert table.model.state("member")["members"].keys() == {"ada"}
    comments = [
        table("ada", "comment.add", criterion=table.item("criterion"), content="x")["comment"]
        for _ in range(3)
    ]
    assert table.model.state("member")["comments"].keys() == set(comments[1:])
    table("ada", "comment.remove", comment=comments[2])
    assert table.model.state("member")["comments"].keys() == {comments[1]}
    table("ada", "event.start")
    done = [table.propose("ada"), table.propose("ada")]
    for proposal in done:
        table("ada", "proposal.reject", proposal=proposal)
    assert table.model.state("member")["proposals"].keys() == {done[1]}
    assert table.model.state("member")["counts"]["proposals"] == 2


def test_an_applicant_sees_subject_and_status_only() -> None:
    table = Table({"membership_auto": False})
    table.join("bob")
    state = table.model.state("applicant")
    assert state.pop("event") == {
        "id": table.model.event["id"],
        "subject": "s",
        "status": "not_started",
    }
    assert state.keys() == {
        "counts",
        "options",
        "assumptions",
        "criteria",
        "proposals",
        "comments",
        "members",
    }
    assert not any(state.values())
    own = {"membership": {"status": "pending"}, "votes": {}, "stances": {}}
    assert table.model.you("bob") == own
    assert table.model.state("admin")["requests"].keys() == {"bob"}


def test_limits_hold_and_by_votes_it_waits() -> None:
    table = Table({"assumption": {"threshold": 1}}, limits={"assumptions": 1}, assumptions=["a"])
    table("ada", "event.start")
    proposal = table.propose("ada")
    assert table.vote(proposal, "ada")["status"] == "pending"
    assert table.no("ada", "proposal.accept", proposal=proposal) == "limit_reached"
    table(
        "ada",
        "proposal.accept",
        proposal=table.propose("ada", category="delete", target=table.item(), base_version=1),
    )
    table("ada", "event.set_policy", policy_version=1, policy={"quorum_percent": 1})
    assert table.status(proposal) == ("accepted", "auto_votes")
    assert LIMITS["assumptions"] == 500


@pytest.mark.parametrize("kind", COMMANDS)
def test_the_model_decides_every_command_of_the_protocol(kind: type[Command]) -> None:
    """Without this, a new command would be left out of the model, and no test would fail."""
    method = str(kind.__struct_config__.tag).replace(".", "_")
    assert callable(getattr(Model, method, None)), method
