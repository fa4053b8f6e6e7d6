"""``ayes erase`` and ``ayes delete``: texts and events go, answers, totals and the proof stay."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from server.bus.memory import MemoryBus
from server.cli import audit, deleting
from tests.promises.client import PATIENCE, Client, Message, Room
from tests.promises.events.test_entry import enter
from tests.promises.journals.test_event_limits import cli
from tests.promises.rooms.test_law_of_rooms import afresh
from tests.promises.running import ROOT, Running, running, token
from tests.promises.scenes import Scene, by_count, fresh, gathering

NAME = "Ottoline Quist"
#: All texts of the person in the event of these tests.
WORDS = (
    "Wqpfirst words of mine",
    "Wqpsecond thoughts of mine",
    "Wqpreason of mine",
    "Wqpremark of mine",
    "Wqpcorrected remark",
    "Wqprejected since I say so",
    "Wqprenamed Quist",
    NAME,
)
#: Whether a statement of this database waits for a lock.
WAITING = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"


async def spoken(server: Running, **policy: Any) -> tuple[Scene, Client, dict[str, Message]]:
    """An event with many texts of one person; the person, and the commands by their texts."""
    scene = await gathering(server, 2, policy=by_count(2) | policy, options=["Pizza", "Soup"])
    user = fresh("person")
    person = await server.connect(user, name=NAME)
    await scene.join(person)
    sent: dict[str, Message] = {}

    async def say(type: str, **fields: Any) -> Message:
        command = {"type": type, "id": fresh("command"), "event": scene.event} | fields
        ack = await person.ack(type, **{k: v for k, v in command.items() if k != "type"})
        sent[command["id"]] = command
        result: Message = ack["result"]
        return result

    made = await say(
        "proposal.create",
        kind="assumption",
        category="create",
        content=WORDS[0],
        reason=WORDS[2],
    )
    for client in scene.members:
        await scene.vote(client, made["proposal"])
    item = next(iter((await scene.state())["assumptions"]))
    edit = {"kind": "assumption", "category": "update", "target": item, "base_version": 1}
    pending = await say("proposal.create", content=WORDS[1], **edit)
    comment = await say("comment.add", proposal=pending["proposal"], content=WORDS[3])
    await say("comment.edit", comment=comment["comment"], version=1, content=WORDS[4])
    await scene.do("membership.set_role", user=user, role="admin")
    other = await scene.propose(scene.members[0])
    await say("proposal.reject", proposal=other, reason=WORDS[5])
    await say("membership.rename", name=WORDS[6])
    option = next(iter((await scene.state())["options"]))
    await say("ballot.submit", option=option, criterion_order=[], criteria_rev=1)
    refused = await person.send(
        "proposal.create", event=scene.event, content="Wqprefused", id=fresh("refused"), **edit
    )
    assert refused["code"] == "limit_reached"
    return scene, person, sent


def says(value: object) -> list[str]:
    """The texts that occur in ``value``."""
    told = json.dumps(value, ensure_ascii=False, default=str)
    return [word for word in WORDS if word in told]


async def gone(room: Room) -> None:
    """Wait until the room shows none of the texts."""
    await room.client.until(lambda: not says(room.state), "the words going")


async def everything(url: str) -> list[Any]:
    """All rows of all tables."""
    link = await asyncpg.connect(url)
    try:
        names = await link.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return [
            list(map(str, await link.fetch(f"SELECT * FROM {row['tablename']}"))) for row in names
        ]
    finally:
        await link.close()


async def begun(*command: str, database_url: str) -> asyncio.subprocess.Process:
    """``ayes`` in a process of its own, which can be killed."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", *command, f"--database-url={database_url}"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )


async def read(server: Running, user: str, path: str) -> Any:
    base = f"http://127.0.0.1:{server.port}/v1/events/"
    headers = {"authorization": f"Bearer {token(user)}"}
    async with httpx.AsyncClient(
        base_url=base, timeout=PATIENCE, trust_env=False, headers=headers
    ) as http:
        answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def migrated_url(database_url: str) -> str:
    """A database for each test, which is searched as a whole."""
    return database_url


async def test_a_persons_words_go_and_every_answer_and_total_stays(
    migrated_url: str, tmp_path: Path
) -> None:
    async with (
        running(migrated_url, bus=MemoryBus()) as one,
        running(migrated_url, bus=MemoryBus()) as other,
    ):
        scene, person, sent = await spoken(one)
        event, before = scene.event, await scene.state()
        assert set(says(before)) == {*WORDS[:3], *WORDS[4:7]}
        verified = await audit.verify_event(one.node.database, event)
        rooms: list[Room] = []
        for server, user in ((one, scene.admin.user), (other, scene.members[0].user)):
            rooms.append(await (await server.connect(user)).subscribe(event))
        behind = await other.connect(scene.admin.user)
        held = await behind.subscribe(event)
        await behind.drop()

        status, said = await cli("erase", "--user", person.user, database_url=migrated_url)
        assert status == 0, said
        assert "it verifies" in said
        for room in rooms:
            await gone(room)
            again = await afresh(one, room)
            assert (again.state, again.you) == (room.state, room.you)
        assert says(await everything(migrated_url)) == []
        after = await scene.state()
        assert after["counts"] == before["counts"]
        for id, proposal in before["proposals"].items():
            kept = {"content", "reason", "resolution_reason"}
            new = after["proposals"][id]
            assert {k: v for k, v in new.items() if k not in kept} == {
                k: v for k, v in proposal.items() if k not in kept
            }
        # A client that resumes from before folds the placeholders over its state.
        returned = await other.connect(scene.admin.user)
        returned.adopt(held)
        held = await returned.resume(event)
        assert held.starts[-1]["type"] == "resumed"
        assert says(held.starts[-1]) == says(held.state) == []
        assert held.state == (await afresh(one, held)).state
        # Each old id still has its answer, even with texts that only its sender knows now.
        back = await other.connect(person.user, name=NAME)
        for command in sent.values():
            fields = {name: value for name, value in command.items() if name != "type"}
            ack = await back.send(command["type"], **fields)
            assert (ack["type"], ack["replayed"]) == ("ack", True), ack
        # The journal, whole and for the public, verifies as before.
        now = await audit.verify_event(one.node.database, event)
        assert now.split(":")[1] == verified.split(":")[1]
        for flags in ([], ["--public"]):
            status, text = await cli("export", event, *flags, database_url=migrated_url)
            assert (status, says(text)) == (0, [])
            file = tmp_path / f"{len(flags)}.jsonl"
            await asyncio.to_thread(file.write_text, text)
            assert "agree" in audit.verify_file(file)
        journal = await read(one, scene.admin.user, f"{event}/journal?limit=200")
        assert says(journal) == []
        # Nothing is left to erase, and the second run says so.
        status, said = await cli("erase", "--user", person.user, database_url=migrated_url)
        assert (status, "nothing since the last time" in said) == (0, True)


async def test_an_invited_persons_invitation_loses_its_words(migrated_url: str) -> None:
    async with running(migrated_url) as server:
        scene = await gathering(server, 1)
        people = [{"name": NAME, "ref": WORDS[0]}, {"name": "Ann", "ref": "2"}]
        ids = {"event": scene.event, "id": fresh("invitations")}
        made = await scene.admin.ack("invitation.create", people=people, **ids)
        secret = made["result"]["invitations"][0]["secret"]
        client, entered = await enter(server, "/invitations", {"secret": secret})
        await client.result("membership.join", invitation=secret)
        room = await scene.admin.subscribe(scene.event)
        assert set(says(room.state)) == {NAME, WORDS[0]}
        status, said = await cli("erase", "--user", entered["user"], database_url=migrated_url)
        assert status == 0, said
        await gone(room)
        assert says(await everything(migrated_url)) == []
        _, entered = await enter(server, "/invitations", {"secret": secret})
        assert says(entered) == []
        repeated = await scene.admin.ack("invitation.create", people=people, **ids)
        assert repeated["result"]["invitations"][0]["secret"] == secret
        assert repeated["result"]["invitations"][1] == made["result"]["invitations"][1]
        assert "agree" in await audit.verify_event(server.node.database, scene.event)


async def test_a_guests_words_go_by_the_guests_id(migrated_url: str) -> None:
    async with running(migrated_url, guests="on") as server:
        scene = await gathering(server, 1, policy={"guests": True})
        client, entered = await enter(server, "/guests", {"code": scene.code, "name": NAME})
        await client.result("membership.join", code=scene.code)
        proposal = await scene.propose()
        await client.result("comment.add", event=scene.event, proposal=proposal, content=WORDS[3])
        room = await scene.admin.subscribe(scene.event)
        assert set(says(room.state)) == {NAME, WORDS[3]}
        status, said = await cli("erase", "--user", entered["user"], database_url=migrated_url)
        assert status == 0, said
        await gone(room)
        assert says(await everything(migrated_url)) == []
        assert "agree" in await audit.verify_event(server.node.database, scene.event)


async def test_an_erasing_killed_half_way_is_done_by_a_second_run(migrated_url: str) -> None:
    async with running(migrated_url) as server:
        scenes = [await gathering(server) for _ in range(3)]
        person = await server.connect(fresh("person"), name=NAME)
        for scene in scenes:
            await scene.join(person)
            proposal = await scene.propose()
            comment = {"event": scene.event, "proposal": proposal, "content": WORDS[3]}
            await person.result("comment.add", **comment)
        # The journal of the second event, in the order in which they are erased, is locked: the
        # run has read it, and waits with its texts half replaced.
        _, second, _ = sorted(scene.event for scene in scenes)
        link = await asyncpg.connect(migrated_url)
        async with link.transaction():
            await link.execute("SELECT * FROM journal WHERE event_id = $1 FOR SHARE", second)
            erasing = await begun("erase", "--user", person.user, database_url=migrated_url)
            assert erasing.stdout is not None
            async with asyncio.timeout(PATIENCE):
                assert b"it verifies" in await erasing.stdout.readline()
                while not await link.fetchval(WAITING):
                    await asyncio.sleep(0.01)  # another process: nothing to await
            erasing.kill()
            await erasing.wait()
        await link.close()
        for scene in scenes:
            assert "agree" in await audit.verify_event(server.node.database, scene.event)
        assert says(await everything(migrated_url)) == [WORDS[3], NAME]
        status, said = await cli("erase", "--user", person.user, database_url=migrated_url)
        assert (status, said.count("it verifies"), said.count("nothing since")) == (0, 2, 1), said
        assert says(await everything(migrated_url)) == []
        for scene in scenes:
            assert "agree" in await audit.verify_event(server.node.database, scene.event)


async def test_a_damaged_journal_is_left_as_it_is(migrated_url: str) -> None:
    async with running(migrated_url) as server:
        scene, person, _ = await spoken(server)
        link = await asyncpg.connect(migrated_url)
        await link.execute("UPDATE votes SET active = NOT active")
        before = await everything(migrated_url)
        command = ("erase", "--user", person.user, "--event", scene.event)
        status, said = await cli(*command, database_url=migrated_url)
        assert (status, "nothing was erased" in said) == (1, True)
        assert await everything(migrated_url) == before
        await link.close()


async def test_a_deleted_event_answers_old_ids_alone(migrated_url: str, tmp_path: Path) -> None:
    async with (
        running(migrated_url, bus=MemoryBus()) as one,
        running(migrated_url, bus=MemoryBus()) as other,
    ):
        creator = await one.connect(fresh("creator"))
        create: dict[str, Any] = {"id": fresh("creation"), "subject": "Wqpsubject"}
        created = await creator.ack("event.create", **create, policy={"membership_auto": True})
        event, code = created["result"]["event"], created["result"]["entrance_code"]
        joiner = await other.connect(fresh("joiner"), name=NAME)
        join = {"id": fresh("joining"), "code": code}
        joined = await joiner.ack("membership.join", **join)
        rooms = [await creator.subscribe(event), await joiner.subscribe(event)]
        await creator.ack("event.start", event=event)
        about = {"event": event, "kind": "criterion", "category": "create", "content": "Wqpwords"}
        propose: dict[str, Any] = {"id": fresh("proposing")} | about
        proposed = await joiner.ack("proposal.create", **propose)
        file = tmp_path / "event.jsonl"
        command = ("delete", event, "--export", str(file))
        status, said = await cli(*command, database_url=migrated_url)
        assert status == 0, said
        assert file.stat().st_mode & 0o777 == 0o600
        assert "every answer and every patch agree" in audit.verify_file(file)
        assert [await room.closed() for room in rooms] == ["revoked", "revoked"]
        told = json.dumps(await everything(migrated_url))
        assert "Wqp" not in told
        for client in (creator, joiner):
            assert (await client.request({"type": "subscribe", "event": event}))[
                "code"
            ] == "not_found"
            assert (await client.ask("events.list"))["events"] == []
            gone = await client.send("membership.leave", event=event)
            assert gone["code"] == "not_found"
        again = await creator.ack("event.create", **create, policy={"membership_auto": True})
        assert again == created | {"replayed": True}
        again = await joiner.ack("membership.join", **join)
        assert again == joined | {"replayed": True}
        # Also by a node that has just started, and has cached no user.
        for client in (joiner, await one.connect(joiner.user)):
            again = await client.ack("proposal.create", **propose)
            assert again == proposed | {"replayed": True}
        found = await joiner.ask("command.status", event=event, ids=[join["id"]])
        assert found["commands"][0]["state"] == "committed"
        late = await (await one.connect(fresh("late"))).send("membership.join", code=code)
        assert late["code"] == "not_found"
        status, said = await cli(*command, database_url=migrated_url)
        assert (status, "exists already" in said) == (1, True)
        taken = await creator.send("event.create", subject="s", entrance_code=code)
        assert taken["code"] == "version_conflict"


async def test_without_a_deletion_no_export_stays(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server, 1)
    export, database = deleting._export, server.node.database

    async def overtaken(*given: Any) -> tuple[int, bytes]:
        found = await export(*given)
        await scene.do("event.pause")
        return found

    monkeypatch.setattr(deleting, "_export", overtaken)
    path = tmp_path / "event.jsonl"
    with pytest.raises(audit.AuditError, match="the event changed meanwhile"):
        await deleting.delete(database, scene.event, path)
    monkeypatch.undo()
    with pytest.raises(audit.AuditError, match="there is no event"):
        await deleting.delete(database, "e_none", path)
    assert not path.exists()
    assert "the event is deleted" in await deleting.delete(database, scene.event, path)
    assert "every patch agree" in audit.verify_file(path)
