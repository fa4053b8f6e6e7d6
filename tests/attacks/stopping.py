"""SIGTERM to a busy server: its duties to its clients, checked against its successor."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.node import FINISH_TIMEOUT_S
from server.process import GRACEFUL_TIMEOUT_S
from tests.attacks.floods import UPGRADE, connected, subscribe_deaf
from tests.promises.client import Client, Gone, Message
from tests.promises.running import Killable, killable, token
from tests.promises.scenes import Scene, gathering
from tests.server.raw import CLOSE, masked

VOTERS = 10
#: Commands of one voter that wait for their answers at the same time.
INFLIGHT = 8
#: Commands that are acked before the signal: by then every voter has some under way.
LOAD = 200
DRAIN_S = 3
#: Seconds from SIGTERM to the exit: the drain, uvicorn's own wait, the end of accepted commands,
#: and slack. ``benchmarks.attacks`` measures it, since a loaded machine is not punctual.
BOUND_S = DRAIN_S + GRACEFUL_TIMEOUT_S + FINISH_TIMEOUT_S + 2
#: Ends a test that hangs.
HUNG_TIMEOUT_S = 120.0
#: Commands of one voter that are sent to the successor at the same time.
AGAIN_AT_ONCE = 64


@dataclass
class Stopped:
    """The outcome of one stop."""

    status: int
    seconds: float
    commands: int = 0
    acked: int = 0
    refused: int = 0
    unanswered: int = 0
    """Commands that were sent, but whose socket closed before the answer."""
    decided_unseen: int = 0
    """Of those, the commands that were decided nevertheless, as the successor's replay shows."""
    wrong: list[str] = field(default_factory=list)


@dataclass
class _Command:
    message: Message
    answer: Message | None = None


class _Load:
    """Counts acks until there is enough load."""

    def __init__(self) -> None:
        self.is_there = asyncio.Event()
        self._acked = 0

    def count(self, answer: Message) -> None:
        """Count one answer."""
        self._acked += answer["type"] == "ack"
        if self._acked >= LOAD:
            self.is_there.set()


class _Voter:
    """Votes and takes it back, several in flight, until there is no server."""

    def __init__(self, client: Client, event: str, proposal: str, load: _Load) -> None:
        self.client = client
        self.commands: list[_Command] = []
        self._at = {"event": event, "proposal": proposal}
        self._load = load

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(INFLIGHT):
                group.create_task(self._alternate())

    async def _alternate(self) -> None:
        while True:
            kind = ("vote.cast", "vote.retract")[len(self.commands) % 2]
            id_ = self.client.new_id()
            message: Message = {"type": kind, "id": id_} | self._at
            if kind == "vote.cast":
                message["revision"] = 1
            command = _Command(message)
            try:
                future = self.client.expect(id_)
                self.commands.append(command)
                await self.client.say(message)
                command.answer = await future
                self._load.count(command.answer)
            except Exception as err:
                if isinstance(err, Gone) or self.client.socket.close_code is not None:
                    return
                raise


async def stop_under_load(database_url: str, data_dir: Path) -> Stopped:
    """Start a server, load it, stop it while peers hang, and question its successor."""
    settings: dict[str, Any] = {"drain_seconds": DRAIN_S, "connections_per_user": 100}
    async with killable(database_url, data_dir, **settings) as server:
        scene = await gathering(server, VOTERS, max_members=100)
        proposal = await scene.propose()
        load = _Load()
        voters = [_Voter(client, scene.event, proposal, load) for client in scene.members]
        working = [asyncio.create_task(voter.run()) for voter in voters]
        async with _who_do_not_go(server, scene):
            async with asyncio.timeout(HUNG_TIMEOUT_S):
                await load.is_there.wait()
                begun = time.monotonic()
                status = await server.terminate()
            stopped = Stopped(status, time.monotonic() - begun)
        async with asyncio.timeout(HUNG_TIMEOUT_S):
            await asyncio.gather(*working)
        stopped.wrong += [f"log: {line}" for line in server.log if is_defect(line)]
        for client in server.clients:
            await client.gone()
            if client.close_code not in (4001, 1006):
                stopped.wrong.append(f"{client.user} closed with {client.close_code}")
            stopped.wrong += client.violations
    async with killable(database_url, data_dir, inflight=10_000) as successor:
        for voter in voters:
            again = await successor.connect(voter.client.user)
            # A few at a time: each answer must come within the client's patience.
            for start in range(0, len(voter.commands), AGAIN_AT_ONCE):
                some = voter.commands[start : start + AGAIN_AT_ONCE]
                await asyncio.gather(*(_settle(again, command, stopped) for command in some))
        await successor.leave()
        await successor.terminate()
        stopped.wrong += [f"successor: {line}" for line in successor.log if is_defect(line)]
    return stopped


@contextlib.asynccontextmanager
async def _who_do_not_go(server: Killable, scene: Scene) -> AsyncIterator[None]:
    """Connect a peer in mid-close, two hung handshakes, a silent peer, and a deaf reader."""
    admin = token(scene.admin.user)
    closing = await subscribe_deaf(server.port, admin, scene.event)
    deaf = await subscribe_deaf(server.port, admin, scene.event)
    try:
        await asyncio.get_running_loop().sock_sendall(closing, masked(CLOSE, b"\x03\xe8"))
        async with (
            connected(server.port, UPGRADE[:-2]),
            connected(server.port, b"POST /v1/commands HTTP/1.1\r\nHost: a\r\nContent-Length: 9"),
            connected(server.port),
        ):
            yield
    finally:
        closing.close()
        deaf.close()


async def _settle(again: Client, command: _Command, stopped: Stopped) -> None:
    """Send a command again, and compare the answer with the first."""
    stopped.commands += 1
    first, message = command.answer, command.message
    fields = {name: value for name, value in message.items() if name not in ("type", "id")}
    try:
        answer = await again.send(message["type"], id=message["id"], **fields)
    except AssertionError as err:
        stopped.wrong.append(f"{err}: {message}, first {first}, {len(again.received)} received")
        return
    if first is None:
        stopped.unanswered += 1
        stopped.decided_unseen += bool(answer.get("replayed"))
        if answer["type"] != "ack":
            stopped.wrong.append(f"unanswered, then {answer}")
    elif first["type"] == "ack":
        stopped.acked += 1
        if answer != first | {"replayed": True}:
            stopped.wrong.append(f"acked {first}, then {answer}")
    else:
        stopped.refused += 1
        if first["effect"] != "none" or answer.get("replayed", False):
            stopped.wrong.append(f"refused {first}, then {answer}")


def is_defect(line: str) -> bool:
    """Whether a line of a server's log shows a defect."""
    return "Traceback" in line or " ERROR " in line or " CRITICAL " in line
