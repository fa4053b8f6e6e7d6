"""Journals from before limits were recorded: they verify unchanged, and can be continued."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

from handlers.proof.disclosure import entry_of_line
from handlers.proof.entry import seal_of
from persistence.database.migrate import config, upgrade_async
from persistence.database.pool import Database
from server.cli import audit
from tests.promises.journals.test_event_limits import agrees, cli
from tests.promises.rooms.test_law_of_rooms import afresh
from tests.promises.running import Running, running
from tests.promises.scenes import Scene

FOLDER = Path(__file__).parents[2] / "journals" / "rules-1"
#: The limits of the older server's settings, as far as its journals show them.
SHOWN = {
    "finished": "options at least 25; criteria at most 2; pending_proposals at least 3; "
    "resolved_shown 2, at least 13 from line 51 on; comments_shown 1, at least 3 from line 49 on; "
    "members_shown 2",
    "half": "options at least 25; criteria at most 2; pending_proposals at least 1; "
    "resolved_shown 2; comments_shown 1; members_shown 2",
}


#: The same by later versions, whose journals record their limits: the rules → the schema of then.
RECORDED = {"rules-4": "0006", "rules-5": "0011", "rules-6": "0012"}


def event_of(name: str, folder: Path = FOLDER) -> str:
    """The id of the event whose export is called ``name``."""
    head: dict[str, str] = json.loads((folder / f"{name}.jsonl").read_text().splitlines()[0])
    return head["event"]


@pytest.mark.parametrize("name", SHOWN)
def test_an_old_export_is_proved_with_what_its_limits_can_have_been(name: str) -> None:
    said = audit.verify_file(FOLDER / f"{name}.jsonl")
    assert "every answer and every patch agree" in said
    assert f"limits are not recorded; all lines are consistent with these: {SHOWN[name]}" in said


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("rules", RECORDED)
def test_an_export_that_records_older_rules_is_proved(rules: str, name: str) -> None:
    said = audit.verify_file(FOLDER.with_name(rules) / f"{name}.jsonl")
    assert "every answer and every patch agree" in said
    assert "not recorded" not in said


@pytest.fixture
async def older(empty_database_url: str) -> str:
    """The database as the older version left it."""
    return await _left_by(empty_database_url, FOLDER, "0003")


async def _left_by(url: str, folder: Path, revision: str) -> str:
    """Fill an empty database with the rows of ``folder``, in the schema of then."""

    async def connect() -> Any:
        return await asyncpg.connect(url)

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=connect, poolclass=pool.NullPool
    )
    async with engine.begin() as connection:
        await connection.run_sync(_schema_of_then, revision)
    await engine.dispose()
    link = await connect()
    for table, rows in json.loads((folder / "tables.json").read_text()).items():
        for row in rows:
            # Byte for byte, since the chain is over these bytes.
            kept = ("payload", "answer", "patches") if table == "journal" else ()
            texts = {name: row.pop(name) for name in kept}
            names = ", ".join([*row, *texts])
            values = ", ".join(
                [*(f"r.{field}" for field in row), *(f"'{_sql(t)}'::json" for t in texts.values())]
            )
            await link.execute(
                f"INSERT INTO {table} ({names}) "
                f"SELECT {values} FROM json_populate_record(null::{table}, $1) r",
                json.dumps(row, separators=(",", ":")),
            )
    await link.close()
    return url


def _sql(text: str) -> str:
    return text.replace("'", "''")


def _schema_of_then(connection: Connection, revision: str) -> None:
    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)


@pytest.fixture
async def upgraded(older: str) -> str:
    """The same database, upgraded."""
    await upgrade_async(older)
    return older


@pytest.mark.parametrize("name", SHOWN)
async def test_an_upgraded_database_is_proved(upgraded: str, name: str) -> None:
    database = Database(upgraded, connections=2)
    await database.open()
    said = await audit.verify_event(database, event_of(name))
    await database.close()
    assert "the tables agree" in said
    assert f"all lines are consistent with these: {SHOWN[name]}" in said


@pytest.mark.parametrize("rules", RECORDED)
async def test_a_database_that_records_older_rules_is_proved(
    empty_database_url: str, rules: str
) -> None:
    folder = FOLDER.with_name(rules)
    url = await _left_by(empty_database_url, folder, RECORDED[rules])
    await upgrade_async(url)
    database = Database(url, connections=2)
    await database.open()
    for name in SHOWN:
        assert "the tables agree" in await audit.verify_event(database, event_of(name, folder))
    await database.close()


async def as_it_was(server: Running) -> Scene:
    """The unfinished event, with its people connected again."""
    event = event_of("half")
    link = await asyncpg.connect(server.node.settings.database_url)
    users = await link.fetch(
        "SELECT user_id, role FROM memberships WHERE event_id = $1 AND status = 'accepted'"
        " ORDER BY joined_no",
        event,
    )
    code = await link.fetchval("SELECT entrance_code FROM events WHERE id = $1", event)
    await link.close()
    admin, *members = [await server.connect(row["user_id"]) for row in users]
    scene = Scene(server, event, code, admin)
    scene.members = members
    return scene


#: Settings of the server that continues it; the older server's were 2 and 1.
GOING_ON: dict[str, dict[str, Any]] = {
    "the same": {"resolved_shown": 2, "comments_shown": 1, "members_shown": 2},
    "narrower": {"resolved_shown": 1, "comments_shown": 1, "members_shown": 1},
    "wider": {},
}


@pytest.mark.parametrize("settings", GOING_ON)
async def test_the_first_change_records_limits_and_clients_that_resume_agree(
    upgraded: str, settings: str
) -> None:
    """With any window, a record that left it is not shown again, and no view lacks it."""
    async with running(upgraded, **GOING_ON[settings]) as server:
        scene = await as_it_was(server)
        rooms = await scene.watch(*scene.everyone)
        before = [(room.seq, dict(room.state["proposals"])) for room in rooms]
        assert len([p for p in before[0][1].values() if p["status"] != "pending"]) == 2
        first, *others = scene.members
        # Not even a step that changes nothing is decided by limits that are not recorded.
        ack = await first.ack("membership.leave", event=scene.event)
        for _ in range(3):
            proposal = await scene.propose()
            for voter in (scene.admin, *others):
                await scene.vote(voter, proposal)
            await scene.admin.ack(
                "comment.add", event=scene.event, proposal=proposal, content="yes"
            )
        last = max(a["seq"] for a in scene.admin.of("ack"))
        for room in rooms[:1] + rooms[2:]:
            await room.reached(last)
            fresh = await afresh(server, room)
            assert (room.state, room.you) == (fresh.state, fresh.you)
        said = await audit.verify_event(server.node.database, scene.event)
    assert "the tables agree" in said
    assert f"no limits: those before line {ack['seq']}; they are consistent with" in said


async def test_many_first_changes_at_once_record_one(upgraded: str) -> None:
    async with running(upgraded) as one, running(upgraded, comments_shown=7) as two:
        scene, there = await as_it_was(one), await as_it_was(two)
        proposal = next(iter((await scene.state())["proposals"]))
        await asyncio.gather(
            *(
                client.ack("comment.add", event=scene.event, proposal=proposal, content="now")
                for client in (*scene.everyone, *there.everyone)
            )
        )
        said = await audit.verify_event(one.node.database, scene.event)
        assert "the tables agree" in said
        link = await asyncpg.connect(upgraded)
        count = await link.fetchval(
            "SELECT count(*) FROM journal WHERE event_id = $1 AND answer::jsonb ? 'limits'",
            scene.event,
        )
        await link.close()
    assert count == 1


async def test_an_operator_records_the_limits_of_an_old_event(upgraded: str) -> None:
    event = event_of("half")
    url = {"database_url": upgraded}
    status, said = await cli("limits", event, **url)
    assert (status, "no limits are recorded" in said) == (0, True), said
    status, said = await cli("verify", event, "--strict", **url)
    assert (status, "limits are not recorded" in said) == (1, True), said
    status, said = await cli("limits", "--all", "--set=comments_shown=9", **url)
    assert (status, said.count("limits 1, rules"), said.count("comments_shown 9")) == (0, 2, 2)
    async with running(upgraded) as server:
        scene = await as_it_was(server)
        room = (await scene.watch(scene.admin))[0]
        await scene.propose()
        await agrees(server, room)
        said = await audit.verify_event(server.node.database, event)
    assert "no limits: those before line 49; they are consistent with" in said


Line = dict[str, Any]
Change = Callable[[Line], None]


def _words(line: Line) -> None:
    line["patches"] = line["patches"].replace("words 1", "words 9")


def _answer(line: Line) -> None:
    line["answer"] = line["answer"].replace('"agree":1', '"agree":2')


def _applied(line: Line) -> None:
    line["answer"] = line["answer"].replace('"applied":true', '"applied":false')


def _stranger(line: Line) -> None:
    line["user"] = "somebody"


def _another_kept(line: Line) -> None:
    """The proposal that left the window is another one."""
    patches = json.loads(line["patches"])
    (gone,) = patches["everyone"]["votes"]
    line["patches"] = line["patches"].replace(gone, "p_aaaaaaaaaaaaaaaa")


def _hidden(line: Line) -> None:
    """Somebody who was let in is not shown."""
    patches = json.loads(line["patches"])
    del patches["member"]["members"]
    line["patches"] = json.dumps(patches, separators=(",", ":"))


def _waits(line: Line) -> None:
    """A proposal that passed by its votes is recorded as waiting, and the event as unchanged."""
    line["answer"] = line["answer"].replace('"status":"accepted"', '"status":"pending"')


def _limits(line: Line) -> None:
    """Limits that claim to follow others, which nobody recorded."""
    line["answer"] = line["answer"][:-1] + ',"limits":{"version":2,"rules":2,"comments_shown":1}}'


def _rules(line: Line) -> None:
    line["answer"] = line["answer"][:-1] + ',"rules":9}'


def _id(line: Line) -> None:
    """A vote that is recorded twice, under the same id."""
    line["payload"] = line["payload"].replace(line["id"], "another-id")


def _event(line: Line) -> None:
    payload = json.loads(line["payload"])
    line["payload"] = line["payload"].replace(payload["event"], "elsewhere")


def _more(line: Line) -> None:
    line["payload"] = line["payload"][:-1] + ',"weight":2}'


def _beside(line: Line) -> None:
    line["patches"] = line["patches"][:-1] + ',"others":{"members":{}}}'


#: A change of a line → the line: the first whose command contains these texts.
FORGED: dict[str, tuple[Change, str, str]] = {
    "other words": (_words, "proposal.create", "words 1"),
    "a tally that was helped": (_answer, "vote.cast", '\\"agree\\":1'),
    "an effect that is denied": (_applied, "vote.cast", ""),
    "a vote by a stranger": (_stranger, "vote.cast", ""),
    "another one left the window": (_another_kept, "vote.cast", '\\"everyone\\"'),
    "a member who is hidden": (_hidden, "membership.join", ""),
    "an acceptance that is denied": (_waits, "vote.cast", '\\"accepted\\"'),
    "limits that follow no others": (_limits, "comment.add", ""),
    "rules of nobody": (_rules, "vote.cast", ""),
    "a command with another id": (_id, "vote.cast", ""),
    "another event's command": (_event, "vote.cast", ""),
    "a field that no command has": (_more, "vote.cast", ""),
    "a patch that no hash covers": (_beside, "vote.cast", ""),
}


def rechained(head: str, lines: list[Line], folder: Path) -> Path:
    """An export of ``lines`` with correct hashes."""
    previous = bytes(32)
    for seq, line in enumerate(lines, 1):
        line |= {"seq": seq, "prev_hash": previous.hex()}
        previous = seal_of(entry_of_line(line))
        line["hash"] = previous.hex()
    end = {"end": len(lines), "hash": previous.hex()}
    path = folder / "forged.jsonl"
    path.write_text("\n".join([head, *map(json.dumps, lines), json.dumps(end)]))
    return path


def test_an_id_that_has_an_effect_twice_is_found(tmp_path: Path) -> None:
    """A comment that is added again under its id, with all later lines adapted."""
    head, *lines, _ = (FOLDER / "half.jsonl").read_text().splitlines()
    fields = [json.loads(line) for line in lines]
    again = next(line for line in fields if line["command"] == "option.add")
    # Nothing changes, so only the id shows that the command is a repeat.
    nothing = next(line for line in fields if line["command"] == "event.start") | {
        "answer": '{"applied":false,"result":{"status":"in_progress"}}',
        "patches": "{}",
        "salt": again["salt"],
    }
    path = rechained(head, [*fields, nothing], tmp_path)
    with pytest.raises(audit.AuditError, match=f"^line {len(fields) + 1} has the id of line"):
        audit.verify_file(path)


@pytest.mark.parametrize("forged", FORGED)
def test_an_old_journal_that_was_forged_with_its_chain_is_found(
    forged: str, tmp_path: Path
) -> None:
    """The hashes of all later entries are made again: only the rules can find the change."""
    change, command_, words = FORGED[forged]
    head, *lines, _ = (FOLDER / "half.jsonl").read_text().splitlines()
    at = next(
        number
        for number, line in enumerate(lines)
        if json.loads(line)["command"] == command_ and words in line
    )
    fields = [json.loads(line) for line in lines]
    before = json.dumps(fields[at])
    change(fields[at])
    assert json.dumps(fields[at]) != before
    path = rechained(head, fields, tmp_path)
    # A limit can be the reason why a member is not shown, until the next entry.
    found = at + 2 if forged == "a member who is hidden" else at + 1
    with pytest.raises(audit.AuditError, match=f"^line {found} "):
        audit.verify_file(path)
