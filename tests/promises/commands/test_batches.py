"""The end of a batch: every command in it is answered, after any failure around the answers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from typing import Any

import asyncpg
import pytest

from handlers.lanes import alone, convoys, deadlines, lane, turn
from handlers.lanes.decide import Answer, Submission, decide
from handlers.lanes.lane import Batch
from persistence.database.faults import Fault, NotCommitted, fault_of
from persistence.journal.transaction import Transaction
from server.rooms.room import Room
from server.sessions.session import Session
from tests.promises.client import PATIENCE, Message
from tests.promises.commands.faulting import comments, one_batch
from tests.promises.proxy import proxy_before
from tests.promises.running import Running, running
from tests.promises.scenes import gathering
from tests.promises.tables import agree_with_the_tables


@pytest.mark.usefixtures("spoiled")
async def test_both_halves_of_a_divided_batch_are_answered_though_publishing_fails(
    server: Running, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server, 3)
    proposal = await scene.propose()
    rooms = server.node.rooms
    failed = []

    def publish(event: str, *steps: Any) -> None:
        failed.append(event)
        raise RuntimeError("the rooms are broken")

    words = ["poison" if number == 0 else f"good{number}" for number in range(8)]
    with monkeypatch.context() as patched:
        patched.setattr(rooms, "publish", publish)
        answers = await one_batch(server, migrated_url, scene, comments(scene, proposal, words))
    assert len(failed) > 2
    assert [answer["type"] for answer in answers] == ["error", *["ack"] * 7]
    assert all(not session.inflight for session in server.node.sockets.all)
    assert server.node.lanes.waiting() == 0


@pytest.mark.usefixtures("spoiled")
async def test_both_halves_of_a_divided_batch_are_answered_though_an_answer_fails(
    server: Running, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server, 3)
    proposal = await scene.propose()
    answered = Session._on_answer

    def failing(self: Session, submission: Submission, answer: Answer) -> None:
        answered(self, submission, answer)
        raise LookupError("a defect of the receiver")

    monkeypatch.setattr(Session, "_on_answer", failing)
    words = ["poison" if number == 5 else f"good{number}" for number in range(8)]
    answers = await one_batch(server, migrated_url, scene, comments(scene, proposal, words))
    kinds = [answer["type"] for answer in answers]
    assert kinds == ["error" if word == "poison" else "ack" for word in words]


async def test_a_defect_while_a_batch_is_given_up_answers_it_and_frees_its_lane(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``request_resync`` raises during ``commit_unknown``: the lane still takes the next batch."""
    # Enough for a loaded machine to reach COMMIT.
    monkeypatch.setattr(deadlines, "COMMAND_TIMEOUT_S", 4.0)
    async with proxy_before(migrated_url) as proxy, running(proxy.url) as server:
        scene = await gathering(server, 1)
        request_resync = server.node.rooms.request_resync

        def broken(event: str) -> None:
            raise RuntimeError("the rooms are broken")

        monkeypatch.setattr(server.node.rooms, "request_resync", broken)
        proxy.fail("stopped")
        command: Message = {"event": scene.event, "id": "given-up-1"}
        posted = await scene.admin.post("event.rotate_code", **command)
        answer = await scene.admin.answered(posted)
        assert answer["effect"] == "unknown"
        monkeypatch.setattr(server.node.rooms, "request_resync", request_resync)
        proxy.stop()
        proxy.thaw()
        again = await scene.admin.ack("event.rotate_code", **command)
        assert again["applied"]


async def test_a_room_that_cannot_apply_a_step_is_loaded_again(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server, 1)
    (room,) = await scene.watch(scene.members[0])

    def broken(self: Room, *steps: Any) -> None:
        self.seq += 1
        raise RuntimeError("half of a step was applied")

    with monkeypatch.context() as patched:
        patched.setattr(Room, "apply", broken)
        ack = await scene.admin.ack("event.update", event=scene.event, max_members=77)
    await room.reached(ack["seq"])
    assert room.state["event"]["max_members"] == 77


async def test_a_queue_behind_a_database_that_hangs_is_answered_in_its_own_time(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue of many batches: none waits for the failure of each batch before it."""
    monkeypatch.setattr(deadlines, "COMMAND_TIMEOUT_S", 1.0)
    monkeypatch.setattr(deadlines, "QUEUE_TIMEOUT_S", 2.0)
    monkeypatch.setattr("handlers.lanes.lane.MAX_BATCH_COMMANDS", 2)
    async with proxy_before(migrated_url) as proxy, running(proxy.url) as server:
        scene = await gathering(server, 1)
        proxy.stop()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        posted = [await scene.admin.post("event.rotate_code", event=scene.event) for _ in range(40)]
        answers = [await scene.admin.answered(future) for future in posted]
        # Twenty batches; each alone would take its convoy's share and a last try.
        one = deadlines.COMMAND_TIMEOUT_S * convoys.CONVOY_TIMEOUT_SHARE + alone.MIN_TRY_TIMEOUT_S
        assert loop.time() - begun < 20 * one * 3 / 4
        assert {answer["code"] for answer in answers} <= {"busy", "overloaded"}
        proxy.thaw()
        await scene.admin.ack("event.rotate_code", event=scene.event)


async def test_a_join_whose_code_cannot_be_looked_up_is_answered_and_what_follows_too(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server, 1)
    client = await scene.newcomer()
    hangs = asyncio.Event()

    async def never(*_: Any, **__: Any) -> None:
        await hangs.wait()

    async def refused(*_: Any, **__: Any) -> None:
        raise asyncpg.InsufficientPrivilegeError("permission denied for table entrance_codes")

    for lookup, code in ((never, "overloaded"), (refused, "internal")):
        with monkeypatch.context() as patched:
            patched.setattr("persistence.queries.prechecks.opened_by", lookup)
            if lookup is never:
                patched.setattr(deadlines, "COMMAND_TIMEOUT_S", 0.2)
            joining = await client.post("membership.join", code=scene.code)
            behind = await client.post("event.pause", event=scene.event)
            assert (await client.answered(joining))["code"] == code
        assert (await client.answered(behind))["type"] == "error"


async def _fail(connection: asyncpg.Connection[Any]) -> None:
    """Make the transaction a failed one, and hide it."""
    with contextlib.suppress(asyncpg.DivisionByZeroError):
        await connection.execute("SELECT 1 / 0")


async def test_a_failed_transaction_is_not_taken_for_a_committed_one(server: Running) -> None:
    """PostgreSQL answers its COMMIT with ROLLBACK, and with no error."""
    async with server.node.database.connection() as connection, Transaction.on(connection) as work:
        await connection.execute("CREATE TABLE never_there ()")
        await _fail(connection)
        with pytest.raises(NotCommitted) as raised:
            await work.commit()
        assert fault_of(raised.value) is Fault.AGAIN
        assert await connection.fetchval("SELECT to_regclass('never_there')") is None


async def test_a_command_whose_transaction_had_failed_is_tried_again_and_acked_once(
    server: Running, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server, 1)
    proposal = await scene.propose()
    write = Transaction.write
    tries = []

    async def failing(self: Transaction, batches: Any) -> None:
        await write(self, batches)
        tries.append(self)
        if len(tries) < 3:
            await _fail(self._connection)

    not_committed = Batch.not_committed
    in_doubt: list[bool] = []

    def settled(self: Batch) -> None:
        not_committed(self)
        in_doubt.extend(submission.commit_attempted for submission in self.submissions)

    monkeypatch.setattr(Transaction, "write", failing)
    monkeypatch.setattr(Batch, "not_committed", settled)
    answer = await scene.vote(scene.members[0], proposal)
    assert (answer["type"], answer["applied"], answer["replayed"]) == ("ack", True, False)
    assert len(tries) == 3
    # A command answered with ROLLBACK gets no error saying that its commit is unknown.
    assert in_doubt == [False, False]
    await agree_with_the_tables(migrated_url, scene.event, [answer])


async def test_commands_that_come_while_a_transaction_begins_go_with_it(
    server: Running, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of these commands is a repeat: the journal is asked for all of them."""
    scene = await gathering(server, 2)
    proposal = await scene.propose()
    lanes, (old, *later) = server.node.lanes, comments(scene, proposal, ["old", "one", "two"])
    (member, said), execute = old, asyncpg.Connection.execute
    first = await member.answered(await member.post(event=scene.event, **said))
    begun, may_go = asyncio.Event(), asyncio.Event()

    async def slow(self: Any, query: str, *given: Any, **named: Any) -> Any:
        answered = await execute(self, query, *given, **named)
        if query == "BEGIN":
            begun.set()
            await may_go.wait()
        return answered

    transactions = lanes.counts.transactions
    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "execute", slow)
        leading = await scene.admin.post("event.rotate_code", event=scene.event)
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
            posted = [(client, await client.post(event=scene.event, **c)) for client, c in later]
            posted.append((member, await member.post(event=scene.event, **said)))
            while lanes.waiting_for(scene.event) < 4:
                await asyncio.sleep(0)
        may_go.set()
        answers = [await scene.admin.answered(leading)]
        answers += [await client.answered(future) for client, future in posted]
    *new, repeated = answers
    assert sorted(answer["seq"] - first["seq"] for answer in new) == [1, 2, 3]
    assert (repeated["seq"], repeated["replayed"]) == (first["seq"], True)
    assert lanes.counts.transactions == transactions + 1
    await agree_with_the_tables(migrated_url, scene.event, [first, *new])


async def test_events_are_made_and_changed_in_one_convoy(server: Running) -> None:
    """Both write whole rows of events in one statement: neither may take the other's values."""
    clients = [await server.connect(f"maker-{number}") for number in range(24)]
    made = await asyncio.gather(
        *(client.ack("event.create", subject="First") for client in clients)
    )
    alone = server.node.lanes.counts.alone
    changed, again = clients[:12], clients[12:]
    for number in range(5):
        answers = await asyncio.gather(
            *(
                client.ack("event.update", event=ack["event"], subject=f"Turn {number}")
                for client, ack in zip(changed, made, strict=False)
            ),
            *(client.ack("event.create", subject=f"Turn {number}") for client in again),
        )
        assert all(answer["applied"] for answer in answers)
    assert server.node.lanes.counts.alone == alone
    for client, ack in zip(changed, made, strict=False):
        snapshot = await client.subscribe(ack["event"])
        assert snapshot.state["event"]["subject"] == "Turn 4"


@pytest.mark.parametrize("events", [1, 8])
async def test_between_the_decisions_of_one_frame_others_have_their_turn(
    server: Running, monkeypatch: pytest.MonkeyPatch, events: int
) -> None:
    """By turns of the event loop: two decisions take longer than a batch may hold it."""
    scenes = [await gathering(server) for _ in range(events)]
    admin = scenes[0].admin
    for scene in scenes[1:]:
        await scene.admin.ack("membership.add", event=scene.event, people=[{"user": admin.user}])
        await scene.admin.ack(
            "membership.set_role", event=scene.event, user=admin.user, role="admin"
        )
    clock, turns = itertools.count(0.0, 0.6 * turn.MAX_TURN_S), 0
    decided: Counter[int] = Counter()

    def counted(*given: Any) -> Any:
        decided[turns] += 1
        return decide(*given)

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    monkeypatch.setattr(turn, "monotonic", lambda: next(clock))
    # Each convoy has turns of its own.
    monkeypatch.setattr(server.node.lanes._convoys, "_most", 1)
    monkeypatch.setattr(lane, "decide", counted)
    counting = asyncio.create_task(count_turns())
    commands: list[Message] = [
        {"type": "event.update", "id": admin.new_id(), "event": scene.event, "max_members": most}
        for scene, most in itertools.product(scenes, range(50, 50 + 32 // events))
    ]
    expected = [admin.expect(command["id"]) for command in commands]
    await admin.say(commands)
    async with asyncio.timeout(PATIENCE):
        answers = await asyncio.gather(*expected)
    counting.cancel()
    assert [answer["type"] for answer in answers] == ["ack"] * 32
    assert sum(decided.values()) >= 32
    assert max(decided.values()) <= 2, decided
