"""A client that was away for long catches up from the folded journal, at little cost."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import httpx
import pytest

from persistence.database.pool import SESSION, STATEMENT_TIMEOUT_MS
from persistence.queries import event_reads
from server.limits.fair_scheduler import IDLE_RATIO
from tests.fixtures.servers import Start
from tests.promises.client import PATIENCE, Client
from tests.promises.fold import fold
from tests.promises.running import CONNECTIONS, Running, token
from tests.promises.scenarios import SCENARIOS
from tests.promises.scenes import Scene, gathering
from tests.promises.stage import stage

#: Steps of a block here, so that a few dozen steps are many blocks.
BLOCK = 4


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catching up by more than a block goes through the journal."""
    monkeypatch.setattr("server.rooms.journal_folder.FOLD_BLOCK_STEPS", BLOCK)
    monkeypatch.setattr("server.rooms.resume_path.FOLD_BLOCK_STEPS", BLOCK)
    monkeypatch.setattr("server.rooms.resume_path.MAX_STEPS_FROM_MEMORY", BLOCK)


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The ranges of the journal that are read, as (after, to)."""
    read = event_reads.steps
    asked: list[tuple[int, int]] = []

    async def counted(database: Any, event_id: str, *, epoch: str, after: int, to: int) -> Any:
        asked.append((after, to))
        return await read(database, event_id, epoch=epoch, after=after, to=to)

    monkeypatch.setattr(event_reads, "steps", counted)
    return asked


async def long_way(server: Running, steps: int = 6 * BLOCK) -> tuple[Scene, int]:
    """An event that moved on by ``steps``, and its position before."""
    scene = await gathering(server)
    room = await scene.admin.subscribe(scene.event)
    seq = room.seq
    for _ in range(steps):
        await scene.do("event.rotate_code")
    await scene.admin.until(lambda: room.seq == seq + steps)
    return scene, seq


async def away(server: Running, scene: Scene, seq: int) -> Client:
    """A socket whose client was in the room until ``seq``."""
    reader = await server.connect(scene.admin.user)
    here, mine = scene.admin.room(scene.event), reader.room(scene.event)
    mine.epoch, mine.seq = here.epoch, seq
    return reader


@pytest.mark.parametrize("index", [0, -2, -1])
async def test_every_audience_is_whole_again_from_every_position(start: Start, index: int) -> None:
    server = await start()
    made = await stage(server)
    room = made.rooms[index]
    state = room.starts[0]["state"]
    states = {room.starts[0]["seq"]: state}
    for name in ("comment.add", "proposal.rebase", "membership.set_role", "event.rotate_code"):
        await SCENARIOS[name](made)
    await made.settled()
    for diff in room.diffs:
        state = fold(state, diff["patch"])
        states[diff["seq"]] = state
    assert max(states) - min(states) > 2 * BLOCK
    reader = await server.connect(room.client.user)
    for seq, held in states.items():
        mine = reader.room(made.event)
        mine.epoch, mine.seq, mine.state = room.epoch, seq, held
        await reader.subscribe(made.event, epoch=room.epoch, seq=seq)
        assert (mine.starts[-1]["type"], mine.starts[-1]["from"]) == ("resumed", seq)
        assert (mine.seq, mine.state, mine.you) == (room.seq, room.state, room.you)


async def test_many_who_come_back_from_one_position_cost_one_reading(
    server: Running, blocks: list[tuple[int, int]]
) -> None:
    scene, seq = await long_way(server)
    epoch = scene.admin.room(scene.event).epoch
    readers = [await away(server, scene, seq) for _ in range(10)]
    blocks.clear()
    question = {"type": "subscribe", "event": scene.event, "epoch": epoch, "seq": seq}
    found = await asyncio.gather(*(reader.request(question) for reader in readers))
    assert {answer["type"] for answer in found} == {"resumed"}
    assert blocks
    assert len(set(blocks)) == len(blocks)


async def test_blocks_that_were_read_serve_those_who_come_from_elsewhere(
    server: Running, blocks: list[tuple[int, int]]
) -> None:
    scene, seq = await long_way(server)
    epoch = scene.admin.room(scene.event).epoch
    question = {"type": "subscribe", "event": scene.event, "epoch": epoch, "seq": seq}
    assert (await scene.admin.request(question))["type"] == "resumed"
    blocks.clear()
    answer = await scene.admin.request(question | {"seq": seq + 1})
    assert (answer["type"], answer["from"]) == ("resumed", seq + 1)
    # Only from its position to the next round one.
    assert [to - after < BLOCK for after, to in blocks] == [True]


async def test_the_journal_is_folded_for_one_at_a_time(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, seq = await long_way(server)
    epoch = scene.admin.room(scene.event).epoch
    read = event_reads.steps
    at_once, most = 0, 0

    async def watched(*asked: Any, **named: Any) -> Any:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            return await read(*asked, **named)
        finally:
            at_once -= 1

    readers = [await away(server, scene, seq + far) for far in range(BLOCK)]
    monkeypatch.setattr(event_reads, "steps", watched)
    question = {"type": "subscribe", "event": scene.event, "epoch": epoch}
    found = await asyncio.gather(
        *(reader.request(question | {"seq": seq + far}) for far, reader in enumerate(readers))
    )
    assert {answer["type"] for answer in found} == {"resumed"}
    assert most == 1


async def test_between_two_blocks_the_others_have_their_time(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, seq = await long_way(server)
    reader = await away(server, scene, seq)
    # Every block seems to take 20 ms, so the pause after it is 80 ms.
    clock = itertools.count(step=0.02)
    monkeypatch.setattr(server.node.work_throttle, "_clock", lambda: next(clock))
    began = time.monotonic()
    await reader.resume(scene.event)
    assert time.monotonic() - began > 5 * IDLE_RATIO * 0.02


async def test_what_is_kept_of_folded_blocks_is_bounded(
    server: Running, monkeypatch: pytest.MonkeyPatch, blocks: list[tuple[int, int]]
) -> None:
    scene, seq = await long_way(server)
    # Not from the same position, whose range would be kept as a whole.
    readers = [await away(server, scene, seq + far) for far in range(2)]
    most = 120
    monkeypatch.setattr("server.rooms.journal_folder.MAX_FOLDED_BYTES", most)
    blocks.clear()
    for reader in readers:
        await reader.resume(scene.event)
    # The first blocks had to make room for the last ones.
    assert len(blocks) > len(set(blocks))
    kept = server.node.rooms.journal._kept.values()
    assert 0 < sum(stretch.weight() for stretch in kept) <= most


async def test_more_ways_than_may_wait_are_busy(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, seq = await long_way(server)
    epoch = scene.admin.room(scene.event).epoch
    first, second = [await away(server, scene, seq + far) for far in range(2)]
    monkeypatch.setattr("server.rooms.journal_folder.MAX_FOLD_JOBS", 1)
    read = event_reads.steps
    reached, free = asyncio.Event(), asyncio.Event()

    async def held(*asked: Any, **named: Any) -> Any:
        reached.set()
        await free.wait()
        return await read(*asked, **named)

    monkeypatch.setattr(event_reads, "steps", held)
    question = {"type": "subscribe", "event": scene.event, "epoch": epoch, "seq": seq}
    waiting = asyncio.create_task(first.request(question))
    await asyncio.wait_for(reached.wait(), 30)
    refused = await second.request(question | {"seq": seq + 1})
    assert (refused["code"], refused["retry"]) == ("busy", "same")
    free.set()
    assert (await waiting)["type"] == "resumed"


def hold(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """The next read of the journal: set once it has begun, and to be set to end it."""
    read = event_reads.steps
    reached, end = asyncio.Event(), asyncio.Event()

    async def holding(*asked: Any, **named: Any) -> Any:
        if not reached.is_set():
            reached.set()
            await end.wait()
        return await read(*asked, **named)

    monkeypatch.setattr(event_reads, "steps", holding)
    return reached, end


async def test_a_way_that_nobody_waits_for_any_more_makes_place(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, seq = await long_way(server)
    epoch = scene.admin.room(scene.event).epoch
    first, second = [await away(server, scene, seq + far) for far in range(2)]
    monkeypatch.setattr("server.rooms.journal_folder.MAX_FOLD_JOBS", 1)
    question = {"type": "subscribe", "event": scene.event, "epoch": epoch, "seq": seq}
    held, end = hold(monkeypatch)
    await first.say(question | {"ref": "first"})
    jobs = server.node.rooms.journal._jobs
    async with asyncio.timeout(PATIENCE):
        await held.wait()
        (task,) = (made.task for made in jobs.values())
        assert (await second.request(question | {"seq": seq + 1}))["code"] == "busy"
        await first.drop()
        while jobs:
            await asyncio.sleep(0.01)
        waiting = asyncio.create_task(second.request(question | {"seq": seq + 1}))
        # A block that was being read is read to its end, and no further one.
        assert not task.done()
        end.set()
        assert (await waiting)["type"] == "resumed"
    assert task.cancelled()


#: Whether a session waits for a lock in this database.
IS_WAITING = """
    SELECT count(*) > 0 FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE NOT granted AND datname = current_database()
"""


@pytest.mark.parametrize("kind", ["subscribe", "comments.list"])
async def test_whoever_goes_in_the_middle_of_a_reading_costs_no_connection_to_the_database(
    start: Start, migrated_url: str, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setitem(SESSION, "lock_timeout", str(STATEMENT_TIMEOUT_MS))
    server = await start()
    scene, seq = await long_way(server)
    reader = await away(server, scene, seq)
    place = {"epoch": scene.admin.room(scene.event).epoch, "seq": seq}
    terminate = asyncpg.Connection.terminate
    cut: list[Any] = []

    def noted(connection: Any) -> None:
        cut.append(connection)
        terminate(connection)

    monkeypatch.setattr(asyncpg.Connection, "terminate", noted)
    outside = await asyncpg.connect(migrated_url)
    async with asyncio.timeout(PATIENCE):
        async with outside.transaction():
            await outside.execute("LOCK TABLE journal, comments IN ACCESS EXCLUSIVE MODE")
            await reader.say({"type": kind, "event": scene.event, "ref": kind} | place)
            while not await outside.fetchval(IS_WAITING):
                await asyncio.sleep(0.01)
            await reader.drop()
            while len(server.node.sockets.all) == len(server.clients):
                await asyncio.sleep(0.01)
        # Each can be entered again.
        async with AsyncExitStack() as stack:
            for _ in range(CONNECTIONS):
                await stack.enter_async_context(server.node.database.connection())
        await outside.close()
    assert not cut


async def test_a_stream_has_an_answer_in_time_however_long_its_way_takes(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, seq = await long_way(server)
    epoch = scene.admin.room(scene.event).epoch
    held, _ = hold(monkeypatch)
    monkeypatch.setattr("server.http.endpoint.HTTP_REQUEST_TIMEOUT_S", 0.2)
    url = f"http://127.0.0.1:{server.port}/v1/events/{scene.event}/stream"
    headers = {
        "authorization": f"Bearer {token(scene.admin.user)}",
        "last-event-id": f"{epoch}:{seq}",
    }
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
        answer = await http.get(url, headers=headers)
    assert held.is_set()
    assert (answer.status_code, answer.json()["code"]) == (503, "timeout")


async def test_what_a_room_holds_of_the_past_is_bounded_in_bytes(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = 8_000
    monkeypatch.setattr("server.rooms.step_history.MAX_STEP_BYTES_IN_MEMORY", bound)
    scene = await gathering(server, 1)
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    seq, held = room.seq, dict(room.starts[0]["state"])
    proposal = await scene.propose()
    for _ in range(12):
        await scene.do("comment.add", proposal=proposal, content="x" * 1_500)
    await member.until(lambda: room.state["counts"]["comments"] == 12)
    kept = server.node.rooms.by_event[scene.event].steps
    assert 0 < sum(step.weight for step in kept) <= bound
    reader = await server.connect(member.user)
    mine = reader.room(scene.event)
    mine.epoch, mine.seq, mine.state = room.epoch, seq, held
    await reader.subscribe(scene.event, epoch=room.epoch, seq=seq)
    assert (mine.starts[-1]["type"], mine.state) == ("resumed", room.state)
