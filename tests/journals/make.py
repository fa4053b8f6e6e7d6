"""Make a database by older code: run in a checkout of the commit that is to make it.

    cd CHECKOUT && python MAKE.PY FOLDER

Leaves ``tables.json`` (the rows of every table) and an export of each event in ``FOLDER``. Nothing
here may use what that commit does not have.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import asyncpg

from persistence.database.migrate import upgrade
from persistence.embedded.postgres import EmbeddedPostgres
from server.cli import audit
from tests.parts import QUICK, folder
from tests.promises.running import running
from tests.promises.scenes import Scene, by_count, gathering

#: Settings of the server that began the events, and of the server that went on.
NARROW: dict[str, Any] = {
    "options": 30,
    "criteria": 2,
    "resolved_shown": 2,
    "comments_shown": 1,
    "members_shown": 2,
}
WIDE: dict[str, Any] = {"pending_proposals": 5}
TABLES = (
    *("users", "entrance_codes", "events", "memberships", "options", "items", "item_history"),
    *("proposals", "votes", "ballots", "comments", "journal"),
)


async def resumed(server: Any, scene: Scene) -> Scene:
    """The same people on another server."""
    admin = await server.connect(scene.admin.user)
    again = Scene(server, scene.event, scene.code, admin)
    again.members = [await server.connect(member.user) for member in scene.members]
    return again


async def begun(server: Any) -> Scene:
    """An event that reached every limit that decides."""
    scene = await gathering(
        server, 2, policy=by_count(2), options=["a", "b"], criteria=["Cheap"], started=False
    )
    for number in range(23):
        await scene.do("option.add", content=f"option {number}")
    await scene.do("event.start")
    member, other = scene.members
    for _ in range(4):
        proposal = await scene.propose()
        await scene.vote(member, proposal)
        await scene.vote(other, proposal)
    await scene.item("criterion", "Near")
    waiting = await scene.propose(kind="criterion", content="Quick")
    await scene.vote(member, waiting)
    assert (await scene.vote(other, waiting))["result"]["status"] == "pending"
    for words in ("one", "two"):
        await member.ack("comment.add", event=scene.event, proposal=waiting, content=words)
    await scene.member()
    await scene.member()
    return scene


async def gone_on(scene: Scene) -> None:
    """The same event under wider windows, to its end."""
    member, other = scene.members[:2]
    state = await scene.state()
    some = next(iter(state["proposals"]))
    for words in ("three", "four"):
        await member.ack("comment.add", event=scene.event, proposal=some, content=words)
    await scene.do("event.set_policy", policy_version=1, policy=by_count(1))
    for _ in range(3):
        await scene.vote(other, await scene.propose())
    await scene.member()
    await scene.members[2].ack("membership.leave", event=scene.event)
    accepted = [
        id
        for id, proposal in (await scene.state())["proposals"].items()
        if proposal["status"] == "accepted" and proposal["kind"] == "assumption"
    ]
    await scene.do("proposal.revert", proposal=accepted[-1])
    concluded, other_one = (await scene.state())["criteria"]
    conclusion = await scene.propose(kind="conclusion", target=concluded, base_version=0)
    await scene.vote(other, conclusion)
    deletions = [
        await scene.propose(kind="criterion", category="delete", target=criterion, base_version=1)
        for criterion in (concluded, other_one)
    ]
    for deletion in deletions:
        await scene.vote(other, deletion)
    await scene.do("proposal.revert", proposal=deletions[0])
    await scene.do("event.set_policy", policy_version=2, policy=by_count(3))
    for _ in range(3):
        await scene.propose(member)
    state = await scene.state()
    first, second = list(state["options"])[:2]
    ballot = {
        "criterion_order": list(state["criteria"]),
        "criteria_rev": state["event"]["criteria_rev"],
    }
    for option in (second, first):
        await member.ack("ballot.submit", event=scene.event, option=option, **ballot)
    await member.ack("ballot.clear", event=scene.event)
    await member.ack("ballot.submit", event=scene.event, option=first, **ballot)
    await scene.do("event.finish")


async def make(url: str, target: Path) -> None:
    async with running(url, **NARROW) as server:
        whole, half = await begun(server), await begun(server)
    async with running(url, **WIDE) as server:
        await gone_on(await resumed(server, whole))
        database = server.node.database
        for name, scene in (("finished", whole), ("half", half)):
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                await audit.export(database, scene.event)
            (target / f"{name}.jsonl").write_text(printed.getvalue())
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url)
    rows = {
        table: json.loads(
            await connection.fetchval(f"SELECT coalesce(json_agg(t), '[]')::text FROM {table} t")
        )
        for table in TABLES
    }
    for line in rows["journal"]:
        for field in ("payload", "answer", "patches"):
            if line[field] is not None:
                # Byte for byte, since the chain is over these bytes.
                line[field] = await connection.fetchval(
                    f"SELECT {field}::text FROM journal WHERE event_id = $1 AND user_id = $2 "
                    "AND command_id = $3",
                    *(line[key] for key in ("event_id", "user_id", "command_id")),
                )
    await connection.close()
    rows["journal"] = [line for line in rows["journal"] if line["seq"] is not None]
    (target / "tables.json").write_text(
        "{\n"
        + ",\n".join(
            f"{json.dumps(table)}: [\n" + ",\n".join(map(json.dumps, found)) + "\n]"
            for table, found in rows.items()
        )
        + "\n}\n"
    )


def main() -> None:
    with folder() as path:
        postgres = EmbeddedPostgres(path, settings=QUICK)
        url = postgres.start()
        try:
            upgrade(url)
            asyncio.run(make(url, Path(sys.argv[1])))
        finally:
            postgres.stop()


if __name__ == "__main__":
    main()
