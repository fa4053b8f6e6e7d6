"""The bot that imports a CSV of votes, killed in the middle: each vote counts exactly once.

    python -m tests.clients.python.importing --users 100 --proposals 100 --kills 2

starts a PostgreSQL and a server of its own, and reports what it saw.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import signal
import tempfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ayes_client import Client, Command, Room
from persistence.database.migrate import upgrade_async
from persistence.embedded.postgres import EmbeddedPostgres
from tests.clients.programs import Program, start_program
from tests.clients.python.conftest import client_of, gathering
from tests.parts import ROOT
from tests.promises.running import killable, token

BOT = ROOT / "clients" / "python" / "examples" / "import_votes.py"
#: Longest wait for the bot's progress.
PATIENCE = 300.0
#: Few connections with few votes in flight, so that a kill finds the bot at work.
SLOWLY = ("--sockets", "5", "--in-flight", "5")


class Import(NamedTuple):
    """An event, and files with every member's votes on every proposal."""

    room: Room
    users: list[str]
    proposals: list[str]
    votes: Path
    tokens: Path

    @property
    def size(self) -> int:
        """Votes in the file."""
        return len(self.users) * len(self.proposals)


async def prepare(admin: Client, folder: Path, *, users: int, proposals: int) -> Import:
    """An event with ``users`` members and ``proposals`` pending proposals."""
    room = await gathering(admin, max_members=users + 1)
    code = room.state["event"]["entrance_code"]
    make = (
        Command(
            type="proposal.create",
            event=room.event,
            args={"kind": "assumption", "category": "create", "content": f"assumption {number}"},
        )
        for number in range(proposals)
    )
    made = [outcome.ack async for outcome in admin.send_all(make) if outcome.ack is not None]
    names = [f"voter-{number:04}-{room.event[:8]}" for number in range(users)]
    joined = 0
    for start in range(0, users, 20):
        some = names[start : start + 20]
        joined = max(await asyncio.gather(*(_join(admin.url, name, code) for name in some)))
    ids = [ack.result["proposal"] for ack in made]
    with (folder / "votes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "event", "proposal"])
        writer.writerows([name, room.event, id] for id in ids for name in names)
    with (folder / "tokens.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "token"])
        writer.writerows([name, token(name)] for name in names)
    await room.reached(max(joined, *(ack.seq for ack in made)))
    return Import(room, names, ids, folder / "votes.csv", folder / "tokens.csv")


async def _join(url: str, user: str, code: str) -> int:
    """Join the event; return its position then."""
    async with client_of(url, user) as client:
        return (await client.command("membership.join", {"code": code})).seq


async def begin(work: Import, url: str, *options: str) -> Program:
    """Start the bot."""
    return await start_program(
        *(str(BOT), str(work.votes), "--tokens", str(work.tokens), *options),
        env=os.environ | {"AYES_URL": url},
    )


async def kill_at(work: Import, url: str, seq: int) -> int:
    """Start the bot; SIGKILL it once the event is at ``seq``; return the votes counted then."""
    bot = await begin(work, url, *SLOWLY)
    async with asyncio.timeout(PATIENCE):
        await work.room.reached(seq)
    bot.send_signal(signal.SIGKILL)
    await bot.communicate()
    assert bot.returncode == -signal.SIGKILL, "it was done before it could be killed"
    return agreed(work)


async def finish(work: Import, url: str) -> str:
    """Run the bot to its end; return its output."""
    bot = await begin(work, url)
    async with asyncio.timeout(PATIENCE):
        said, errors = await bot.communicate()
    assert bot.returncode == 0, errors.decode()
    return said.decode().strip()


def agreed(work: Import) -> int:
    """The votes that the room shows."""
    return sum(work.room.state["proposals"][id]["agree"] for id in work.proposals)


async def each_once(work: Import, before: int) -> None:
    """Check that every vote counts, and that each made exactly one step."""
    await work.room.reached(before + work.size)
    tallies = {work.room.state["proposals"][id]["agree"] for id in work.proposals}
    assert tallies == {len(work.users)}, tallies
    # A further step shows the next position, so no step was made in between.
    ack = await work.room.comment("counted", proposal=work.proposals[0])
    assert ack.seq == before + work.size + 1, ack.seq


async def _main(users: int, proposals: int, kills: int) -> None:
    say = partial(print, flush=True)
    async with AsyncExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ayes-import-")))
        data.chmod(0o711)
        postgres = EmbeddedPostgres(data)
        url = await asyncio.to_thread(postgres.start)
        stack.push_async_callback(asyncio.to_thread, postgres.stop)
        await upgrade_async(url)
        server = await stack.enter_async_context(killable(url, data))
        admin = await stack.enter_async_context(client_of(server.url, "admin"))
        work = await prepare(admin, data, users=users, proposals=proposals)
        before = work.room.seq
        say(f"{work.size} votes of {users} users on {proposals} proposals")
        for number in range(1, kills + 1):
            counted = await kill_at(work, server.url, before + work.size * number // (kills + 1))
            say(f"kill -9 number {number}: {counted} votes counted by then")
        say(f"run to the end: {await finish(work, server.url)}")
        await each_once(work, before)
        say(f"run once more: {await finish(work, server.url)}")
        say(f"each proposal has {users} votes, and the event {work.size} steps more: each once")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--proposals", type=int, default=100)
    parser.add_argument("--kills", type=int, default=2)
    arguments = parser.parse_args()
    asyncio.run(_main(arguments.users, arguments.proposals, arguments.kills))


if __name__ == "__main__":
    main()
