"""What a promotion that loses data may take, and what not."""

from __future__ import annotations

import math

from tests.campaign.losses import Loss, lost, worlds
from tests.model.history import History, Json, Operation, Stream

EVENT = "an event"


def line(seq: int, hash: str) -> Json:
    """A line of a journal, as far as it matters here."""
    return {"user": "ada", "id": f"command-{seq}", "seq": seq, "hash": hash}


def acked(seq: int, sent_at: float, answered_at: float | None) -> Operation:
    """A command and its ack; with no time the ack never came."""
    answer = {"type": "ack", "seq": seq} if answered_at is not None else None
    command = {"type": "vote.cast", "id": f"command-{seq}"}
    return Operation("ada", "ada-1", command, sent_at, answer, answered_at)


def a_loss() -> Loss:
    """At the tenth second three lines stand, and the standby had two of them."""
    old = [line(1, "a"), line(2, "b"), line(3, "c")]
    return Loss({EVENT: old}, {EVENT: "old"}, {EVENT: 2}, 10.0)


def a_history(rows: list[Json]) -> History:
    """Three commands before the loss, one of them unanswered until after it, and one more."""
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
    history = a_history([line(1, "a"), line(2, "b"), line(3, "d")])
    (before, wrong), (after, wrong_after) = worlds(EVENT, history, [a_loss()])
    assert wrong == wrong_after == []
    assert [op.answered_at for op in before.operations] == [2.0, 4.0, None]
    assert [op.answered_at for op in after.operations] == [None, None, 11.0, 13.0]
    assert [row["hash"] for row in before.rows] == ["a", "b", "c"]
    assert [[m["type"] for m in s.messages] for s in before.streams] == [
        ["snapshot", "you", "diff"]
    ]
    assert [s.heard_at for s in after.streams] == [[12.0, 13.0]]
    assert [s.live for s in before.streams + after.streams] == [False, True]
    assert lost(EVENT, history, [a_loss()]) == 1


def test_nothing_that_the_standby_had_may_be_lost_or_changed() -> None:
    gone = list(worlds(EVENT, a_history([line(1, "a")]), [a_loss()]))[-1][1]
    assert [(violation.invariant, violation.seq) for violation in gone] == [(1, 2)]
    changed = list(worlds(EVENT, a_history([line(1, "a"), line(2, "x")]), [a_loss()]))[-1][1]
    assert [(violation.invariant, violation.seq) for violation in changed] == [(1, 2)]


def test_a_socket_that_stays_in_the_old_world_is_noticed() -> None:
    history = a_history([line(1, "a"), line(2, "b")])
    stream = history.streams[0]
    stream.messages, stream.heard_at = stream.messages[:3], stream.heard_at[:3]
    *_, (after, _) = worlds(EVENT, history, [a_loss()])
    assert [(s.messages, s.live) for s in after.streams] == [([], True)]


def test_without_a_loss_a_history_is_one_world() -> None:
    history = a_history([line(1, "a")])
    ((whole, wrong),) = worlds(EVENT, history, [])
    assert (whole, wrong) == (history, [])
    assert lost(EVENT, history, []) == 0
    assert math.isinf(Loss({}, {}).at)
