"""The order of commands: the oldest within the server's limits goes first, none overtakes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ayes_client import Command
from ayes_client._pending.command_queue import CommandQueue
from ayes_client._pending.entry import Entry
from ayes_client._wire.backoff import MAX_INTERNAL_TRIES
from ayes_client.errors import Busy, Forbidden, IdConflict, Internal, Stopped, TooLarge

MANY = 1_000
ROOMY = 65_536


def queue() -> CommandQueue:
    return CommandQueue(lambda id: None)


def vote(number: int, proposal: str | None = None) -> Command:
    args = {"proposal": proposal or f"p{number}", "revision": 1}
    return Command(type="vote.cast", event="e", args=args, id=f"vote-{number:04}")


def ids(entries: list[Entry]) -> list[str]:
    return [entry.command.id for entry in entries]


def error(id: str, code: str, retry: str, effect: str = "none", **more: Any) -> dict[str, Any]:
    return {"type": "error", "id": id, "code": code, "retry": retry, "effect": effect,
            "message": "…", "details": {}, **more}  # fmt: skip


def ack(id: str) -> dict[str, Any]:
    return {"type": "ack", "id": id, "event": "e", "seq": 1, "hash": "", "applied": True,
            "replayed": False, "result": {}}  # fmt: skip


async def test_the_oldest_go_first_and_again_after_the_connection_broke() -> None:
    found = queue()
    for number in range(6):
        found.add(vote(number), kept=True)
    assert ids(found.take(0, most=4, most_bytes=ROOMY)) == [f"vote-000{n}" for n in range(4)]
    found.on_ack(ack("vote-0001"))
    found.connection_lost()
    assert ids(found.take(0, most=MANY, most_bytes=ROOMY)) == [
        f"vote-000{n}" for n in (0, 2, 3, 4, 5)
    ]


async def test_a_command_that_becomes_ready_twice_goes_once_in_a_frame() -> None:
    """The command waits behind another user's, and is claimed and released at once."""
    found = queue()
    found.add_from_outbox(vote(0, "p"), 0.0, "other")
    mine = found.add_from_outbox(vote(1, "p"), 0.0, "sub-of-me")
    found.add_from_outbox(vote(2), 0.0, "me")
    found.mark_kept(found.claim("me", "sub-of-me"))
    found.mark_kept([mine])
    assert ids(found.take(0, most=MANY, most_bytes=ROOMY)) == ["vote-0001", "vote-0002"]
    assert mine.tries == 1


async def test_a_command_of_the_tokens_subject_is_the_welcomed_users() -> None:
    found = queue()
    given = found.add(vote(0), kept=False)
    assert found.assign_owner("sub-1") == [given]
    assert found.assign_owner("sub-2") == []
    assert found.claim("user-1", "sub-1") == [given]
    assert given.user == "user-1"
    given.marked_sent = True
    assert found.claim("user-1", "sub-1") == []


async def test_nothing_is_sent_before_it_is_kept() -> None:
    found = queue()
    first = found.add(vote(0), kept=False)
    found.add(vote(1), kept=True)
    assert ids(found.take(0, most=MANY, most_bytes=ROOMY)) == ["vote-0001"]
    found.mark_kept([first])
    assert ids(found.take(0, most=MANY, most_bytes=ROOMY)) == ["vote-0000"]


async def test_two_about_one_thing_are_never_in_flight_together() -> None:
    found = queue()
    found.add(vote(0, "p"), kept=True)
    found.add(
        Command(type="vote.retract", event="e", args={"proposal": "p"}, id="retract-0"), kept=True
    )
    found.add(vote(2, "q"), kept=True)
    assert ids(found.take(0, most=MANY, most_bytes=ROOMY)) == ["vote-0000", "vote-0002"]
    found.on_error(error("vote-0000", "busy", "same", retry_after_ms=100), 0)
    assert ids(found.take(0.2, most=MANY, most_bytes=ROOMY)) == ["vote-0000"]
    found.on_ack(ack("vote-0000"))
    assert ids(found.take(0.2, most=MANY, most_bytes=ROOMY)) == ["retract-0"]


async def test_a_frame_holds_what_the_server_takes_and_no_more() -> None:
    found = queue()
    for number in range(10):
        found.add(vote(number), kept=True)
    size = len(found.add(vote(99), kept=True).body) + 1
    assert len(found.take(0, most=MANY, most_bytes=2 + 3 * size)) == 3
    assert len(found.take(0, most=2, most_bytes=ROOMY)) == 2


async def test_a_command_that_no_frame_holds_is_refused_here() -> None:
    found = queue()
    entry = found.add(
        Command(type="comment.add", event="e", args={"content": "x" * 5_000}), kept=True
    )
    assert found.take(0, most=MANY, most_bytes=4_096) == []
    with pytest.raises(TooLarge) as caught:
        await entry.future
    assert (caught.value.effect, caught.value.retry) == ("none", "fix")


async def test_too_fast_waits_for_all_and_keeps_the_order() -> None:
    found = queue()
    for number in range(3):
        found.add(vote(number), kept=True)
    found.take(0, most=2, most_bytes=ROOMY)
    found.on_error(error("vote-0000", "rate_limited", "same", retry_after_ms=500), 10.0)
    assert found.take(10.4, most=MANY, most_bytes=ROOMY) == []
    assert found.next_at(10.4) == 10.5
    assert ids(found.take(10.5, most=MANY, most_bytes=ROOMY)) == ["vote-0000", "vote-0002"]


async def test_a_wrong_code_holds_up_nobody_else() -> None:
    found = queue()
    found.add(Command(type="membership.join", args={"code": "ZZZZZZ"}, id="join-0001"), kept=True)
    found.add(vote(1), kept=True)
    found.take(0, most=1, most_bytes=ROOMY)
    found.on_error(error("join-0001", "rate_limited", "same", retry_after_ms=9_000), 0)
    assert ids(found.take(0, most=MANY, most_bytes=ROOMY)) == ["vote-0001"]
    assert ids(found.take(9.0, most=MANY, most_bytes=ROOMY)) == ["join-0001"]


async def test_a_refusal_is_raised_and_frees_its_place() -> None:
    found = queue()
    entry = found.add(vote(0), kept=True)
    found.take(0, most=MANY, most_bytes=ROOMY)
    found.on_error(error("vote-0000", "forbidden", "no", event="e", replayed=True), 0)
    with pytest.raises(Forbidden) as caught:
        await entry.future
    assert caught.value.replayed
    assert len(found) == found.in_flight == 0


async def test_a_defect_of_the_server_is_not_asked_for_ever() -> None:
    found = queue()
    entry = found.add(vote(0), kept=True)
    now, tries = 0.0, 0
    while not entry.future.done():
        now += 60.0
        assert ids(found.take(now, most=MANY, most_bytes=ROOMY)) == ["vote-0000"]
        found.on_error(error("vote-0000", "internal", "same", "unknown"), now)
        tries += 1
    assert tries == MAX_INTERNAL_TRIES
    with pytest.raises(Internal) as caught:
        await entry.future
    assert caught.value.effect == "unknown"


async def test_an_answer_that_does_not_come_is_asked_for_again() -> None:
    found = queue()
    found.add(vote(0), kept=True)
    found.take(0, most=MANY, most_bytes=ROOMY)
    assert not found.retry_overdue(1.9, 2.0)
    assert found.retry_overdue(2.0, 2.0)
    assert ids(found.take(2.0, most=MANY, most_bytes=ROOMY)) == ["vote-0000"]
    found.on_ack(ack("vote-0000"))
    found.on_ack(ack("vote-0000"))
    assert len(found) == 0


async def test_the_same_command_is_one_and_another_under_its_id_is_none() -> None:
    found = queue()
    entry = found.add(vote(0), kept=True)
    assert found.add(vote(0), kept=True) is entry
    with pytest.raises(IdConflict):
        found.add(vote(0, "another"), kept=True)


async def test_the_end_settles_all() -> None:
    found = queue()
    entries = [found.add(vote(number), kept=True) for number in range(5)]
    found.take(0, most=2, most_bytes=ROOMY)
    sent = []

    def make(was_sent: bool) -> Stopped:
        sent.append(was_sent)
        return Stopped()

    found.end(make)
    results = await asyncio.gather(*(entry.future for entry in entries), return_exceptions=True)
    assert {type(result) for result in results} == {Stopped}
    assert sent == [True, True, False, False, False]
    assert found.take(0, most=MANY, most_bytes=ROOMY) == []
    assert Busy.retry == "same"


def note(number: int, event: str | None) -> Command:
    return Command(type="comment.add", event=event, id=f"note-{number:04}")


async def test_of_each_event_one_is_in_flight_if_the_connection_keeps_no_order() -> None:
    found = queue()
    for number, event in enumerate(("e", "e", "f", None, None, "e")):
        found.add(note(number, event), kept=True)

    def take() -> list[str]:
        return ids(found.take(0, most=MANY, most_bytes=ROOMY, one_per_event=True))

    assert take() == ["note-0000", "note-0002", "note-0003"]
    assert take() == []
    assert found.next_at(0) is None
    # The event's next command may end while it waits for its turn.
    waiting = found.get("note-0001")
    assert waiting is not None
    found.refuse(waiting, Stopped())
    found.on_ack(ack("note-0000"))
    found.on_ack(ack("note-0003"))
    assert take() == ["note-0004", "note-0005"]
    found.add(note(6, "e"), kept=True)
    found.on_error(error("note-0005", "timeout", "same", "unknown", retry_after_ms=100), 0)
    assert take() == ["note-0006"]
    # A connection that keeps the order takes all.
    found.add(note(7, "e"), kept=True)
    assert take() == []
    found.connection_lost()
    assert ids(found.take(0, most=MANY, most_bytes=ROOMY)) == [
        "note-0002", "note-0004", "note-0005", "note-0006", "note-0007"
    ]  # fmt: skip
