"""Violations planted in a clean run of the model, each with what the checker says about it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from tests.model.clean_run import TOP, accepted, answer, operation, row
from tests.model.history import History, Json, Operation
from tests.model.recorder import seal

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
