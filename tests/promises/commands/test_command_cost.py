"""The cost of a command in the database under the event's lock: a few statements, at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from unittest.mock import AsyncMock

import pytest

from handlers.lanes.convoy_loads import load_together
from handlers.lanes.decide import Submission
from handlers.lanes.lane import Batch, DecisionContext
from handlers.step import Actor
from persistence.database.statements import Statement
from persistence.event import loading
from persistence.event.state import EventState, Need
from persistence.journal.transaction import Free, Position, Transaction
from protocol.commands import EventPause
from tests.fixtures.servers import Start
from tests.promises.client import Client
from tests.promises.scenes import BY_HAND, Scene, gathering


@pytest.fixture
def fetches(monkeypatch: pytest.MonkeyPatch) -> list[set[Need]]:
    """The records that lanes fetched in addition to whole events, one set per fetch."""
    fetch = loading.fetch
    found: list[set[Need]] = []

    async def counted(connection: Any, state: EventState, needs: Iterable[Need]) -> None:
        found.append(set(needs))
        await fetch(connection, state, found[-1])

    monkeypatch.setattr(loading, "fetch", counted)
    return found


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Statements that read more than one row."""
    rows = Statement.rows
    found: list[str] = []

    async def counted(statement: Statement, connection: Any, **values: Any) -> list[Any]:
        found.append(statement.sql)
        return await rows(statement, connection, **values)

    monkeypatch.setattr(Statement, "rows", counted)
    return found


async def all_voted_left_and_asked_again(scene: Scene) -> str:
    """A proposal with votes of all members, who then left; they wait to be admitted again."""
    proposal = await scene.propose()
    for member in scene.members:
        await scene.vote(member, proposal)
        await member.result("membership.leave", event=scene.event)
    version = (await scene.state())["event"]["policy_version"]
    await scene.do("event.set_policy", policy_version=version, policy={"membership_auto": False})
    for member in scene.members:
        await scene.join(member)
    return proposal


async def elsewhere(start: Start, scene: Scene, **changes: Any) -> Client:
    """The admin, on a server that has not cached the event yet."""
    client: Client = await (await start(**changes)).connect(scene.admin.user)
    return client


async def test_a_finish_asks_for_all_that_leaves_the_window_at_once(
    start: Start, fetches: list[set[Need]]
) -> None:
    shown = 24
    scene = await gathering(await start(resolved_shown=shown))
    for _ in range(shown):
        await scene.do("proposal.reject", proposal=await scene.propose())
    await asyncio.gather(*(scene.propose() for _ in range(shown)))
    admin = await elsewhere(start, scene, resolved_shown=shown)
    fetches.clear()
    await admin.result("event.finish", event=scene.event)
    assert len(fetches) <= 3, fetches
    room = await admin.subscribe(scene.event)
    shown_now = {p["resolution"] for p in room.state["proposals"].values()}
    assert (len(room.state["proposals"]), shown_now) == (shown, {"event_finished"})


@pytest.mark.parametrize("probes", [0, loading.MAX_PROBES])
async def test_many_who_come_back_are_let_in_by_one_decision(
    start: Start,
    fetches: list[set[Need]],
    statements: list[str],
    monkeypatch: pytest.MonkeyPatch,
    probes: int,
) -> None:
    monkeypatch.setattr(loading, "MAX_PROBES", probes)
    server = await start()
    scene = await gathering(server, 8, policy=BY_HAND)
    proposal = await all_voted_left_and_asked_again(scene)
    admin = await elsewhere(start, scene)
    fetches.clear()
    statements.clear()
    result = await admin.result("membership.approve_all", event=scene.event)
    assert len(result["approved"]) == len(scene.members)
    # The admin's own membership, the applicants, and all their votes.
    assert len(fetches) <= 3, fetches
    assert len([sql for sql in statements if " votes" in sql]) == 1, statements
    assert (await scene.state())["counts"]["members"] == len(scene.members) + 1
    async with server.node.database.connection() as connection:
        took_part = "SELECT voters FROM proposals WHERE id = $1"
        assert await connection.fetchval(took_part, proposal) == len(scene.members)


async def test_those_there_is_no_room_for_are_not_asked_about(
    start: Start, statements: list[str]
) -> None:
    scene = await gathering(await start(), 2, policy=BY_HAND)
    await all_voted_left_and_asked_again(scene)
    await scene.do("event.update", max_members=1)
    admin = await elsewhere(start, scene)
    statements.clear()
    result = await admin.result("membership.approve_all", event=scene.event)
    assert (result["approved"], len(result["waiting"])) == ([], 2)
    assert not [sql for sql in statements if " votes" in sql]


async def test_a_stranger_cannot_have_all_who_wait_be_read(
    start: Start, fetches: list[set[Need]]
) -> None:
    scene = await gathering(await start(), 1, joins=False)
    (member,) = scene.members
    fetches.clear()
    await member.refused("forbidden", "membership.approve_all", event=scene.event)
    assert not any(need.kind == "waiting" for needs in fetches for need in needs)


async def test_the_ballots_of_a_finished_event_are_those_that_were_counted(start: Start) -> None:
    scene = await gathering(await start(), 2, options=["a", "b"])
    room = await scene.admin.subscribe(scene.event)
    (option, *_) = room.state["options"]
    revision = room.state["event"]["criteria_rev"]
    given = {"option": option, "criterion_order": [], "criteria_rev": revision}
    for member in scene.members:
        await member.result("ballot.submit", event=scene.event, **given)
    await scene.do("event.finish")
    await scene.members[0].result("membership.leave", event=scene.event)
    state = await scene.state()
    assert state["counts"]["members"] == 2
    assert state["counts"]["ballots"] == state["results"]["ballots"] == 2


@pytest.fixture
def second_looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Commands per lookup in the journal after the lock was taken."""
    look = Transaction.clock_and_remembered
    found: list[int] = []

    async def counted(transaction: Transaction, keys: Any) -> Any:
        found.append(len(keys))
        return await look(transaction, keys)

    monkeypatch.setattr(Transaction, "clock_and_remembered", counted)
    return found


async def test_an_event_that_nobody_else_moved_is_locked_and_looked_up_in_one(
    start: Start, second_looks: list[int]
) -> None:
    scene = await gathering(await start(), 1)
    proposal = await scene.propose()
    await scene.vote(scene.admin, proposal)
    second_looks.clear()
    await scene.vote(scene.members[0], proposal)
    assert second_looks == []
    # Once another node moved the event, the data read before the lock is stale.
    there = await elsewhere(start, scene)
    await there.ack("comment.add", event=scene.event, proposal=proposal, content="moved")
    second_looks.clear()
    await scene.vote(scene.admin, await scene.propose())
    assert second_looks == [1]


async def test_a_refusal_elsewhere_in_the_moment_before_the_lock_is_not_decided_twice(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = await start(), await start()
    scene = await gathering(here, 1)
    (member,) = scene.members
    visitor = await there.connect(member.user)
    command = {"id": "refused-once", "event": scene.event}
    await visitor.refused("forbidden", "event.pause", event=scene.event)
    first = await member.refused("forbidden", "event.pause", **command)
    lock = Transaction.lock_free

    async def early(transaction: Transaction, ids: Any, keys: Any) -> Free:
        return (await lock(transaction, ids, keys))._replace(known={})

    # The event may have been busy when the visitor's first command came.
    before = there.node.lanes.counts.alone
    monkeypatch.setattr(Transaction, "lock_free", early)
    again = await visitor.refused("forbidden", "event.pause", **command)
    assert again == first | {"replayed": True}
    assert there.node.lanes.counts.alone == before + 1


async def test_events_that_others_moved_are_read_together(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await start()
    scenes = [await gathering(here, 1) for _ in range(6)]
    proposals = [await scene.propose() for scene in scenes]
    there = await start()
    visitors = [await there.connect(scene.members[0].user) for scene in scenes]
    together: list[int] = []
    load, alone = Transaction.load_together, AsyncMock()

    async def counted(transaction: Transaction, ids: Any) -> dict[str, EventState]:
        together.append(len(ids))
        found = await load(transaction, ids)
        for event, state in found.items():
            assert_equal(state, await loading.load(transaction.connection, event))
        return found

    monkeypatch.setattr(Transaction, "load_together", counted)
    monkeypatch.setattr(Transaction, "load", alone)
    monkeypatch.setattr(Transaction, "fetch", alone)
    convoys = there.node.lanes._convoys
    schedule = convoys.schedule
    # The first lane would go alone.
    kept: list[Any] = []
    monkeypatch.setattr(convoys, "schedule", kept.append)
    posted = [
        await visitor.post("vote.cast", event=scene.event, proposal=proposal, revision=1)
        for visitor, scene, proposal in zip(visitors, scenes, proposals, strict=True)
    ]
    async with asyncio.timeout(30):
        while len(kept) < len(scenes):
            await asyncio.sleep(0.01)
    for lane in kept:
        schedule(lane)
    answers = [await v.answered(id) for v, id in zip(visitors, posted, strict=True)]
    assert [answer["type"] for answer in answers] == ["ack"] * len(scenes)
    assert together == [len(scenes)]
    assert not alone.called


def assert_equal(one: EventState, other: EventState) -> None:
    """Two states must have the same records, and weigh the same."""
    assert vars(one) == vars(other)
    assert one.bytes() == other.bytes()


async def test_a_state_that_was_read_halfway_is_not_kept(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await start()
    scenes = [await gathering(here, 1) for _ in range(2)]
    transaction = AsyncMock()
    transaction.fetch_together.side_effect = ConnectionError
    batches, positions = [], {}
    for scene in scenes:
        await scene.propose()
        lane = here.node.lanes._lanes[scene.event]
        state = lane.state
        assert state is not None
        state.memberships.clear()
        positions[scene.event] = Position(state.epoch, state.seq, state.hash)
        command = EventPause(id="pause-0001", event=scene.event)
        submission = Submission(
            command, Actor("ada", "Ada"), entropy=b"", reply=lambda submission, answer: None
        )
        batches.append(Batch(lane, [submission]))
    context = DecisionContext(here.node.settings.domain(), lambda user, issued: False)
    with pytest.raises(ConnectionError):
        await load_together(transaction, batches, positions, context)
    assert all(batch.lane.state is None for batch in batches)
