"""Waiting until a room has a state, and the messages about what happened in it."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest

from ayes_client import Client, EventFinished, MemberJoined, ProposalDecided, explain
from ayes_client._rooms.happenings import happenings
from ayes_client._words import LANGUAGES
from ayes_client.errors import (
    AyesError,
    BadRequest,
    LineError,
    NeedsFix,
    NotFound,
    ProposalClosed,
    RoomClosed,
)
from scripts import client_types
from tests.clients.python.conftest import Connect, gathering, proposal
from tests.clients.python.waiting import SECONDS, status
from tests.parts import free_port
from tests.promises.scenes import fresh


async def test_until_returns_what_was_looked_for_and_decided_says_how(connect: Connect) -> None:
    room = await gathering(await connect())
    wanted = await proposal(room)
    assert await room.until(lambda room: room.state["proposals"].get(wanted)) is not None
    waiting = asyncio.create_task(room.decided(wanted, timeout=SECONDS))
    ack = await room.approve(wanted)
    found = await waiting
    assert (found.carried, found.how, found.by) == (
        True,
        "admin",
        room.state["proposals"][wanted]["author"],
    )
    assert room.tally(wanted).outcome == found
    assert room.seq >= ack.seq


async def test_until_ends_with_its_time_with_the_room_and_with_its_own_error(
    connect: Connect,
) -> None:
    room = await gathering(await connect())
    wanted = await proposal(room)
    with pytest.raises(TimeoutError):
        await room.decided(wanted, timeout=0.05)
    with pytest.raises(ZeroDivisionError):
        await room.until(lambda _: 1 // 0)
    waiting = asyncio.create_task(room.until(lambda _: False))
    await asyncio.sleep(0)
    await room.leave()
    with pytest.raises(RoomClosed):
        await waiting
    with pytest.raises(RoomClosed):
        await room.until(lambda _: False)


async def test_nothing_that_was_so_for_one_moment_passes_unseen(connect: Connect) -> None:
    """A condition is tested at each step, even if two steps come in one frame."""
    room = await gathering(await connect())
    view: Any = room._view
    waiting = asyncio.create_task(room.until(lambda room: room.online == 41))
    await asyncio.sleep(0)
    for online in (41, 2):
        view.apply({"type": "presence", "online": online})
    async with asyncio.timeout(SECONDS):
        assert await waiting


async def test_every_yields_after_each_interval_until_it_is_so(connect: Connect) -> None:
    room = await gathering(await connect())
    wanted = await proposal(room)
    count = 0
    async with asyncio.timeout(SECONDS):
        async for same in room.every(
            timedelta(milliseconds=20), until=lambda r: r.tally(wanted).outcome
        ):
            assert same is room
            count += 1
            if count == 3:
                await room.approve(wanted)
    assert count >= 3
    await room.leave()
    assert [None async for _ in room.every(0.01)] == []


async def test_what_happened_is_heard_of_and_undone(connect: Connect) -> None:
    room = await gathering(await connect())
    heard: list[Any] = []
    undo = [
        room.on("decided", heard.append),
        room.on("joined", heard.append),
        room.on("finished", heard.append),
    ]
    wanted = await proposal(room)
    await room.approve(wanted)
    guest = fresh("guest")
    other = await connect(guest)
    await other.command("membership.join", {"code": room.state["event"]["entrance_code"]})
    ack = await room.command("event.finish")
    await room.reached(ack.seq)
    decided, joined, finished = heard
    assert isinstance(decided, ProposalDecided)
    assert (decided.proposal, decided.outcome.carried) == (wanted, True)
    assert isinstance(joined, MemberJoined)
    assert (joined.user, joined.role) == (guest, "member")
    assert isinstance(finished, EventFinished)
    assert finished.results is not None
    for remove in undo:
        remove()
    ack = await room.command("event.reopen")
    await room.reached((await room.command("event.finish")).seq)
    assert len(heard) == 3


def test_older_decisions_that_are_shown_again_are_no_news() -> None:
    def state(**proposals: Any) -> Any:
        event = {"status": "in_progress"}
        return {"proposals": proposals, "members": {}, "counts": {"members": 1}, "event": event}

    closed = {"status": "accepted", "resolution": "admin"}
    before = state(p5=closed | {"resolved_no": 5}, p6={"status": "pending"})
    after = state(
        p4=closed | {"resolved_no": 4},
        p5=closed | {"resolved_no": 5},
        p6=closed | {"resolved_no": 7},
        p7=closed | {"resolved_no": 6},
    )
    assert [found.proposal for _, found in happenings(before, after)] == ["p7", "p6"]  # type: ignore[union-attr]
    assert list(happenings({}, after)) == []  # type: ignore[typeddict-item]


def test_the_words_are_the_pages() -> None:
    assert client_types.main(["--check"]) == 0


def test_a_refusal_is_explained_in_both_languages() -> None:
    error = ProposalClosed(details={"status": "accepted", "resolution": "admin", "by": "ada"})
    assert explain(error) == "Already accepted by an admin."
    assert explain(error, name={"ada": "Ada"}.get) == "Already accepted by Ada."
    assert explain(error, "ko-KR") != explain(error)
    assert explain(error, "tlh") == explain(error)
    wrong = BadRequest("Invalid enum value 'precent'", details={"path": "policy.rule"})
    assert explain(wrong) == "The server says: Invalid enum value 'precent'"
    assert explain(ValueError("no error of a server")) == "no error of a server"
    assert LANGUAGES == ("en", "ko")


def test_a_room_that_closed_is_explained_by_its_reason() -> None:
    def said(reason: str | None, language: str = "en") -> str:
        return explain(RoomClosed(details={"reason": reason}), language)

    assert said("removed") == "You were removed from this event."
    assert said("left") == "You have left this event."
    assert "deleted" in said("revoked")
    assert said("removed", "ko") != said("removed")
    # The server refused the room, or the program left it.
    assert said("not_found") == explain(NotFound())
    assert said("client") == said(None) == "The room is closed."


def test_every_error_that_the_client_itself_makes_has_a_sentence() -> None:
    def kinds(of: type[AyesError]) -> set[type[AyesError]]:
        return {of, *(kind for one in of.__subclasses__() for kind in kinds(one))}

    own = kinds(LineError) - {LineError}
    assert len(own) >= 8
    for kind in own:
        assert "server says" not in explain(kind("the words for a log")), kind.__name__


def test_an_error_in_words_has_its_path_and_no_code_twice() -> None:
    wrong = BadRequest("Invalid enum value 'precent'", details={"path": "policy.rule"})
    assert str(wrong) == "Invalid enum value 'precent' (policy.rule)"
    unknown = NeedsFix("of tomorrow")
    unknown.code = "new_code"
    assert str(unknown) == "new_code: of tomorrow"


async def test_before_the_first_welcome_one_warning_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Client(f"http://127.0.0.1:{free_port()}", "x", backoff=(0.01, 0.02))
    seen = 0

    def count(now: str) -> None:
        nonlocal seen
        seen += now == "waiting"

    client.on("status", count)
    with caplog.at_level(logging.WARNING, "ayes_client"):
        client.start()
        await status(client, "waiting")
        async with asyncio.timeout(SECONDS):
            while seen < 4:
                await asyncio.sleep(0.01)
        await client.stop()
    [warning] = [record.getMessage() for record in caplog.records]
    assert client.url in warning
    assert "Connect call failed" in warning
