"""The checker catches every planted violation, and is silent on a clean history."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from tests.model.chain import raw, verify_chain
from tests.model.checker import check
from tests.model.clean_run import CLEAN, TOP, accepted, answer, operation
from tests.model.history import History, Json
from tests.model.planted import PLANTED
from tests.model.recorder import Recorder, seal


@pytest.fixture
def history() -> History:
    return deepcopy(CLEAN)


def test_a_clean_history_raises_no_alarm(history: History) -> None:
    assert check(history) == []
    assert len(accepted(history)) == TOP == 14
    assert sum(answer(op)["type"] == "error" for op in history.operations) == 5


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


def late_twice(*, joined: bool) -> list[int]:
    """A late command is answered twice as if for the first time; what the checker says of it."""
    run = Recorder()
    run.send("ada", "event.create", subject="s", policy={"membership_auto": True})
    late: Json = {"id": "late", "content": "words", "not_after": "2001-01-01T00:00:00Z"}
    join: Json = {"code": answer(run.operations[0])["result"]["entrance_code"]}
    if joined:
        run.send("bob", "membership.join", **join)
    run.send("bob", "assumption.add", **late)
    del run.rows[-1]
    run.model.answers.pop(("bob", "late"), None)
    if not joined:
        run.send("bob", "membership.join", **join)
    run.send("bob", "assumption.add", **late)
    return [violation.invariant for violation in check(run.history())]


def test_only_a_strangers_late_command_is_decided_when_it_comes_again() -> None:
    assert late_twice(joined=False) == []
    assert 2 in late_twice(joined=True)
