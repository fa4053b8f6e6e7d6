"""The checker catches every planted violation, and is silent on a clean history."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from tests.model.chain import raw, verify_chain
from tests.model.checker import check
from tests.model.history import History, Json, Operation
from tests.model.recorder import Recorder, seal


def a_run() -> History:
    """A history with decisions, a resume, changed roles, a removal, and repeated ids."""
    run = Recorder()
    policy = {"membership_auto": True, "assumption": {"threshold": 2}}
    made = run.send(
        "ada", "event.create", subject="s", policy=policy, assumptions=["a"], options=["o"]
    )
    code, item = made["result"]["entrance_code"], run.model.live("assumption")[0]
    run.subscribe("ada", "ada-1")
    for user in ("bob", "cid", "dot"):
        run.send(user, "membership.join", code=code)
        run.subscribe(user, f"{user}-1")
    run.send("ada", "event.start")
    run.send("stranger", "vote.cast", proposal="p", revision=1)
    update: Json = {"kind": "assumption", "category": "update", "target": item, "base_version": 1}
    first = run.send("bob", "proposal.create", content="b", **update)["result"]["proposal"]
    rival = run.send("cid", "proposal.create", content="c", **update)["result"]["proposal"]
    run.send("cid", "vote.cast", id="the-vote", proposal=first, revision=1)
    run.send("cid", "vote.cast", id="the-vote", proposal=first, revision=1)
    run.send("cid", "vote.cast", id="the-vote", proposal=rival, revision=1)
    run.send("dot", "vote.cast", proposal=rival, revision=1)
    run.send("dot", "vote.retract", proposal=rival)
    known = run.model.seq
    run.send("bob", "vote.cast", id="crossing", proposal=first, revision=1)
    run.subscribe("cid", "cid-2", resume=known)
    run.send("dot", "vote.cast", id="too-late", proposal=first, revision=1)
    run.send("dot", "vote.cast", id="too-late", proposal=first, revision=1)
    run.send("ada", "membership.set_role", user="bob", role="admin")
    run.send("bob", "membership.remove", id="removal", user="dot")
    run.send("dot", "vote.cast", id="outside", proposal=rival, revision=1)
    run.send("cid", "comment.add", proposal=rival, content="hm")
    return run.history()


CLEAN = a_run()
TOP = sum(row["seq"] is not None for row in CLEAN.rows)


@pytest.fixture
def history() -> History:
    return deepcopy(CLEAN)


def operation(history: History, id: str, nth: int = 0) -> Operation:
    return [op for op in history.operations if op.command["id"] == id][nth]


def row(history: History, id: str) -> Json:
    return next(row for row in history.rows if row["id"] == id)


def accepted(history: History) -> list[Json]:
    return [row for row in history.rows if row["seq"] is not None]


def answer(operation: Operation) -> Json:
    assert operation.answer is not None
    return operation.answer


def test_a_clean_history_raises_no_alarm(history: History) -> None:
    assert check(history) == []
    assert len(accepted(history)) == TOP == 14
    assert sum(answer(op)["type"] == "error" for op in history.operations) == 5


# --- planted faults; each function returns nothing and breaks one promise


def lost_ack(history: History) -> None:
    """The ack was sent before the commit, which never came."""
    history.rows.remove(accepted(history)[-1])
    for stream in history.streams:
        if stream.live:
            stream.messages = [m for m in stream.messages if m.get("seq", 0) < TOP]
            stream.heard_at = []
    del history.final["admin"], history.final["member"]


def ack_with_another_seq(history: History) -> None:
    answer(operation(history, "crossing"))["seq"] += 1


def ack_with_another_hash(history: History) -> None:
    answer(operation(history, "crossing"))["hash"] = "00" * 32


def changed_hash(history: History) -> None:
    row(history, "crossing")["hash"] = bytes(32)


def changed_words(history: History) -> None:
    row(history, "the-vote")["payload"]["proposal"] = "p99"


def changed_patch(history: History) -> None:
    row(history, "crossing")["patches"]["member"]["counts"] = {"members": 9}


def two_rows_of_one_id(history: History) -> None:
    again = deepcopy(row(history, "the-vote"))
    again["seq"] = len(accepted(history)) + 1
    again["at"] = accepted(history)[-1]["at"]
    history.rows.append(again)
    seal(history.rows)


def other_answer_on_replay(history: History) -> None:
    answer(operation(history, "the-vote", 1))["result"]["agree"] += 1


def two_first_answers(history: History) -> None:
    answer(operation(history, "the-vote", 1))["replayed"] = False


def other_words_under_the_same_id_acked(history: History) -> None:
    conflicting = operation(history, "the-vote", 2)
    conflicting.answer = deepcopy(operation(history, "the-vote", 1).answer)


def conflict_for_the_same_words(history: History) -> None:
    operation(history, "the-vote", 1).answer = operation(history, "the-vote", 2).answer


def conflict_with_nothing(history: History) -> None:
    lone = Operation("ada", "s", {"type": "event.pause", "id": "new"}, 1.5)
    lone.answer = {"type": "error", "code": "id_conflict", "details": {}}
    history.operations.append(lone)


def effect_nobody_asked_for(history: History) -> None:
    history.operations.remove(operation(history, "crossing"))


def effect_of_other_words(history: History) -> None:
    operation(history, "crossing").command["revision"] = 2
    operation(history, "crossing").answer = None


def effect_after_no_effect(history: History) -> None:
    operation(history, "crossing").answer = {"type": "error", "code": "busy", "details": {}}


def decided_and_told_busy(history: History) -> None:
    """A lost COMMIT was mistaken for one that never came; the repeat finds it."""
    told = operation(history, "crossing")
    again = deepcopy(told)
    again.sent_at, again.answered_at = 2_000.0, 2_001.0
    answer(again)["replayed"] = True
    told.answer = {"type": "error", "code": "busy", "details": {}}
    history.operations.append(again)


def step_the_server_does_not_have(history: History) -> None:
    last = accepted(history)[-1]
    last["user"], last["id"] = "", "because"
    seal(history.rows)


def hole_in_seq(history: History) -> None:
    """A sequence in place of the locked row: a rollback leaves a gap."""
    for later in accepted(history)[9:]:
        later["seq"] += 1
    seal(history.rows)


def time_runs_back(history: History) -> None:
    rows = accepted(history)
    rows[9]["at"] = rows[3]["at"]
    seal(history.rows)


def wrong_tally(history: History) -> None:
    """Not read again under the lock: an earlier vote is not counted."""
    row(history, "crossing")["answer"]["result"]["agree"] = 1
    answer(operation(history, "crossing"))["result"]["agree"] = 1
    seal(history.rows)
    rehash(history)


def missed_acceptance(history: History) -> None:
    row(history, "crossing")["answer"]["result"]["status"] = "pending"
    answer(operation(history, "crossing"))["result"]["status"] = "pending"
    seal(history.rows)
    rehash(history)


def applied_though_the_same(history: History) -> None:
    row(history, "crossing")["answer"]["applied"] = False
    answer(operation(history, "crossing"))["applied"] = False
    seal(history.rows)
    rehash(history)


def vote_after_the_decision(history: History) -> None:
    late = row(history, "too-late")
    late["answer"] = {"applied": True, "result": {"agree": 3, "eligible": 4, "status": "accepted"}}
    become_accepted(history, late)


def effect_of_a_stranger(history: History) -> None:
    become_accepted(history, row(history, "id-5"))


def effect_of_one_who_was_removed(history: History) -> None:
    become_accepted(history, row(history, "outside"))


def refused_without_reason(history: History) -> None:
    refusal = row(history, "too-late")
    refusal["answer"] = {"code": "forbidden", "message": "no", "details": {}}
    for nth in (0, 1):
        answer(operation(history, "too-late", nth)).update(code="forbidden", details={})


def refusal_with_other_details(history: History) -> None:
    for told in (row(history, "too-late")["answer"], answer(operation(history, "too-late"))):
        told["details"]["seq"] += 1
    operation(history, "too-late", 1).answer = operation(history, "too-late").answer


def order_against_real_time(history: History) -> None:
    """An id's lookup outside the lock and a late commit: the first answer has a later position."""
    operation(history, "crossing").sent_at = 1000.0
    operation(history, "crossing").answered_at = 1001.0


def order_against_what_was_heard(history: History) -> None:
    history.streams[0].heard_at[-1] = 0.5


def snapshot_of_two_moments(history: History) -> None:
    """Read in two statements, with a commit between them."""
    history.streams[1].messages[0]["state"]["counts"]["members"] += 1


def snapshot_with_others_votes(history: History) -> None:
    history.streams[0].messages[0]["you"]["votes"] = {"p1": 1}


def final_state_differs(history: History) -> None:
    proposals = history.final["admin"]["proposals"]
    next(iter(proposals.values()))["agree"] += 1


def diff_lost(history: History) -> None:
    """Gap repair is off by one."""
    stream = history.streams[0]
    at = [n for n, m in enumerate(stream.messages) if m["type"] == "diff"][4]
    del stream.messages[at], stream.heard_at[at]


def diff_lost_and_hidden(history: History) -> None:
    stream = history.streams[0]
    diffs = [m for m in stream.messages if m["type"] == "diff"]
    diffs[10]["from"] -= 1
    stream.messages.remove(diffs[9])
    stream.heard_at = []


def diff_twice(history: History) -> None:
    messages = history.streams[0].messages
    messages.insert(5, deepcopy(messages[4]))


def diff_with_other_words(history: History) -> None:
    diffs = [m for m in history.streams[0].messages if m["type"] == "diff"]
    diffs[-1]["patch"]["counts"]["comments"] = 7


def diff_before_any_snapshot(history: History) -> None:
    del history.streams[0].messages[0], history.streams[0].heard_at[0]


def resumed_without_a_step(history: History) -> None:
    resumed = next(m for s in history.streams for m in s.messages if m["type"] == "resumed")
    resumed["patch"] = {}


def never_at_the_top(history: History) -> None:
    stream = history.streams[0]
    stream.messages = [m for m in stream.messages if m["seq"] < TOP]
    stream.heard_at = []


def own_vote_never_told(history: History) -> None:
    stream = next(s for s in history.streams if s.user == "cid")
    stream.messages = [m for m in stream.messages if m["type"] != "you"]
    stream.heard_at = []


def published_before_commit(history: History) -> None:
    ghost = {"type": "diff", "from": TOP, "seq": TOP + 1, "patch": {"counts": {"comments": 2}}}
    history.streams[0].messages.append(ghost)


def refusal_forgotten(history: History) -> None:
    history.rows.remove(row(history, "too-late"))


def refusal_that_did_not_stay(history: History) -> None:
    answer(operation(history, "too-late", 1)).update(code="revision_changed", details={})


def refused_and_then_acked(history: History) -> None:
    again = operation(history, "too-late", 1)
    again.answer = deepcopy(operation(history, "crossing").answer)


def diff_after_removal(history: History) -> None:
    stream = next(s for s in history.streams if s.user == "dot")
    stream.messages.append({"type": "diff", "from": TOP - 1, "seq": TOP, "patch": {}})


def diff_of_the_removal_itself(history: History) -> None:
    stream = next(s for s in history.streams if s.user == "dot")
    removed_at = row(history, "removal")["seq"]
    heard = [m for m in history.streams[0].messages if m["type"] == "diff"]
    last = next(m for m in heard if m["seq"] == removed_at)
    stream.messages.insert(len(stream.messages) - 1, deepcopy(last))
    stream.heard_at = []


def admins_state_for_a_member(history: History) -> None:
    stream = next(s for s in history.streams if s.user == "cid")
    stream.messages[0]["state"]["requests"] = {}


def become_accepted(history: History, refused: Json) -> None:
    """Add a refused command to the journal, as if the check had been left out."""
    done = {"applied": True, "result": {"agree": 1, "eligible": 4, "status": "pending"}}
    refused["answer"] = refused["answer"] if "applied" in refused["answer"] else done
    at = history.rows.index(refused)
    refused["seq"] = 1 + sum(row["seq"] is not None for row in history.rows[:at])
    for later in history.rows[at + 1 :]:
        if later["seq"] is not None:
            later["seq"] += 1
    seal(history.rows)
    history.operations = []


def rehash(history: History) -> None:
    """Give the acks the journal's hashes again."""
    hashes = {(row["user"], row["id"]): row["hash"].hex() for row in accepted(history)}
    for op in history.operations:
        if op.answer and op.answer["type"] == "ack":
            op.answer["hash"] = hashes[op.user, op.command["id"]]


PLANTED: list[tuple[int, Callable[[History], Any]]] = [
    (1, lost_ack),
    (1, ack_with_another_seq),
    (1, ack_with_another_hash),
    (1, changed_hash),
    (1, changed_words),
    (1, changed_patch),
    (2, two_rows_of_one_id),
    (2, other_answer_on_replay),
    (2, two_first_answers),
    (2, other_words_under_the_same_id_acked),
    (2, conflict_for_the_same_words),
    (2, conflict_with_nothing),
    (3, effect_nobody_asked_for),
    (3, effect_of_other_words),
    (3, effect_after_no_effect),
    (3, decided_and_told_busy),
    (3, step_the_server_does_not_have),
    (4, hole_in_seq),
    (4, time_runs_back),
    (5, wrong_tally),
    (5, missed_acceptance),
    (5, applied_though_the_same),
    (5, vote_after_the_decision),
    (5, refused_without_reason),
    (5, refusal_with_other_details),
    (6, order_against_real_time),
    (6, order_against_what_was_heard),
    (7, snapshot_of_two_moments),
    (7, snapshot_with_others_votes),
    (7, final_state_differs),
    (8, diff_lost),
    (8, diff_lost_and_hidden),
    (8, diff_twice),
    (8, diff_with_other_words),
    (8, diff_before_any_snapshot),
    (8, resumed_without_a_step),
    (8, never_at_the_top),
    (8, own_vote_never_told),
    (9, published_before_commit),
    (10, refusal_forgotten),
    (10, refusal_that_did_not_stay),
    (1, refused_and_then_acked),
    (13, effect_of_a_stranger),
    (13, effect_of_one_who_was_removed),
    (13, diff_after_removal),
    (13, diff_of_the_removal_itself),
    (13, admins_state_for_a_member),
]


@pytest.mark.parametrize(
    ("invariant", "plant"), PLANTED, ids=[plant.__name__ for _, plant in PLANTED]
)
def test_a_planted_violation_is_caught(
    history: History, invariant: int, plant: Callable[[History], Any]
) -> None:
    plant(history)
    found = check(history)
    assert invariant in {violation.invariant for violation in found}, found


def test_what_ended_unknown_raises_no_alarm(history: History) -> None:
    operation(history, "crossing").answer = None
    operation(history, "the-vote").answer = {"type": "error", "code": "timeout", "details": {}}
    assert check(history) == []


def test_a_chain_verifies_after_words_are_erased_only_with_their_digests(history: History) -> None:
    assert verify_chain(history.rows) == []
    accepted(history)[3]["payload"] = {}
    assert [seq for seq, _ in verify_chain(history.rows)] == [4]


def test_stored_texts_are_verified_to_the_letter(history: History) -> None:
    first = accepted(history)[0]
    first["answer_text"] = '{"applied": true}'
    assert verify_chain(history.rows)[0][0] == 1


def test_times_go_back_as_often_as_the_clock_was_set_back_and_no_more(history: History) -> None:
    """The journal is sealed again, since its header holds the times."""
    rows = accepted(history)
    half = len(rows) // 2
    for row in [*rows[half:], *(row for row in history.rows if row["seq"] is None)]:
        row["at"] -= timedelta(minutes=4)
    seal(rows)
    for op in history.operations:
        kept = next((row for row in rows if row["id"] == op.command["id"]), None)
        if kept is not None and answer(op)["type"] == "ack":
            answer(op)["hash"] = raw(kept["hash"]).hex()
    times = [violation for violation in check(history) if violation.invariant == 4]
    assert [violation.seq for violation in times] == [half + 1]
    history.set_back = 1
    assert [violation for violation in check(history) if violation.invariant == 4] == []


def refused_while_the_clock_was_back() -> History:
    """A clock jumps back and forth between two steps, and a command is refused meanwhile.

    No line of the journal has a time near the refusal's.
    """
    run = Recorder()
    run.send("ada", "event.create", subject="s")
    words: Json = {"kind": "assumption", "category": "create", "content": "words"}
    run.send("ada", "proposal.create", id="early", **words)
    run.send("ada", "event.start")
    run.rows[1]["at"] -= timedelta(minutes=2)
    return run.history()


def test_a_refusal_at_a_time_that_no_step_has_is_judged_by_when_it_was_sent() -> None:
    history = refused_while_the_clock_was_back()
    (wrong,) = check(history)
    assert (wrong.invariant, wrong.seq) == (5, 0)
    assert "event_not_in_progress" in wrong.what
    assert "not_found" in wrong.what
    history.set_back = 1
    assert check(history) == []


def test_a_clock_that_was_set_back_excuses_no_refusal_that_was_never_right() -> None:
    history = refused_while_the_clock_was_back()
    history.set_back = 1
    refused = operation(history, "early")
    refused.sent_at, refused.answered_at = 100.0, 101.0  # after the start was acked
    assert [one.invariant for one in check(history)] == [5]


def test_a_refusal_may_be_of_any_moment_between_its_sending_and_its_answer() -> None:
    """A step whose ack came first may still be the later one."""
    history = refused_while_the_clock_was_back()
    history.set_back = 1
    started, refused = history.operations[2], operation(history, "early")
    refused.answered_at = (started.answered_at or 0.0) + 5
    assert check(history) == []
