"""The checker knows erasures: it is silent on a right one, and finds words, digests and steps that
are wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.model.chain import digests_of
from tests.model.checker import check
from tests.model.history import History, Json, Operation, Violation
from tests.model.recorder import Recorder

SAID, NOW = "words of bob", "[erased 1]"


def without_words(value: Any) -> Any:
    """``value`` with the placeholder in place of the words."""
    return json.loads(json.dumps(value).replace(SAID, NOW))


def erased(*, shows: bool = True) -> History:
    """A history in which the words of a comment go while two clients are in the room."""
    run = Recorder()
    run.send("ada", "event.create", subject="s", policy={"membership_auto": True})
    code = run.model.codes[-1]
    run.send("bob", "membership.join", code=code)
    run.send("ada", "event.start")
    proposal = run.send("ada", "proposal.create", kind="assumption", category="create", content="x")
    about = {"proposal": proposal["result"]["proposal"]}
    comment = run.send("bob", "comment.add", content=SAID, **about)["result"]["comment"]
    for user in ("ada", "bob"):
        run.subscribe(user, f"{user}-1")

    def event_erase(user: str, shown: Json) -> Json:
        run.model.begin()
        run.model.comments[comment]["content"] = NOW
        return {"user": user}

    if shows:
        run.model.event_erase = event_erase  # type: ignore[method-assign]
    seq = len(run.rows) + 1
    command = {"type": "event.erase", "id": f"erasure-{seq}", "user": "bob"}
    run.decide("", command | {"shown": {"comments": [comment]}})
    if not shows:
        run.model.comments[comment]["content"] = NOW
    # A refusal, a repeat, and a step after it.
    run.send("bob", "comment.remove", comment="none")
    first = run.operations[4]
    run.send("bob", "comment.add", id=first.command["id"], content=SAID, **about)
    if shows:
        run.send("bob", "comment.edit", comment=comment, version=1, content=SAID)
    history = run.history()
    for row in history.rows[:seq]:
        if SAID in json.dumps(row["payload"]) and row["seq"] < seq:
            texts = {name: without_words(row[name]) for name in ("payload", "answer", "patches")}
            digests = digests_of(row)
            row["rewritten"] = [(seq, row | texts | {"salt": b"", "digests": digests})]
    return history


def version(history: History) -> Json:
    """The row that was rewritten, as it is since then."""
    (found,) = [row for row in history.rows if "rewritten" in row]
    changed: Json = found["rewritten"][0][1]
    return changed


def again_of(history: History) -> Operation:
    """The repeat of the comment whose words were erased meanwhile."""
    _, again = (one for one in history.operations if one.command["type"] == "comment.add")
    return again


def test_a_right_erasure_raises_no_alarm() -> None:
    assert check(erased()) == []


def test_a_room_that_is_not_shown_an_erasure_is_found() -> None:
    assert 8 in {violation.invariant for violation in check(erased(shows=False))}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row["digests"].update(payload="00" * 32), "digests"),
        (lambda row: row.update(salt=b"salt"), "salt"),
        (lambda row: row.update(hash=bytes(32)), "hash"),
        (lambda row: row["payload"].update(content=SAID), "still says"),
        (lambda row: row["answer"].update(result={"comment": SAID}), "still says"),
    ],
)
def test_a_wrong_erasure_is_found(change: Callable[[Json], None], said: str) -> None:
    history = deepcopy(erased())
    change(version(history))
    assert [violation for violation in check(history) if said in violation.what]


def test_other_words_under_an_id_whose_words_are_erased_get_its_answer() -> None:
    """The server has nothing left to compare them with; before the erasure it had."""
    history = erased()
    again = again_of(history)
    again.command = again.command | {"content": "other words"}
    assert check(history) == []
    begun = history.operations[0]
    again.sent_at, again.answered_at = begun.sent_at, begun.answered_at
    assert any("other words or not" in violation.what for violation in check(history))


def test_a_refusal_that_loses_its_salt_needs_no_step() -> None:
    history = erased()
    row = next(row for row in history.rows if row["seq"] is None)
    row["rewritten"] = [(3, row | {"salt": b""})]
    assert check(history) == []


def test_a_row_that_changes_without_a_step_is_found() -> None:
    history = erased()
    (row,) = [row for row in history.rows if "rewritten" in row]
    row["rewritten"] = [(3, row["rewritten"][0][1])]
    assert any("no step says so" in violation.what for violation in check(history))


def test_an_erasure_may_hide_who_asked_first() -> None:
    """After a COMMIT in doubt, a node knows its own decision by the salt, which is erased."""
    history = erased()
    history.operations.remove(again_of(history))

    def found(kind: str) -> list[Violation]:
        """The violations if the first answer to ``kind`` says that it is a repeat."""
        tried = deepcopy(history)
        first = next(one for one in tried.operations if one.command["type"] == kind)
        assert first.answer is not None
        first.answer["replayed"] = True
        return check(tried)

    assert found("comment.add") == []
    assert [violation.invariant for violation in found("event.start")] == [3]
