"""The checker knows deletions: silent on a right one, it finds exports that lack a line, and events
that forget their answers or go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy

import pytest

from tests.model.chain import raw
from tests.model.checker import check
from tests.model.history import Deletion, History, Json, Operation
from tests.model.recorder import Recorder

FOREVER = 1_000.0


def line_of(row: Json) -> Json:
    """A line of the journal as an export has it."""
    texts = {name: json.dumps(row[name]) for name in ("payload", "answer", "patches")}
    hashes = {name: raw(row[name]).hex() for name in ("prev_hash", "hash", "salt")}
    same = {name: row[name] for name in ("seq", "user", "id", "command")}
    return same | texts | hashes | {"at": row["at"].isoformat()}


def deleted() -> History:
    """An event that is deleted; each command is sent again afterwards, and a new one."""
    run = Recorder()
    run.send("ada", "event.create", subject="s", policy={"membership_auto": True})
    code = run.model.codes[-1]
    run.send("bob", "membership.join", code=code)
    run.send("ada", "event.start")
    run.send("bob", "membership.rename", id="naming", name="Bob the second")
    refused = run.send("bob", "event.pause", id="refused")
    assert refused["code"] == "forbidden"
    about = {"kind": "assumption", "category": "create", "content": "x"}
    run.send("ada", "proposal.create", **about)
    history = run.history()
    history.final = {}
    rows = [row for row in history.rows if row["seq"] is not None]
    end = {"end": len(rows), "hash": raw(rows[-1]["hash"]).hex()}
    exported = [{"type": "ayes.export"}, *map(line_of, rows), end]
    history.deletion = Deletion(FOREVER, FOREVER + 1, exported)
    for number, first in enumerate(list(history.operations)):
        answer = deepcopy(first.answer)
        assert answer is not None
        if answer["type"] == "ack":
            answer |= {"replayed": True}
            answer["result"] = {} if first.command["id"] == "naming" else answer["result"]
        else:
            answer = not_found(first.command)
        ask(history, first.user, first.command, answer, FOREVER + 2 + number)
    new = {"type": "comment.add", "id": "new", "proposal": "p", "content": "c"}
    ask(history, "bob", new, not_found(new), FOREVER + 90)
    return history


def not_found(command: Json) -> Json:
    return {"type": "error", "id": command["id"], "code": "not_found", "details": {"path": "event"}}


def ask(history: History, user: str, command: Json, answer: Json, at: float) -> None:
    history.operations.append(Operation(user, "s", command, at, answer, at + 0.5))


def again(history: History, id: str) -> Json:
    """The answer to the repeat of the command ``id``."""
    *_, last = [one for one in history.operations if one.command["id"] == id]
    assert last.answer is not None
    return last.answer


def test_a_right_deletion_raises_no_alarm() -> None:
    assert check(deleted()) == []


def a_line_is_not_exported(history: History) -> None:
    assert history.deletion is not None
    del history.deletion.exported[3]


def a_line_is_exported_with_other_words(history: History) -> None:
    assert history.deletion is not None
    history.deletion.exported[-2]["payload"] = '{"content":"y"}'


def the_export_has_a_line_too_many(history: History) -> None:
    assert history.deletion is not None
    history.deletion.exported.insert(-1, history.deletion.exported[-2] | {"seq": 99})


def an_answer_is_forgotten(history: History) -> None:
    answer = again(history, history.operations[1].command["id"])
    answer.clear()
    answer |= not_found({"id": "x"})


def an_answer_is_another(history: History) -> None:
    again(history, history.operations[1].command["id"])["seq"] = 3


def a_command_is_decided_again(history: History) -> None:
    again(history, history.operations[1].command["id"])["replayed"] = False


def a_name_is_kept(history: History) -> None:
    again(history, "naming")["result"] = {"name": "Bob the second"}


def a_new_command_is_refused_as_by_a_living_event(history: History) -> None:
    again(history, "new")["code"] = "event_not_in_progress"


def a_new_command_is_acked(history: History) -> None:
    answer = again(history, "new")
    answer |= {"type": "ack", "seq": 9, "hash": "00" * 32, "applied": True, "result": {}}
    answer["replayed"] = False
    del answer["code"]


@pytest.mark.parametrize(
    ("invariant", "plant"),
    [
        (1, a_line_is_not_exported),
        (1, a_line_is_exported_with_other_words),
        (1, the_export_has_a_line_too_many),
        (2, an_answer_is_forgotten),
        (1, an_answer_is_another),
        (2, a_command_is_decided_again),
        (2, a_name_is_kept),
        (10, a_new_command_is_refused_as_by_a_living_event),
        (10, a_new_command_is_acked),
    ],
)
def test_a_wrong_deletion_is_found(invariant: int, plant: Callable[[History], None]) -> None:
    history = deleted()
    plant(history)
    assert invariant in {violation.invariant for violation in check(history)}, check(history)


def nobody_was_first(answered_at: float) -> History:
    """A decision of which all who asked heard that it is a repeat; the first answer was late."""
    history = deleted()
    first = next(each for each in history.operations if each.command["type"] == "event.start")
    assert first.answer is not None
    first.answer["replayed"] = True
    first.answered_at = answered_at
    return history


def test_a_deletion_may_hide_who_asked_first() -> None:
    """After a COMMIT in doubt, a node knows its own decision by the salt, which is deleted."""
    assert check(nobody_was_first(FOREVER + 0.5)) == []
    found = check(nobody_was_first(FOREVER - 0.5))
    assert [violation.invariant for violation in found] == [3], found
