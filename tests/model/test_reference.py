"""The reference model against the domain's own words: its tables, and what people expect."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from tests.model.reference import Model
from tests.model.rows import LIMITS, Row, enough

CODE = "AAAAAA"


class Table:
    """An event and the people round it. ``at`` moves only when told to."""

    def __init__(self, policy: Row | None = None, limits: Row | None = None, **event: Any) -> None:
        self.model = Model(**(limits or {}))
        self.at = datetime(2026, 11, 23, 8, tzinfo=UTC)
        self.sent = self.made = 0
        open_door = {"membership_auto": True} | (policy or {})
        event = {"subject": "s", "entrance_code": CODE, "policy": open_door} | event
        self("ada", "event.create", **event)

    def say(self, user: str, type: str, /, id: str | None = None, **arguments: Any) -> Any:
        self.sent += 1
        command = {"type": type, "id": id or f"command-{self.sent}"} | arguments
        return self.model.apply(user, user, command, self.at, ids=self.new_id)

    def __call__(self, user: str, type: str, /, **arguments: Any) -> Row:
        """The result of what must be applied."""
        kind, body = self.say(user, type, **arguments)
        assert (kind, body.get("applied")) == ("ack", True), body
        result: Row = body["result"]
        return result

    def no(self, user: str, type: str, /, **arguments: Any) -> str:
        """The code of what must be refused."""
        kind, body = self.say(user, type, **arguments)
        assert kind == "error", body
        return str(body["code"])

    def same(self, user: str, type: str, /, **arguments: Any) -> Row:
        """The result of what must change nothing."""
        before = self.model.state("admin")
        kind, body = self.say(user, type, **arguments)
        assert (kind, body.get("applied")) == ("ack", False), body
        assert self.model.state("admin") == before
        result: Row = body["result"]
        return result

    def new_id(self, collection: str) -> str:
        self.made += 1
        return f"{collection[0]}{self.made}"

    def join(self, *users: str) -> None:
        for user in users:
            self(user, "membership.join", code=self.model.codes[-1])

    def propose(
        self, user: str, kind: str = "assumption", category: str = "create", **more: Any
    ) -> str:
        more = ({} if category == "delete" else {"content": "new"}) | more
        made = self(user, "proposal.create", kind=kind, category=category, **more)
        return str(made["proposal"])

    def vote(self, proposal: str, *users: str) -> Row:
        result: Row = {}
        for user in users:
            revision = self.model.proposals[proposal]["revision"]
            result = self(user, "vote.cast", proposal=proposal, revision=revision)
        return result

    def item(self, kind: str = "assumption") -> str:
        return self.model.live(kind)[0]

    def status(self, proposal: str) -> tuple[str, str | None]:
        row = self.model.proposals[proposal]
        return row["status"], row["resolution"]


@pytest.fixture
def table() -> Table:
    """In progress; ada is admin, bob, cid and dot are members; two agree to accept."""
    rule = {"rule": "count", "threshold": 2}
    policy = {"assumption": rule, "criterion": rule, "conclusion": rule}
    made = Table(policy, assumptions=["a"], criteria=["k", "l"], options=["o", "p"])
    made.join("bob", "cid", "dot")
    made("ada", "event.start")
    return made


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


# --- who may do what

#: The domain's table: command → who, and in which statuses.
PERMISSIONS = [
    ("event.update", {"subject": "t"}, "admin", "n"),
    ("option.add", {"content": "x"}, "admin", "n"),
    ("assumption.add", {"content": "x"}, "admin", "n"),
    ("criterion.add", {"content": "x"}, "admin", "n"),
    ("event.update", {"max_members": 50}, "admin", "nip"),
    ("event.set_policy", {"policy_version": 1, "policy": {"quorum_percent": 1}}, "admin", "nip"),
    ("event.rotate_code", {}, "admin", "nip"),
    (
        "proposal.create",
        {"kind": "assumption", "category": "create", "content": "x"},
        "member",
        "i",
    ),
    ("vote.cast", {"proposal": "open", "revision": 1}, "member", "i"),
    ("proposal.withdraw", {"proposal": "bobs"}, "member", "ip"),
    ("proposal.accept", {"proposal": "open"}, "admin", "ip"),
    ("proposal.reject", {"proposal": "open"}, "admin", "ip"),
    ("proposal.moderate", {"proposal": "open"}, "admin", "ip"),
    ("proposal.revert", {"proposal": "done"}, "admin", "ip"),
    (
        "ballot.submit",
        {"option": "o", "criterion_order": ["k", "l"], "criteria_rev": 1},
        "member",
        "i",
    ),
    ("comment.add", {"criterion": "k", "content": "x"}, "member", "nip"),
    ("membership.leave", {}, "member", "nipf"),
    ("membership.approve", {"user": "eve"}, "admin", "nip"),
    ("membership.reject", {"user": "eve"}, "admin", "nip"),
    ("membership.approve_all", {}, "admin", "nip"),
    ("membership.remove", {"user": "cid"}, "admin", "nip"),
    ("membership.set_role", {"user": "cid", "role": "admin"}, "admin", "nipf"),
]
LEADS = {"n": [], "i": ["start"], "p": ["start", "pause"], "f": ["start", "finish"]}
RANK = {"member": 1, "admin": 2}


@pytest.mark.parametrize("status", LEADS)
@pytest.mark.parametrize(("command", "arguments", "least", "statuses"), PERMISSIONS)
def test_the_table_of_permissions(
    command: str, arguments: Row, least: str, statuses: str, status: str
) -> None:
    def set_up() -> tuple[Table, Row]:
        table = Table(assumptions=["a"], criteria=["k", "l"], options=["o"])
        named = {"k": table.model.live("criterion")[0], "l": table.model.live("criterion")[1]}
        named["o"] = next(iter(table.model.options))
        table.join("zoe", "bob", "cid", "dan")
        table("ada", "membership.set_role", user="zoe", role="admin")
        table("dan", "membership.leave")
        table("ada", "event.set_policy", policy_version=1, policy={"membership_auto": False})
        table.model.event["policy_version"] = 1
        table.join("eve")
        for lead in LEADS[status]:
            table("ada", f"event.{lead}")
            if lead == "start":
                named |= {"open": table.propose("cid"), "bobs": table.propose("bob")}
                named["done"] = table.propose("cid")
                table("ada", "proposal.accept", proposal=named["done"])
                table.model.event["criteria_rev"] = 1
        return table, {
            key: [named.get(v, v) for v in value]
            if isinstance(value, list)
            else named.get(value, value)
            if isinstance(value, str)
            else value
            for key, value in arguments.items()
        }

    for user, rank in (("ada", 2), ("bob", 1), ("eve", 0), ("dan", 0), ("fay", -1)):
        table, filled = set_up()
        kind, body = table.say(user, command, **filled)
        if rank == -1:
            assert body.get("code") == "not_found"
        elif rank == 0:
            is_gone = (user, command) == ("dan", "membership.leave")
            assert body.get("code") == "not_a_member" or (is_gone and body["applied"] is False)
        elif rank < RANK[least]:
            assert body.get("code") == "forbidden"
        elif status not in statuses:
            running = command.split(".")[0] in ("proposal", "vote", "ballot")
            otherwise = "event_not_in_progress" if running else "invalid_transition"
            assert body.get("code") == ("event_finished" if status == "f" else otherwise)
        elif (user, command) == ("ada", "proposal.withdraw"):
            assert body.get("code") == "forbidden"
        else:
            assert kind == "ack", body
            assert body["applied"], body


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
    assert (revision, table.model.agree(table.model.proposals[rival])) == (2, 0)
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


# --- what people expect when two things happen at once


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
    closed = {"status": "accepted", "resolution": "auto_votes", "by": "bob", "at": at, "seq": 8}
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
    assert result == {"approved": ["cid"], "waiting": ["dot"]}
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
    left = {"option": option, "criterion_order": [second], "criteria_rev": 1}
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
    assert table.model.you("bob") == {"membership": {"status": "pending"}, "votes": {}}
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
