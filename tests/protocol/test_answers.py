"""The server's messages decode to the examples in ``docs/protocol.md``."""

from __future__ import annotations

import json
import sys
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import pytest

from protocol import answers
from protocol.closes import CloseCode
from protocol.errors import ERRORS, ErrorCode, FinalError, ProtocolError, RetryableError
from server.transport.frames import frame, framed

EVENT = "9a0b"


def test_an_ack() -> None:
    message = answers.ack(
        id="01J-abcd",
        event=EVENT,
        seq=42,
        hash="9f",
        applied=True,
        replayed=False,
        result=b'{"agree":3,"eligible":5,"status":"pending"}',
    )
    assert json.loads(message) == {
        "type": "ack",
        "id": "01J-abcd",
        "event": EVENT,
        "seq": 42,
        "hash": "9f",
        "applied": True,
        "replayed": False,
        "result": {"agree": 3, "eligible": 5, "status": "pending"},
    }


@pytest.mark.parametrize("code", list(ErrorCode))
def test_an_error_carries_its_verdict(code: ErrorCode) -> None:
    message = json.loads(answers.error(ProtocolError(code), id="01J-abcd", event=EVENT))
    rule = ERRORS[code]
    assert message == {
        "type": "error",
        "id": "01J-abcd",
        "event": EVENT,
        "code": code.value,
        "message": rule.meaning,
        "effect": rule.effect,
        "retry": rule.retry,
        "details": {},
    }


def test_an_error_with_all_there_can_be() -> None:
    err = FinalError(ErrorCode.PROPOSAL_CLOSED, "no", details={"status": "accepted", "seq": 40})
    message = json.loads(answers.error(err, id="i", ref=0, event=EVENT, replayed=True))
    assert message["ref"] == 0
    assert message["replayed"] is True
    assert message["details"] == {"status": "accepted", "seq": 40}
    busy = json.loads(answers.error(RetryableError(ErrorCode.BUSY, retry_after_ms=100)))
    assert (busy["retry_after_ms"], set(busy)) == (
        100,
        {"type", "code", "message", "effect", "retry", "retry_after_ms", "details"},
    )


@pytest.mark.parametrize("ref", [None, 0, 7, "", "r", 'quo"te\\', "ü"])
def test_rooms(ref: Any) -> None:
    echoed = {} if ref is None else {"ref": ref}
    state: dict[str, Any] = {"counts": {}}
    you: dict[str, Any] = {"votes": {}}
    patch = {"event": {"status": "paused"}}
    position = {"event": EVENT, "epoch": "e1"}
    assert json.loads(
        b"".join(
            answers.snapshot(
                **position,
                seq=42,
                reason="initial",
                state=answers.encode(state),
                you=answers.encode(you),
                ref=ref,
            )
        )
    ) == {
        "type": "snapshot",
        **echoed,
        **position,
        "seq": 42,
        "reason": "initial",
        "state": state,
        "you": you,
    }
    assert json.loads(
        answers.resumed(
            **position,
            from_=41,
            seq=44,
            patch=answers.encode(patch),
            you=answers.encode(you),
            ref=ref,
        )
    ) == {
        "type": "resumed",
        **echoed,
        **position,
        "from": 41,
        "seq": 44,
        "patch": patch,
        "you": you,
    }
    assert json.loads(answers.unsubscribed(event=EVENT, reason="left", ref=ref)) == {
        "type": "unsubscribed",
        **echoed,
        "event": EVENT,
        "reason": "left",
    }
    assert json.loads(answers.reply("pong", ref, time="t")) == {
        "type": "pong",
        **echoed,
        "time": "t",
    }


def test_diff_and_you() -> None:
    assert json.loads(
        answers.diff(event=EVENT, epoch="e1", from_=44, seq=47, patch=b'{"a":null}')
    ) == {
        "type": "diff",
        "event": EVENT,
        "epoch": "e1",
        "from": 44,
        "seq": 47,
        "patch": {"a": None},
    }
    assert json.loads(answers.you(event=EVENT, seq=47, patch=b"{}")) == {
        "type": "you",
        "event": EVENT,
        "seq": 47,
        "patch": {},
    }


def test_bye() -> None:
    assert json.loads(answers.bye(CloseCode.DRAINING, retry_after_ms=1_234, message="m")) == {
        "type": "bye",
        "code": 4001,
        "retry_after_ms": 1_234,
        "message": "m",
    }


def test_a_hostile_name_stays_within_its_text() -> None:
    nasty = '"},{"type":"ack","id":"x\u2028</script>'
    message = json.loads(answers.error(RetryableError(ErrorCode.NOT_FOUND), event=nasty, ref=nasty))
    assert (message["event"], message["ref"]) == (nasty, nasty)
    for made in (
        answers.you(event=nasty, seq=1, patch=b"{}"),
        answers.diff(event=nasty, epoch=nasty, from_=0, seq=1, patch=b"{}"),
        answers.unsubscribed(event=nasty, reason="left", ref=nasty),
    ):
        assert json.loads(made)["event"] == nasty


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 23, 8, tzinfo=UTC), "2026-11-23T08:00:00.000Z"),
        (datetime(2026, 11, 23, 8, 0, 0, 999_999, tzinfo=UTC), "2026-11-23T08:00:00.999Z"),
        (datetime(1, 2, 3, 4, 5, 6, 7_000, tzinfo=UTC), "0001-02-03T04:05:06.007Z"),
    ],
)
def test_times_are_rfc_3339_in_milliseconds(moment: datetime, text: str) -> None:
    assert answers.timestamp(moment) == text


def test_the_state_in_a_snapshot_is_no_copy() -> None:
    """Thousands of sockets get the same message, and slow readers keep it in memory."""
    state = answers.encode({"counts": {}})
    parts = answers.snapshot(
        event=EVENT, epoch="e1", seq=42, reason="initial", state=state, you=b"{}"
    )
    assert parts[1] is state
    assert framed(parts)[2] is state
    assert b"".join(framed(parts)) == frame(b"".join(parts))


def test_a_kept_text_takes_no_more_memory_than_its_bytes() -> None:
    value = {"proposals": {"p": {"agree": 7, "text": "a é b"}}}
    assert answers.encode_kept(value) == answers.encode(value)
    tracemalloc.start()
    try:
        kept = [answers.encode_kept(value) for _ in range(1_000)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 1_000 * (sys.getsizeof(kept[0]) + 32)
