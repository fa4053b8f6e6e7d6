"""The attacks of tests/attacks at full length, and their effect on a member of the room.

    python -m benchmarks.attacks                   all; some twenty minutes
    python -m benchmarks.attacks --only floods     some of: frames messages floods storms
                                                   requests questions deaf stops

Server and attackers have a process each. A figure that is a time is a ratio to the same thing
before the attack, in the same run. Some conditions hold on any machine: documented codes, no
defect in the log, every command accounted for. A run ends if one of them does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.attackers import attackers
from benchmarks.crowd import folder
from benchmarks.ground import ATTACK_S, ROUNDS, Ground, p99, undisturbed
from benchmarks.listeners import listening
from benchmarks.machine import Machine, resident_kib
from benchmarks.pgbench import version
from benchmarks.questions import questions
from benchmarks.report import Report, Row, Target
from benchmarks.server_process import HOST, PostgresAddress
from persistence.embedded.postgres import EmbeddedPostgres
from tests.attacks.floods import FLOODS, TRICKLES, subscribe_deaf
from tests.attacks.fuzzing import fuzz
from tests.attacks.mutations import messages
from tests.attacks.stopping import BOUND_S, stop_under_load
from tests.attacks.test_messages import read
from tests.promises.running import token

FRAMES = 1_000_000
MESSAGES = 2_000_000
DEAF = 500
STOPS = 20
#: Votes before the deaf readers come.
VOTES = 300
#: Connections of one attack at a time.
SOCKETS = 8
#: Seconds until an attacker whose connection was ended connects again.
PAUSE_S = 1.0
#: Target of the wait until deaf readers are gone, in seconds.
DEAF_GONE_S = 25.0
MIB = 1 << 20


async def frames(ground: Ground) -> list[Row]:
    """A long run of the frame fuzzer."""
    row = Row(f"{FRAMES:,} random frames: hung sockets", "", target=Target(0, 0, "less"))
    async with ground.room(admissions_per_second=1_000_000) as (server, scene, bystander):
        tokens = [token(client.user) for client in scene.members]
        async with bystander.voting():
            found = await fuzz(
                server.port, tokens, scene.event, seed=int(time.time()), frames=FRAMES
            )
        if found.wrong:
            raise RuntimeError(f"{len(found.wrong)}: {found.wrong[:5]}")
        codes = {str(code): count for code, count in sorted(found.codes.items())}
        row.add(found.hung, connections=found.connections, codes=codes)
    return [row]


async def many_messages(ground: Ground) -> list[Row]:
    """A long run of the message fuzzer, in process."""
    row = Row(f"{MESSAGES:,} random messages: undocumented answers", "")
    row.target = Target(0, 0, "less")
    seen: Counter[str] = Counter()
    for payload in itertools.islice(messages(int(time.time())), MESSAGES):
        read(payload, seen)
    row.add(0, seen=dict(seen.most_common()))
    return [row]


async def floods(ground: Ground, pause: float = PAUSE_S) -> list[Row]:
    """A member's p99 under each attack, and the p99 before it."""
    rows = []
    async with ground.room() as (server, _, bystander), attackers() as child:
        for kind in [*FLOODS, *TRICKLES, "idle"]:
            row = Row(f"a vote under {kind!r}, p99", "ms", "before it", Target(3, 1.5, "less"))
            longest = Row("… the longest attacker", "s")
            # A trickle lasts until its deadline, and costs nothing.
            for _ in range(ROUNDS if kind in FLOODS else 1):
                before = p99(await undisturbed(bystander))
                question = {
                    "port": server.port,
                    "kind": kind,
                    "seconds": ATTACK_S,
                    "sockets": SOCKETS,
                    "pause": pause,
                    "tokens": [token(f"attacker-{n}") for n in range(SOCKETS)],
                }
                seen = len(bystander.waits)
                async with bystander.voting():
                    answer = await child.ask(question)
                if answer["failed"]:
                    raise RuntimeError(f"{kind}: {answer['failed']} were never ended")
                row.add(p99(bystander.waits[seen:]), before, ends=answer["ends"])
                longest.add(answer["longest"])
            rows += [row, longest]
    return rows


async def storms(ground: Ground) -> list[Row]:
    """The same with attackers that reconnect at once, so that handshakes cost time, too."""
    return await floods(ground, 0.0)


async def requests(ground: Ground) -> list[Row]:
    """Refused requests over HTTP, from few connections and from many."""
    rows = []
    async with ground.room() as (server, _, bystander), attackers() as child:
        for connections in (4, 32, 300):
            what = f"a vote under requests from {connections} connections, p99"
            row = Row(what, "ms", "before it", Target(3, 1.5, "less"))
            answered = Row("… answered in a second", "")
            for _ in range(ROUNDS):
                before = p99(await undisturbed(bystander))
                question = {
                    "port": server.port,
                    "kind": "requests",
                    "seconds": ATTACK_S,
                    "sockets": connections,
                    "pause": 0.0,
                    "tokens": [""],
                }
                seen = len(bystander.waits)
                async with bystander.voting():
                    answer = await child.ask(question)
                row.add(p99(bystander.waits[seen:]), before)
                count = sum(int(asked) * times for asked, times in answer["ends"].items())
                answered.add(count / ATTACK_S)
            rows += [row, answered]
    return rows


async def deaf(ground: Ground) -> list[Row]:
    """Readers that never read, in a busy room."""
    memory = Row(f"{DEAF} deaf readers, resident memory", "MiB")
    gone = Row(f"{DEAF} deaf readers, gone after", "s", target=Target(DEAF_GONE_S, 15, "less"))
    wait = Row("a vote among them, p99", "ms", "as many that read", Target(3, 1.5, "less"))
    limits = {"commands_per_second": 1_000_000, "commands_burst": 1_000_000}
    async with ground.room(**limits) as (server, scene, bystander):
        proposal = await scene.propose()

        async def talk() -> None:
            fields = {"event": scene.event, "proposal": proposal, "content": "x" * 2_000}
            await asyncio.gather(*(scene.admin.ack("comment.add", **fields) for _ in range(16)))

        async def busy(votes: int) -> list[float]:
            waits: list[float] = []
            for _ in range(votes):
                _, took = await asyncio.gather(talk(), bystander.votes(1))
                waits += took
            return waits

        admin = token(scene.admin.user)
        question = {"host": HOST, "port": server.port, "event": scene.event}
        async with listening() as polite:
            await polite.ask(question | {"tokens": [admin] * DEAF})
            before = p99(await busy(VOTES))
        at_rest = resident_kib(server.process.pid)
        peers = [await subscribe_deaf(server.port, admin, scene.event) for _ in range(DEAF)]
        begun, most, waits = time.monotonic(), at_rest, list[float]()
        while (left := established(server.port, peers)) and time.monotonic() - begun < 60:
            waits += await busy(10)
            most = max(most, resident_kib(server.process.pid))
        if left:
            raise RuntimeError(f"{left} deaf readers are still there")
        memory.add((most - at_rest) / 1024)
        gone.add(time.monotonic() - begun)
        wait.add(p99(waits), before)
        for peer in peers:
            peer.close()
    return [memory, gone, wait]


async def stops(ground: Ground) -> list[Row]:
    """SIGTERM under load, several times."""
    row = Row(f"{STOPS} stops under load: time to exit 0", "s")
    row.target = Target(BOUND_S, BOUND_S, "less")
    for number in range(STOPS):
        stopped = await stop_under_load(ground.url, ground.directory / f"stop-{number}")
        if stopped.wrong or stopped.status:
            raise RuntimeError(f"exit {stopped.status}; {stopped.wrong[:5]}")
        row.add(
            stopped.seconds,
            commands=stopped.commands,
            acked=stopped.acked,
            refused=stopped.refused,
            unanswered=stopped.unanswered,
            decided_unseen=stopped.decided_unseen,
        )
    return [row]


def established(port: int, peers: list[Any]) -> int:
    """How many of our sockets the server has not reset yet, by the kernel's own table."""
    ours = {peer.getsockname()[1] for peer in peers}
    left = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, remote, state = line.split()[1:4]
        if int(local[-4:], 16) == port and state == "01":
            left += int(remote[-4:], 16) in ours
    return left


TRIALS: dict[str, Callable[[Ground], Awaitable[list[Row]]]] = {
    "frames": frames,
    "messages": many_messages,
    "floods": floods,
    "storms": storms,
    "requests": requests,
    "questions": questions,
    "deaf": deaf,
    "stops": stops,
}


async def run(trials: list[str], name: str | None) -> None:
    """The trials, one after another; prints the table, and saves it where there is a ``name``."""
    rows: list[Row] = []
    with folder() as directory:
        postgres = EmbeddedPostgres(directory / "data")
        url = await asyncio.to_thread(postgres.start)
        try:
            machine = Machine.here(await version(PostgresAddress.under(directory)))
            for trial in trials:
                begun = time.monotonic()
                rows += await TRIALS[trial](Ground(url, directory))
                print(f"{trial}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        finally:
            await asyncio.to_thread(postgres.stop)
    report = Report("Attacks", {"machine": machine.as_json()}, [machine.line()], rows)
    report.show()
    if name:
        print(f"saved: {report.save(name).name}")


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks", description=__doc__)
    parser.add_argument("--only", help=f"some of {', '.join(TRIALS)}, separated by commas")
    parser.add_argument("--save", metavar="NAME", help="results/NAME.json")
    given = parser.parse_args()
    trials = given.only.split(",") if given.only else list(TRIALS)
    if unknown := set(trials) - set(TRIALS):
        parser.error(f"no such trial: {', '.join(sorted(unknown))}")
    uvloop.run(run(trials, given.save or (None if given.only else "attacks")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
