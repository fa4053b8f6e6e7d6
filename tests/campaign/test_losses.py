"""A lossy promotion: its permitted losses, its duties, and the world of each answer."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace

import pytest

from tests.campaign.judging import Case, verdict
from tests.campaign.losses import Loss, histories, lasting, lost
from tests.model.history import History, Json, Operation, Stream
from tests.model.recorder import Recorder

EVENT = "an event"


def line(seq: int, hash: str) -> Json:
    """A line of a journal, with the fields that matter here."""
    return {"user": "ada", "id": f"command-{seq}", "seq": seq, "hash": hash}


def acked(seq: int, sent_at: float, answered_at: float | None) -> Operation:
    """A command and its ack; without a time the ack never came."""
    answer = {"type": "ack", "seq": seq, "hash": "00"} if answered_at is not None else None
    command = {"type": "vote.cast", "id": f"command-{seq}"}
    return Operation("ada", "ada-1", command, sent_at, answer, answered_at)


def a_loss() -> Loss:
    """At second ten there are three lines, and the standby has two of them."""
    old = [line(1, "aa"), line(2, "bb"), line(3, "cc")]
    return Loss({EVENT: old}, {EVENT: "old"}, {EVENT: 2}, 10.0)


def a_history(rows: list[Json]) -> History:
    """Three commands before the loss, one of them answered after it, and one more."""
    told = [
        {"type": "snapshot", "epoch": "old", "seq": 1},
        {"type": "you", "seq": 2},
        {"type": "diff", "epoch": "old", "from": 1, "seq": 3},
        {"type": "snapshot", "epoch": "new", "seq": 2},
        {"type": "diff", "epoch": "new", "from": 2, "seq": 3},
    ]
    heard = [1.0, 2.0, 3.0, 12.0, 13.0]
    operations = [acked(1, 1.0, 2.0), acked(3, 3.0, 4.0), acked(2, 5.0, 11.0), acked(3, 12.0, 13.0)]
    return History(operations, [Stream("ada", "ada-1", told, heard, live=True)], rows)


def test_each_world_has_its_own_answers_messages_and_lines() -> None:
    history = a_history([line(1, "aa"), line(2, "bb"), line(3, "dd")])
    (before, wrong), (after, wrong_after) = histories(EVENT, history, [a_loss()])
    assert wrong == wrong_after == []
    assert [op.answered_at for op in before.operations] == [2.0, 4.0, None]
    assert [op.answered_at for op in after.operations] == [None, None, 11.0, 13.0]
    assert [row["hash"] for row in before.rows] == ["aa", "bb", "cc"]
    assert [[m["type"] for m in s.messages] for s in before.streams] == [
        ["snapshot", "you", "diff"]
    ]
    assert [s.heard_at for s in after.streams] == [[12.0, 13.0]]
    assert [s.live for s in before.streams + after.streams] == [False, True]
    assert lost(EVENT, history, [a_loss()]) == 1


def test_nothing_that_the_standby_had_may_be_lost_or_changed() -> None:
    gone = list(histories(EVENT, a_history([line(1, "aa")]), [a_loss()]))[-1][1]
    assert [(violation.invariant, violation.seq) for violation in gone] == [(1, 2)]
    changed = list(histories(EVENT, a_history([line(1, "aa"), line(2, "ee")]), [a_loss()]))[-1][1]
    assert [(violation.invariant, violation.seq) for violation in changed] == [(1, 2)]


def test_a_socket_that_stays_in_the_old_world_is_noticed() -> None:
    history = a_history([line(1, "aa"), line(2, "bb")])
    stream = history.streams[0]
    stream.messages, stream.heard_at = stream.messages[:3], stream.heard_at[:3]
    *_, (after, _) = histories(EVENT, history, [a_loss()])
    assert [(s.messages, s.live) for s in after.streams] == [([], True)]


def test_without_a_loss_a_history_is_one_world() -> None:
    history = a_history([line(1, "aa")])
    ((whole, wrong),) = histories(EVENT, history, [])
    assert (whole, wrong) == (history, [])
    assert lost(EVENT, history, []) == 0
    assert math.isinf(Loss({}, {}).at)


# --- each answer is judged in the world that it belongs to

#: The time of the loss in the runs below: long before the next world's decisions.
AT = 100.0
POLICY: Json = {"membership_auto": True, "assumption": {"threshold": 2}}
CREATE: Json = {"subject": "s", "policy": POLICY}
PROPOSAL: Json = {"kind": "assumption", "category": "create", "content": "words"}


def made(run: Recorder) -> None:
    """An event is made, and refuses a command that comes before it is started."""
    run.send("ada", "event.create", id="made", **CREATE)
    run.send("ada", "proposal.create", id="early", **PROPOSAL)


def next_world(**limits: int) -> Recorder:
    """Commands after the loss, on events with epochs of their own."""
    run = Recorder(epoch="x2", **limits)
    run.time = run.made = int(AT) + 10
    return run


def loss_of(run: Recorder, kept: int = 0, epoch: str = "x1") -> Loss:
    """The primary with all of ``run`` is lost; the standby had ``kept`` lines of it."""
    tops = {EVENT: kept} if kept else {}
    return Loss({EVENT: deepcopy(run.rows)}, {EVENT: epoch}, tops, AT)


def both(before: Recorder, after: Recorder) -> History:
    """The clients' observations of both worlds; the second world's journal stays."""
    operations = before.operations + after.operations
    streams = [replace(each, live=False) for each in before.streams] + after.streams
    return History(operations, streams, after.rows)


def judged(history: History, loss: Loss) -> list[str]:
    return verdict(Case(EVENT, history, [loss]))


def nowhere(run: Recorder, user: str, id: str, code: str = "not_found", **command: object) -> None:
    """A command about an event that does not exist, and its answer."""
    answer: Json = {"type": "error", "id": id, "code": code, "details": {}, "replayed": False}
    sent = {"type": "proposal.create", "id": id} | command
    run.operations.append(Operation(user, f"{user}-2", sent, run.tick(), answer, run.tick()))


def test_an_event_that_refused_a_command_may_be_lost_whole() -> None:
    """The refusal belongs to the lost world; in the next one there is no event to refuse."""
    before, after = Recorder(), next_world()
    made(before)
    nowhere(after, "ada", "later")
    history = both(before, after)
    assert judged(history, loss_of(before)) == []
    assert lost(EVENT, history, [loss_of(before)]) == 1
    assert [one.command["id"] for one in lasting(EVENT, history, [loss_of(before)])] == ["later"]


@pytest.mark.parametrize("id", ["made", "early"])
def test_an_answer_that_was_under_way_when_its_world_ended_is_of_that_world(id: str) -> None:
    before, after = Recorder(), next_world()
    made(before)
    (late,) = (one for one in before.operations if one.command["id"] == id)
    late.answered_at = AT + 1
    assert judged(both(before, after), loss_of(before)) == []


def test_an_answer_of_the_lost_world_to_what_was_sent_after_it_is_an_alarm() -> None:
    """A node must not answer from its memory of a lost journal."""
    before, after = Recorder(), next_world()
    made(before)
    for late in before.operations:
        late.sent_at, late.answered_at = AT + 1, AT + 2
    wrong = judged(both(before, after), loss_of(before))
    assert any("made was acked and is not in the journal" in each for each in wrong)
    assert any("early was refused (event_not_in_progress), and" in each for each in wrong)


def test_an_event_that_is_gone_answers_not_found_and_nothing_else() -> None:
    before, after = Recorder(), next_world()
    made(before)
    nowhere(after, "ada", "later", code="event_not_in_progress")
    (wrong,) = judged(both(before, after), loss_of(before))
    assert "later was refused (event_not_in_progress), and that is not remembered" in wrong


def test_an_event_may_be_made_again_by_a_repeat_of_its_command() -> None:
    """The same id as before, with another code and epoch; each snapshot is of its own world."""
    before, after = Recorder(), next_world()
    made(before)
    before.subscribe("ada", "ada-1")
    nowhere(after, "ada", "early", **PROPOSAL)
    after.send("ada", "event.create", id="made", **CREATE)
    after.subscribe("ada", "ada-2")
    after.send("ada", "event.start", id="start")
    history = both(before, after)
    assert judged(history, loss_of(before)) == []
    # The same history would break a promise if the first world's answers belonged to this one.
    assert verdict(Case(EVENT, history, []))
    kept = [one.command["id"] for one in lasting(EVENT, history, [loss_of(before)])]
    assert kept == ["early", "made", "start"]


def test_a_refusal_that_the_standby_had_is_remembered_in_the_next_world_too() -> None:
    before = Recorder()
    made(before)
    before.send("ada", "event.start", id="start")
    after = next_world()
    after.model, after.rows = deepcopy(before.model), deepcopy(before.rows)
    after.send("ada", "proposal.create", id="early", **PROPOSAL)
    history = both(before, after)
    assert judged(history, loss_of(before, kept=2)) == []
    # If it were decided again, the same id would have two different answers.
    del history.rows[1]
    assert judged(history, loss_of(before, kept=2))


def test_what_a_lost_world_itself_got_wrong_is_an_alarm() -> None:
    before, after = Recorder(), next_world()
    made(before)
    before.rows[1]["answer"]["code"] = "vote_not_found"
    assert judged(both(before, after), loss_of(before))
