"""``python -m tests.campaign.rolling COMMIT``: a rolling upgrade from another version, under load.

Two nodes of ``COMMIT`` share a database and a Redis. People on both vote without a pause while the
new version's migration runs and one node after the other is replaced. At the end every command must
have one answer and one entry, no socket may have lost its place, and every journal must be proved.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ayes_client import Ack, AyesError, Change, Client, Command, Room
from ayes_client.state import Json
from tests.campaign.command import run
from tests.campaign.stores import Postgres, RedisStore
from tests.parts import folder, free_port
from tests.promises.running import AUDIENCE, LIFTED, ROOT, SECRET, token

#: Longest that a node may take to start, or to end after SIGTERM.
START_SECONDS, STOP_SECONDS = 90.0, 40.0
#: Longest until everything that was sent is answered once both nodes are new.
SETTLE_SECONDS = 60.0
#: Longest that installing the other version may take.
INSTALL_SECONDS = 600.0
#: The refusals that people who vote on the same proposals at the same time can get.
EXPECTED = frozenset(("proposal_closed", "already_resolved", "revision_changed"))
USERS = 12
EVENTS = 4
#: Proposals of an event that are voted on at a time.
OPEN_PROPOSALS = 6


#: The parts of the upgrade; each one must have acks.
PHASES = ("both old", "both old, new schema", "one of each", "both new")


class UpgradeError(Exception):
    """A step of the upgrade failed; the message says which."""


class OneNode:
    """A node that is replaced: its port stays, its version changes."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name, self.port = name, free_port()
        self.log: list[str] = []
        self._environment = environment | {"AYES_PORT": str(self.port)}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address for its clients."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self, home: Path, **settings: object) -> None:
        """Start the version that is installed in ``home``, and wait until it is ready."""
        more = {f"AYES_{name.upper()}": str(value) for name, value in settings.items()}
        self._process = child = await asyncio.create_subprocess_exec(
            *ayes_of(home),
            "serve",
            cwd=home.absolute(),
            env=self._environment | more,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stderr is not None
        self._reading = asyncio.create_task(self._read(child.stderr))
        async with asyncio.timeout(START_SECONDS):
            while line := await child.stdout.readline():
                if line.startswith(b"ayes is ready"):
                    return
        raise UpgradeError(f"{self.name} did not start: {self.log[-3:]}")

    async def stop(self) -> None:
        """End it by SIGTERM, as a deployment does; it must end by itself and without an error."""
        child = self._process
        if child is None or child.returncode is not None:
            return
        child.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                status = await child.wait()
        except TimeoutError:
            child.kill()
            raise UpgradeError(f"{self.name} lived on after SIGTERM") from None
        if status:
            raise UpgradeError(f"{self.name} ended with {status}: {self.log[-3:]}")

    async def close(self) -> None:
        """Make sure that no process is left."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self.log.append(line.decode(errors="replace").rstrip())


@dataclass
class Load:
    """The answers that the clients got, by phase, and what was wrong."""

    acks: dict[tuple[str, str], Ack] = field(default_factory=dict)
    """The ack of each command, by event and id."""
    wrong: list[str] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    phase: str = ""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, event: str, ack: Ack) -> None:
        """Note an ack; two acks of one command must be the same."""
        known = self.acks.setdefault((event, ack.id), ack)
        if (known.seq, known.hash) != (ack.seq, ack.hash):
            self.wrong.append(f"{ack.id} was answered with {known.seq} and {ack.seq}")
        self.counted[self.phase] += 1

    def watching(self, user: str) -> Callable[[Change], None]:
        """Notice when a socket of ``user`` lost its place, and got the whole state instead."""

        def look(change: Change) -> None:
            if change.patch is None:
                self.wrong.append(f"{user} got a snapshot at {change.seq}: {change.reason}")

        return look


def ayes_of(home: Path) -> list[str]:
    """The command ``ayes`` of the version in ``home``: installed, or with this one's packages."""
    installed = home / ".venv" / "bin" / "ayes"
    if installed.exists():
        return [str(installed)]
    code = f"import runpy, sys; sys.path.insert(0, {str(home.absolute())!r}); "
    return [sys.executable, "-P", "-c", f"{code}runpy.run_module('server.cli', None, '__main__')"]


@asynccontextmanager
async def _other_version(commit: str, path: Path) -> AsyncIterator[Path]:
    """A checkout of ``commit``, or the one whose folder it names, installed; or an archive."""
    if Path(commit).is_file():
        with tarfile.open(commit) as archive:
            archive.extractall(path / "other", filter="data")
        yield path / "other"
        return
    if Path(commit).is_dir():
        await _done("scripts/install", cwd=Path(commit))
        yield Path(commit)
        return
    home = path / "other"
    await _done("git", "worktree", "add", "--detach", str(home), commit, cwd=ROOT)
    try:
        await _done("scripts/install", cwd=home)
        yield home
    finally:
        await _done("git", "worktree", "remove", "--force", str(home), cwd=ROOT)


async def _done(*command: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a program to its end and return its output. Raises ``UpgradeError`` if it fails."""
    child = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    async with asyncio.timeout(INSTALL_SECONDS):
        output, _ = await child.communicate()
    if child.returncode:
        raise UpgradeError(f"{command} failed: {output.decode()[-2_000:]}")
    return output.decode()


@dataclass
class Person:
    """A user with a client on each node, who acts in one event after another."""

    name: str
    turn: int
    here: Client
    there: Client
    """The client on the other node; every fourth command goes out on both at once."""
    rooms: list[Room] = field(default_factory=list)

    async def vote(self, load: Load) -> None:
        """Propose, vote, take the vote back and comment, until the end."""
        while not load.stopping.is_set():
            self.turn += 1
            room = self.rooms[self.turn % len(self.rooms)]
            command = replace(self._next(room), event=room.event)
            senders = (self.here, self.there) if self.turn % 4 == 0 else (self.here,)
            answers = await asyncio.gather(
                *(sender.send(command) for sender in senders), return_exceptions=True
            )
            for answer in answers:
                if isinstance(answer, Ack):
                    load.take(room.event, answer)
                    # The next command is made from a state that shows this one.
                    await room.reached(answer.seq)
                elif isinstance(answer, AyesError) and answer.code in EXPECTED:
                    # Of two people who act on one proposal, the later one may be refused.
                    load.counted[f"refused: {answer.code}"] += 1
                else:
                    load.wrong.append(f"{self.name}: {answer!r}")
                    return
            if len({isinstance(answer, Ack) for answer in answers}) > 1:
                load.wrong.append(f"{command.id} was acked on one node, refused on the other")

    def _next(self, room: Room) -> Command:
        pending = [
            key
            for key, proposal in room.state["proposals"].items()
            if proposal["status"] == "pending"
        ]
        words = f"{self.name}, {self.turn}"
        if len(pending) < OPEN_PROPOSALS:
            args: Json = {"kind": "criterion", "category": "create", "content": words}
            return Command(type="proposal.create", args=args)
        key = pending[self.turn % len(pending)]
        if key in room.you["votes"]:
            return Command(type="vote.retract", args={"proposal": key})
        if self.turn % 7 == 0:
            return Command(type="comment.add", args={"proposal": key, "content": words})
        revision = room.state["proposals"][key]["revision"]
        return Command(type="vote.cast", args={"proposal": key, "revision": revision})


async def _people(stack: AsyncExitStack, nodes: Sequence[OneNode]) -> list[Person]:
    """All users in all events, half of them on each node."""

    async def client(number: int, node: OneNode) -> Client:
        return await stack.enter_async_context(Client(node.url, token(f"u_{number}")))

    people = [
        Person(
            f"u_{number}",
            number,
            await client(number, nodes[number % 2]),
            await client(number, nodes[1 - number % 2]),
        )
        for number in range(USERS)
    ]
    maker = people[0].here
    policy = {"membership_auto": True, "criterion": {"threshold": 4}}
    for number in range(EVENTS):
        args: Json = {"subject": f"Event {number}", "policy": policy}
        made = await maker.send(Command(type="event.create", args=args))
        event, code = made.event, made.result["entrance_code"]
        await maker.send(Command(type="event.start", event=event))
        for person in people:
            if person.here is not maker:
                await person.here.send(Command(type="membership.join", args={"code": code}))
            person.rooms.append(await person.here.subscribe(event))
    return people


async def _judge(load: Load, postgres: Postgres, environment: dict[str, str]) -> None:
    """Compare the acks with the journal, and have every journal proved."""
    rows = await postgres.rows("SELECT event_id::text AS event, command_id, seq FROM journal")
    entries = Counter((row["event"], row["command_id"]) for row in rows)
    places = {(row["event"], row["command_id"]): row["seq"] for row in rows}
    load.wrong += [f"{key} has {count} entries" for key, count in entries.items() if count > 1]
    for key, ack in load.acks.items():
        if places.get(key) != ack.seq:
            load.wrong.append(f"{key} was acked at {ack.seq}; the journal has {places.get(key)}")
    ayes = str(Path(sys.executable).with_name("ayes"))
    for event in sorted({row["event"] for row in rows}):
        try:
            await _done(ayes, "verify", event, cwd=ROOT, env=environment)
        except UpgradeError as error:
            load.wrong.append(str(error))


async def upgrade(commit: str, seconds: float) -> Load:
    """Carry it out; ``seconds`` of load before, between and after the two replacements."""
    async with AsyncExitStack() as stack:
        path = stack.enter_context(folder())
        old = await stack.enter_async_context(_other_version(commit, path))
        (path / "databases").mkdir(mode=0o711)
        postgres, redis = Postgres(path / "databases"), RedisStore()
        stack.push_async_callback(postgres.stop)
        stack.push_async_callback(redis.end)
        await asyncio.gather(postgres.start(), redis.begin())
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AYES_")} | {
            "AYES_DATABASE_URL": postgres.url,
            "AYES_REDIS_URL": redis.url,
            "AYES_DATA_DIR": str(path / "data"),
            "AYES_AUTH_SECRET": SECRET,
            "AYES_AUTH_AUDIENCE": AUDIENCE,
        }
        await _done(*ayes_of(old), "migrate", cwd=old, env=environment)
        nodes = [OneNode(f"node {number}", environment) for number in (1, 2)]
        for node in nodes:
            stack.push_async_callback(node.close)
            await node.start(old)
        load = Load()
        async with AsyncExitStack() as sockets:
            people = await _people(sockets, nodes)
            for person in people:
                for room in person.rooms:
                    room.on("change", load.watching(person.name))
            voting = [asyncio.create_task(person.vote(load)) for person in people]
            load.phase = PHASES[0]
            await asyncio.sleep(seconds)
            load.phase = PHASES[1]
            ayes = str(Path(sys.executable).with_name("ayes"))
            await _done(ayes, "migrate", cwd=ROOT, env=environment)
            await asyncio.sleep(seconds)
            for node, phase in zip(nodes, PHASES[2:], strict=True):
                load.phase = f"replacing {node.name}"
                await node.stop()
                await node.start(ROOT, **LIFTED)
                load.phase = phase
                await asyncio.sleep(seconds)
            load.stopping.set()
            async with asyncio.timeout(SETTLE_SECONDS):
                await asyncio.gather(*voting)
        for node in nodes:
            await node.stop()
            load.wrong += [f"{node.name}: {line}" for line in node.log if "Traceback" in line]
        await _judge(load, postgres, environment)
        load.wrong += [f"nothing was acked: {phase}" for phase in PHASES if not load.counted[phase]]
    return load


def main() -> int:
    """Run it; the exit status is 0 if nothing was lost, doubled, or not proved."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign.rolling", description=__doc__)
    parser.add_argument("commit", help="the version to upgrade from, a checkout or an archive")
    parser.add_argument("--seconds", type=float, default=10.0, help="of load in each phase")
    given = parser.parse_args()
    load = run(upgrade(given.commit, given.seconds))
    for name, count in load.counted.items():
        print(f"{name}: {count}")  # noqa: T201
    for line in load.wrong:
        print(f"WRONG: {line}")  # noqa: T201
    return int(bool(load.wrong))


if __name__ == "__main__":
    sys.exit(main())
