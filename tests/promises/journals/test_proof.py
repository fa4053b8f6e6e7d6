"""``ayes verify`` and ``ayes export``: changed, removed or moved entries are found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from persistence.database.pool import Database
from server.cli import audit
from tests.fixtures.servers import Start
from tests.promises.running import Running
from tests.promises.scenes import Scene, by_count, gathering


@pytest.fixture
def migrated_url(database_url: str) -> str:
    """A database for each test, since these tests change the tables themselves."""
    return database_url


async def decided(server: Running) -> Scene:
    """An event with many kinds of steps."""
    scene = await gathering(
        server, 3, policy=by_count(2), options=["Pizza", "Soup"], criteria=["Cheap", "Near"]
    )
    state = await scene.state()
    for words in ("one", "two"):
        proposal = await scene.propose(content=words)
        for client in scene.everyone[:2]:
            await scene.vote(client, proposal)
    member = scene.members[0]
    waiting = await scene.propose(member)
    await scene.vote(member, waiting)
    await member.ack("vote.retract", event=scene.event, proposal=waiting)
    await member.ack("comment.add", event=scene.event, proposal=waiting, content="hm")
    await member.ack(
        "ballot.submit",
        event=scene.event,
        option=next(iter(state["options"])),
        criterion_order=list(state["criteria"]),
        criteria_rev=state["event"]["criteria_rev"],
    )
    await scene.do("event.rotate_code")
    await scene.do("event.set_policy", policy_version=1, policy={"quorum_percent": 10})
    await scene.members[1].ack("membership.leave", event=scene.event)
    await member.refused("forbidden", "event.finish", event=scene.event)
    await scene.do("event.finish")
    return scene


async def verify(server: Running, scene: Scene) -> str:
    """The report of ``ayes verify``; ``AuditError`` if it finds a difference."""
    return await audit.verify_event(server.node.database, scene.event)


async def test_a_true_journal_verifies(server: Running) -> None:
    scene = await decided(server)
    assert "the tables agree" in await verify(server, scene)


async def test_members_beyond_the_window_are_no_difference(start: Start) -> None:
    """No line has their names: a member who is not shown is sent on becoming an admin."""
    server = await start(members_shown=1)
    scene = await gathering(server, 4)
    hidden = scene.members[-1]
    assert hidden.user not in (await scene.state())["members"]
    await hidden.ack("membership.leave", event=scene.event)
    await hidden.result("membership.join", code=(await scene.state())["event"]["entrance_code"])
    database = server.node.database
    assert "the tables agree" in await audit.verify_event(database, scene.event)
    await scene.do("membership.set_role", user=hidden.user, role="admin")
    assert hidden.user in (await scene.state())["members"]
    assert "the tables agree" in await audit.verify_event(database, scene.event)


#: A change of the database → the report's words.
PLANTED = {
    "a changed payload": (
        "UPDATE journal SET payload = replace(payload::text, 'one', 'won')::json "
        "WHERE event_id = $1 AND seq = (SELECT min(seq) FROM journal WHERE event_id = $1 "
        "AND command = 'proposal.create')",
        "was changed",
    ),
    "a changed answer": (
        'UPDATE journal SET answer = \'{"applied":true,"result":{}}\' '
        "WHERE event_id = $1 AND seq = 3",
        "line 3 was changed",
    ),
    "a changed author": (
        "UPDATE journal SET user_id = 'somebody' WHERE event_id = $1 AND seq = 4",
        "line 4 was changed",
    ),
    "a changed moment": (
        "UPDATE journal SET at = at + interval '1 ms' WHERE event_id = $1 AND seq = 4",
        "line 4 was changed",
    ),
    "a removed line": (
        "DELETE FROM journal WHERE event_id = $1 AND seq = 5",
        "line 6 follows line 4",
    ),
    "a removed end": (
        "DELETE FROM journal WHERE event_id = $1 AND seq = "
        "(SELECT max(seq) FROM journal WHERE event_id = $1)",
        "lines were removed",
    ),
    "two lines exchanged": (
        "UPDATE journal SET seq = 1000 WHERE event_id = $1 AND seq = 5;"
        "UPDATE journal SET seq = 5 WHERE event_id = $1 AND seq = 6;"
        "UPDATE journal SET seq = 6 WHERE event_id = $1 AND seq = 1000",
        "line 5",
    ),
    "a vote that nobody cast": (
        "INSERT INTO votes SELECT event_id, proposal_id, 'ghost', 1, true FROM votes "
        "WHERE event_id = $1 LIMIT 1",
        "table votes",
    ),
    "a tally that was helped": (
        "UPDATE proposals SET agree = agree + 1 WHERE event_id = $1 AND number = 1",
        "table proposals",
    ),
    "a member made admin": (
        "UPDATE memberships SET role = 'admin' WHERE event_id = $1 AND role = 'member' "
        "AND status = 'accepted'",
        "table memberships",
    ),
    "limits that were raised": (
        "UPDATE events SET limits = replace(limits::text, '\"options\":20', "
        "'\"options\":21')::json WHERE id = $1",
        "the event's limits",
    ),
    "another subject": (
        "UPDATE events SET subject = 'Something else' WHERE id = $1",
        "the event's subject",
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
async def test_what_was_tampered_with_is_found(
    server: Running, migrated_url: str, planted: str
) -> None:
    scene = await decided(server)
    statement, told = PLANTED[planted]
    connection = await asyncpg.connect(migrated_url)
    for part in statement.split(";"):
        assert (await connection.execute(part, scene.event)).split()[-1] != "0"
    await connection.close()
    with pytest.raises(audit.AuditError, match=told):
        await verify(server, scene)


async def exported(
    server: Running, scene: Scene, path: Path, capsys: pytest.CaptureFixture[str]
) -> Path:
    """The event's export as a file."""
    capsys.readouterr()
    await audit.export(server.node.database, scene.event)
    path.write_text(capsys.readouterr().out)
    return path


async def test_an_export_verifies_without_a_database(
    server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = await exported(server, await decided(server), tmp_path / "export", capsys)
    assert "every answer and every patch agree" in audit.verify_file(path)


Damage = Callable[[list[str]], list[str]]


def _reword(lines: list[str]) -> list[str]:
    line = json.loads(lines[4])
    line["payload"] = line["payload"].replace("membership.join", "membership.join ")
    return [*lines[:4], json.dumps(line), *lines[5:]]


DAMAGES: dict[str, Damage] = {
    "changed": _reword,
    "removed": lambda lines: lines[:5] + lines[6:],
    "exchanged": lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]],
    "cut short": lambda lines: lines[:-3],
    "no export": lambda lines: lines[1:],
    "no JSON": lambda lines: [*lines[:3], "{", *lines[4:]],
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_export_is_found(
    server: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    path = await exported(server, await decided(server), tmp_path / "export", capsys)
    path.write_text("\n".join(DAMAGES[damage](path.read_text().splitlines())))
    with pytest.raises(audit.AuditError):
        audit.verify_file(path)


async def test_an_unknown_event_is_a_clear_message(server: Running) -> None:
    database: Database = server.node.database
    with pytest.raises(audit.AuditError, match="there is no event nowhere"):
        await audit.verify_event(database, "nowhere")
