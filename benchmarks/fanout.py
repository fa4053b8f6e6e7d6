"""The cost of a room that watches, compared with Node's ``ws``.

    python -m benchmarks.fanout            about four minutes
    python -m benchmarks.fanout --quick    about one

The peer does nothing but send: no votes, no database, one text prepared once. README.md explains
the table.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

import uvloop

from benchmarks.broadcast import Broadcast, broadcasting
from benchmarks.child import Child
from benchmarks.gathering import gather, join
from benchmarks.listeners import listening
from benchmarks.load import Client
from benchmarks.machine import Machine
from benchmarks.pgbench import version
from benchmarks.report import Report, Row, Target
from benchmarks.rig import close
from benchmarks.server_process import HOST, ServerProcess, running
from benchmarks.sockets import QUICK, Plan, crowd, idle_sockets, opening, storm
from benchmarks.voters import Ballot, Tally, Voter, drain

MEMBERS = 500
VOTERS = 50
INFLIGHT = 16
#: The peer's message: a step of a vote, as long as Ayes would send it alone.
STEP = (
    '{"type":"diff","event":"0190f0a0-0000-7000-8000-000000000000","from":123456,"seq":123457,'
    '"patch":{"proposals":{"0190f0a0-0000-7000-8000-000000000001":{"agree":57}}}}'
)


@dataclass(frozen=True)
class Delivered:
    """The messages that the listeners got in one interval, per second."""

    steps: float
    frames: float
    mbytes: float

    def as_json(self) -> dict[str, float]:
        """For the saved results."""
        return {key: round(value, 1) for key, value in asdict(self).items()}


async def delivered(listeners: Child, seconds: float) -> Delivered:
    """Count the messages of ``seconds``, once the stream is under way."""
    await asyncio.sleep(0.5)
    before = await listeners.ask({"mark": True})
    await asyncio.sleep(seconds)
    after = await listeners.ask({"mark": True})
    time = after["at"] - before["at"]
    steps, frames, size = ((after[k] - before[k]) / time for k in ("steps", "frames", "bytes"))
    return Delivered(steps, frames, size / 1e6)


async def busy_room(server: ServerProcess, peer: Broadcast, plan: Plan) -> list[Row]:
    """Fifty members vote as fast as they can, and five hundred watch."""
    users = [f"busy-{number}" for number in range(MEMBERS)]
    clients = [await Client.connect(HOST, server.port, server.token(u)) for u in users[:VOTERS]]
    gathering = await gather(clients[0], members=MEMBERS)
    await join(server, gathering.code, users[1:])
    voters = [Voter(c, [Ballot(gathering.event, gathering.proposals[0])]) for c in clients]
    name = f"Node ws, {MEMBERS} sockets"
    steps = Row(
        f"steps times members, {MEMBERS} watch one busy room",
        "/s",
        name,
        target=Target(3, 30, "more"),
    )
    frames = Row("frames, the same room", "/s", name)
    votes = Row("votes meanwhile", "/s", "votes with nobody watching")

    async with listening() as ours, listening() as theirs:
        quiet = await _votes(voters, plan.seconds)
        await ours.ask(opening(server, gathering, users))
        await theirs.ask({"host": HOST, "port": peer.port, "tokens": users})
        for _ in range(plan.rounds):
            rates = []
            await peer.send(STEP)
            rates.append((await delivered(theirs, plan.seconds)).frames)
            await peer.send(None)
            tally = _start(voters)
            before = tally.acks
            got = await delivered(ours, plan.seconds)
            rate = (tally.acks - before) / plan.seconds
            await drain(voters, tally)
            tally.check()
            await peer.send(STEP)
            rates.append((await delivered(theirs, plan.seconds)).frames)
            await peer.send(None)
            rival = statistics.mean(rates)
            steps.add(got.steps, rival, ayes=got.as_json())
            frames.add(got.frames, rival, ayes=got.as_json())
            votes.add(rate, quiet)
    close(clients)
    return [steps, frames, votes]


def _start(voters: list[Voter]) -> Tally:
    tally = Tally()
    for voter in voters:
        voter.start(tally, inflight=INFLIGHT, batched=False)
    return tally


async def _votes(voters: list[Voter], seconds: float) -> float:
    tally = _start(voters)
    await asyncio.sleep(0.5)
    before = tally.acks
    await asyncio.sleep(seconds)
    rate = (tally.acks - before) / seconds
    await drain(voters, tally)
    tally.check()
    return rate


TRIALS: dict[str, Callable[[ServerProcess, Broadcast, Plan], Awaitable[list[Row]]]] = {
    "busy": busy_room,
    "storm": storm,
    "idle": idle_sockets,
    "crowd": crowd,
}


async def run(trials: list[str], plan: Plan, name: str | None) -> int:
    """Run ``trials``, each on a fresh server; show and save what they found; how many failed."""
    failed = 0
    async with broadcasting() as peer:
        report = Report("Fan-out", {}, [])
        for trial in trials:
            begun = time.monotonic()
            try:
                async with running() as server:
                    machine = Machine.here(await version(server.postgres))
                    report.rows += await TRIALS[trial](server, peer, plan)
            except Exception:
                failed += 1
                traceback.print_exc()
                continue
            report.heading = {
                "machine": machine.as_json(),
                "peer": peer.version,
                "plan": asdict(plan),
            }
            report.lines = [machine.line(), f"peer: Node {peer.version}"]
            print(f"{trial}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    report.show()
    if name and report.rows:
        print(f"saved: {report.save(name).name}")
    return failed


def main() -> int:
    """Read the arguments and run; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fanout", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sockets, less time; not saved")
    parser.add_argument("--only", help=f"some of {', '.join(TRIALS)}, separated by commas")
    parser.add_argument("--save", metavar="NAME", help="results/NAME.json (default: fanout)")
    given = parser.parse_args()
    trials = given.only.split(",") if given.only else list(TRIALS)
    if unknown := set(trials) - set(TRIALS):
        parser.error(f"no such trial: {', '.join(sorted(unknown))}")
    whole = not (given.quick or given.only)
    plan = QUICK if given.quick else Plan()
    return uvloop.run(run(trials, plan, given.save or ("fanout" if whole else None)))


if __name__ == "__main__":
    sys.exit(main())
