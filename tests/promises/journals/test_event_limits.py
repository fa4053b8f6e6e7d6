"""An event's limits are its own: no server's settings change a decision or refuse it."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from server.cli import audit
from server.cli.main import main
from tests.fixtures.servers import Start
from tests.promises.client import Room
from tests.promises.rooms.test_law_of_rooms import afresh
from tests.promises.running import Running, running
from tests.promises.scenes import Scene, by_count, gathering

#: Settings that a server may have before, or after.
NARROW: dict[str, Any] = {"resolved_shown": 2, "comments_shown": 1, "members_shown": 1}
WIDE: dict[str, Any] = {"resolved_shown": 50, "comments_shown": 50, "members_shown": 50}


async def again(server: Running, scene: Scene) -> Scene:
    """The same event and people, on another server."""
    admin = await server.connect(scene.admin.user)
    found = Scene(server, scene.event, scene.code, admin)
    found.members = [await server.connect(member.user) for member in scene.members]
    return found


async def options(scene: Scene) -> None:
    """Add as many options as the limit of 30 permits, three at a time."""
    there = len((await scene.state())["options"])
    for number in range(min(23, 30 - there)):
        await scene.do("option.add", content=f"option {there + number}")


async def comments(scene: Scene) -> None:
    proposal = await scene.propose()
    for words in ("one", "two", "three"):
        await scene.admin.ack("comment.add", event=scene.event, proposal=proposal, content=words)


async def proposals(scene: Scene) -> None:
    for _ in range(3):
        await scene.propose()


async def decisions(scene: Scene) -> None:
    for _ in range(3):
        proposal = await scene.propose()
        await scene.vote(scene.admin, proposal)
        await scene.do("proposal.accept", proposal=proposal)


async def members(scene: Scene) -> None:
    for _ in range(3):
        await scene.member()


Deed = Callable[[Scene], Awaitable[None]]
#: Acts before and after a change of settings, and the limits before and after.
CHANGES: dict[str, tuple[Deed, dict[str, Any], dict[str, Any], bool]] = {
    "options, fewer": (options, {"options": 30}, {}, False),
    "comments shown, more": (comments, {"comments_shown": 1}, {}, True),
    "comments shown, fewer": (comments, {}, {"comments_shown": 1}, True),
    "pending proposals, fewer": (proposals, {}, {"pending_proposals": 4}, True),
    "pending of an author, fewer": (proposals, {}, {"pending_per_author": 4}, True),
    "resolved shown, more": (decisions, {"resolved_shown": 2}, {}, True),
    "resolved shown, fewer": (decisions, {}, {"resolved_shown": 2}, True),
    "members shown, more": (members, {"members_shown": 1}, {}, True),
    "members shown, fewer": (members, {}, {"members_shown": 1}, True),
    "assumptions, fewer": (decisions, {}, {"assumptions": 4}, True),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_changed_setting_changes_nothing_of_an_event(
    migrated_url: str, change: str, tmp_path: Path
) -> None:
    deed, before, after, started = CHANGES[change]
    async with running(migrated_url, **before) as server:
        scene = await gathering(server, 2, started=started)
        await deed(scene)
        left = await (await server.connect(scene.members[0].user)).subscribe(scene.event)
    async with running(migrated_url, **after) as server:
        # A client that returns has the state that a snapshot of this server shows.
        client = await server.connect(left.client.user)
        back = client.adopt(left)
        await client.resume(scene.event)
        assert back.starts[-1]["type"] == "resumed"
        await agrees(server, back)
        scene = await again(server, scene)
        await deed(scene)
        await client.until(lambda: back.seq >= top(scene), "what was done since")
        await agrees(server, back)
        said = await audit.verify_event(server.node.database, scene.event)
        assert said.endswith("the tables agree"), said
        path = await exported(server, scene.event, tmp_path)
    assert await verified(path, comments_shown="7", options="1") == (0, "agree")


async def agrees(server: Running, room: Room) -> None:
    """``room`` equals a snapshot."""
    fresh = await afresh(server, room)
    assert (room.seq, room.state, room.you) == (fresh.seq, fresh.state, fresh.you)


def top(scene: Scene) -> int:
    """The last position that any client in ``scene`` got."""
    acks: list[int] = [ack["seq"] for client in scene.everyone for ack in client.of("ack")]
    return max(acks)


async def exported(server: Running, event: str, folder: Path) -> Path:
    """The event's export as a file."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        await audit.export(server.node.database, event)
    path = folder / "export.jsonl"
    path.write_text(printed.getvalue())
    return path


async def cli(*command: str, **settings: str) -> tuple[int, str]:
    """The exit status of ``ayes``, and its output; ``settings`` as its flags."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = await asyncio.to_thread(main, [*command, *flags])
    return status, printed.getvalue()


async def verified(path: Path, **settings: str) -> tuple[int, str]:
    """The exit status of ``ayes verify FILE``, and its last word."""
    status, said = await cli("verify", str(path), **settings)
    return status, said.split()[-1]


@pytest.fixture
async def two(migrated_url: str) -> AsyncIterator[tuple[Running, Running]]:
    """Two servers on one database, one of them started with other settings."""
    async with running(migrated_url, **WIDE) as wide, running(migrated_url, **NARROW) as narrow:
        yield wide, narrow


async def test_servers_with_other_settings_agree_at_the_same_time(
    two: tuple[Running, Running],
) -> None:
    for first, second in (two, two[::-1]):
        scene = await gathering(first, 2, policy=by_count(1))
        there = await again(second, scene)
        rooms = [*await scene.watch(scene.admin), *await there.watch(there.members[0])]
        for _ in range(2):
            for side in (scene, there):
                for deed in (comments, decisions, members):
                    await deed(side)
        last = max(top(scene), top(there))
        for room in rooms:
            await room.reached(last)
            await agrees(first, room)
            await agrees(second, room)
        said = await audit.verify_event(second.node.database, scene.event)
        assert said.endswith("the tables agree"), said


async def test_an_operator_gives_an_event_other_limits_while_it_is_watched(
    start: Start, migrated_url: str
) -> None:
    server = await start(**WIDE)
    scene = await gathering(server, 3)
    for deed in (comments, decisions):
        await deed(scene)
    rooms = await scene.watch(*scene.everyone)
    before = {"database_url": migrated_url}
    at = top(scene)
    windows = {"comments": 2, "resolved": 1, "members": 2}
    given = [f"--set={name}_shown={number}" for name, number in windows.items()]
    status, said = await cli("limits", scene.event, *given, **before)
    assert status == 0, said
    assert f"{scene.event}: limits 2, rules" in said
    assert "comments_shown 2 (settings here: 200)" in said
    for room in rooms:
        await room.reached(at + 1)
        assert len(room.state["comments"]) == 2
        await agrees(server, room)
    # A change to the present limits is no step.
    status, _ = await cli("limits", scene.event, *given, **before)
    assert status == 0
    for deed in (comments, decisions, members):
        await deed(scene)
    status, said = await cli("limits", scene.event, "--adopt", **before)
    assert (status, "limits 3" in said) == (0, True), said
    for deed in (comments, decisions):
        await deed(scene)
    for room in rooms:
        await room.reached(top(scene))
        await agrees(server, room)
    assert len(rooms[0].state["comments"]) == 5, "what left does not come back"
    said = await audit.verify_event(server.node.database, scene.event)
    assert said.endswith("the tables agree"), said


async def test_of_two_operators_at_once_one_changes_the_limits(
    start: Start, migrated_url: str
) -> None:
    server = await start()
    scene = await gathering(server)
    url = {"database_url": migrated_url}
    await asyncio.gather(
        *(cli("limits", scene.event, f"--set=comments_shown={n}", **url) for n in (3, 4, 5))
    )
    said = await audit.verify_event(server.node.database, scene.event, strict=True)
    assert said.endswith("the tables agree"), said
    _, told = await cli("limits", scene.event, **url)
    assert any(f"comments_shown {n} " in told for n in (3, 4, 5)), told


async def test_a_much_narrower_window_is_one_step(start: Start, migrated_url: str) -> None:
    """As many records as leave the window are read at once, within a lane's time for a command."""
    server = await start(pending_per_author=1_000, resolved_shown=1_000)
    scene = await gathering(server, policy=by_count(1))
    room = (await scene.watch(scene.admin))[0]
    for _ in range(3):
        sent = [
            await scene.admin.post(
                "proposal.create",
                event=scene.event,
                kind="assumption",
                category="create",
                content="so",
            )
            for _ in range(100)
        ]
        made = [(await scene.admin.answered(one))["result"]["proposal"] for one in sent]
        for proposal in made:
            await scene.admin.post("proposal.reject", event=scene.event, proposal=proposal)
    at = (await scene.admin.ack("proposal.reject", event=scene.event, proposal=made[0]))["seq"]
    await room.reached(at)
    assert len(room.state["proposals"]) == 300
    status, said = await cli(
        *("limits", scene.event, "--set=resolved_shown=1"), database_url=migrated_url
    )
    assert status == 0, said
    await room.reached(at + 1)
    assert len(room.state["proposals"]) == 1
    await agrees(server, room)
    said = await audit.verify_event(server.node.database, scene.event, strict=True)
    assert said.endswith("the tables agree"), said


async def test_limits_that_cannot_be_are_refused(migrated_url: str, start: Start) -> None:
    scene = await gathering(await start())
    url = {"database_url": migrated_url}
    for given, told in {
        "rules=1": "is none of options",
        "options=0": "is not between 1 and",
        "options=many": "is no whole number",
    }.items():
        status, said = await cli("limits", scene.event, f"--set={given}", **url)
        assert (status, told in said) == (2, True), said
    status, said = await cli("limits", "nowhere", "--adopt", **url)
    assert (status, "there is no event nowhere" in said) == (1, True), said


async def test_clients_are_not_sent_limits(server: Running, start: Start) -> None:
    """The limits are in the journal alone: no answer and no room has them."""
    scene = await gathering(server, 1)
    await scene.watch(*scene.everyone)
    await comments(scene)
    admin: Any = scene.admin
    status = await admin.ask("command.status", event=scene.event, ids=[admin.of("ack")[0]["id"]])
    assert "result" in status["commands"][0]["ack"]
    assert "comments_shown" not in str(admin.frames)
