"""A whole campaign: rounds one after another on the same nodes, each judged and reported."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from protocol.closes import CloseCode
from protocol.errors import ErrorCode
from tests.campaign import faults
from tests.campaign.attendance import Attendance, half_a_venue
from tests.campaign.judging import Case, cases_of, judge
from tests.campaign.line import ABNORMAL
from tests.campaign.losses import lost
from tests.campaign.nodes import NodeProcess
from tests.campaign.plan import EVENTS, SEATS, USERS, Plan, plan
from tests.campaign.promotion_faults import LOSES_DATA
from tests.campaign.report import GONE, Report
from tests.campaign.round import Round
from tests.campaign.striker import Striker
from tests.campaign.venue import Venue, venue
from tests.campaign.wide import Wide, wide_commands, wide_plan
from tests.promises.running import CONNECTIONS

#: Commands of one round. The model counts rather than keeps, so its replay costs the square.
ROUND = 10_000
#: The least faults in a round over many events, however few commands it has.
WIDE_FAULTS = 6
#: Close codes that are documented, ours and the library's.
CODES = {int(code) for code in CloseCode} | {ABNORMAL, 1000, 1001, 1012}
#: Of those, the codes that blame a client; no client here breaks a rule.
BLAMES = {code for code in CODES if code >= 4_500} | {int(CloseCode.NO_HELLO)}
#: The fault that makes a valid token seem to be from the future, at the node that it strikes.
NODE_CLOCK = "clock of a node jumps"
#: Resident memory that a node may use with two hundred sockets and a round under way.
MAX_RESIDENT_KIB = 400 * 1024
#: What a node may hold in addition after a round: pools fill, and stay full.
MORE_TASKS = 8
MORE_FILES = CONNECTIONS + 16
#: Seconds until leftovers are gone: a sweep of the rooms, and a beat of the bus.
SETTLE_SECONDS = 15.0
SAMPLE_SECONDS = 1.0
PROGRESS_SECONDS = 15.0
#: LogThrottle of a round that are shown at once; the report has all.
MAX_SHOWN = 5


@dataclass(frozen=True)
class Wanted:
    """The size and the contents of a campaign."""

    seed: int
    commands: int = 20_000
    faults: int = sum(faults.MIX.values())
    only: str = ""
    """Of the faults, those whose names match."""
    nodes: int = 3
    wide: int = 0
    """Events of one round that is played over many; none without."""
    seconds: float = 3_600.0
    """No round begins after that."""
    planted: str = ""
    keep: Path = Path()
    """The folder for histories that have violations."""


async def campaign(wanted: Wanted, tell: Callable[[Report], None] = lambda report: None) -> Report:
    """Carry it out and return the report of violations. The callback gets it after each round."""
    report = Report(
        seed=wanted.seed,
        commands=0,
        nodes=wanted.nodes,
        sockets=USERS * SEATS,
        users=USERS,
        events=EVENTS,
    )
    begun = time.monotonic()
    async with venue(wanted.nodes, planted=wanted.planted, plain=False) as place:
        report.venue, report.left_out = place.described(), dict(place.missing)
        without = faults.left_out(place.missing)
        report.left_out |= dict.fromkeys(without, "its equipment is missing")
        rng = random.Random(wanted.seed)
        drawn = faults.draw(rng, wanted.faults, wanted.only, without)
        judging: asyncio.Task[None] | None = None
        plans = list(_plans(wanted, rng, drawn))
        for number, (kind, round_plan) in enumerate(plans):
            if time.monotonic() - begun > wanted.seconds:
                report.wrong.append(f"{len(plans) - number} rounds were not begun in time")
                break
            name = f"r{number}"
            cases = await _round(place, report, kind, name, round_plan)
            if judging is not None:
                await judging
            # While the next round is played, but for the last.
            judging = asyncio.create_task(_judge(report, name, cases, wanted.keep))
            report.seconds = time.monotonic() - begun
            tell(report)
        if judging is not None:
            await judging
        await _settled(place, report)
        for node in place.nodes:
            report.wrong += node.defects(data_was_lost=report.faults[LOSES_DATA] > 0)
            if report.wrong:
                (wanted.keep / f"{node.name}.log").write_text("\n".join(node.log))
            report.wrong += [f"{node.name} exited with {code}" for code in node.exits if code]
    report.wrong += half_a_venue(report.attendance)
    report.seconds = time.monotonic() - begun
    tell(report)
    return report


def _plans(
    wanted: Wanted, rng: random.Random, drawn: list[str]
) -> Iterator[tuple[type[Round], Plan]]:
    """The rounds' plans: each has its share of the faults, and together they have all."""
    spread = min(wide_commands(wanted.wide), wanted.commands)
    rounds = max(1, round((wanted.commands - spread) / ROUND))
    shares = rounds + (1 if spread else 0)
    wide = shares // 2 if spread else None
    # By its commands, so that some are under way when a fault strikes.
    of_wide = max(round(len(drawn) * spread / wanted.commands), WIDE_FAULTS) if spread else 0
    faults_of = [drawn[of_wide:][number::rounds] for number in range(rounds)]
    if wide is not None:
        faults_of.insert(wide, drawn[:of_wide])
    for number in range(shares):
        seed = rng.getrandbits(32)
        if number == wide:
            yield Wide, wide_plan(seed, wanted.wide, faults_of[number])
            continue
        commands = (wanted.commands - spread) // rounds
        commands += (wanted.commands - spread) % rounds if number == 0 else 0
        yield Round, plan(seed, commands, faults_of[number])


async def _round(
    place: Venue, report: Report, kind: type[Round], name: str, drawn: Plan
) -> list[Case]:
    striker = Striker()
    played = kind(place, drawn, striker.fire, name=name)
    striker.scene = played
    played.struck_at = striker.struck_at
    watching = asyncio.create_task(_watch(place, report, played, striker))
    begun = time.monotonic()
    try:
        await played.run()
    finally:
        watching.cancel()
    _add(report, played, striker)
    report.wrong += [f"{name}: {what}" for what in played.violations + striker.wrong]
    print(f"{name}: {len(drawn.commands)} commands in {len(played.events)} events, "  # noqa: T201
          f"{striker.struck.total()} faults, {time.monotonic() - begun:.0f} s, "
          f"{len(report.wrong)} wrong so far", flush=True)  # fmt: skip
    cases = await cases_of(played)
    report.journal_lines += played.journal_lines
    report.acked_and_lost += sum(lost(case.event, case.history, case.losses) for case in cases)
    operations = [one for case in cases for one in case.repeatable()]
    place.outboxes.keep(operations, random.Random(drawn.seed))
    return cases


async def _judge(report: Report, name: str, cases: list[Case], keep: Path) -> None:
    begun = time.monotonic()
    wrong = await judge(name, cases, keep)
    took = time.monotonic() - begun
    report.judged_seconds += took
    print(f"{name}: judged in {took:.0f} s", flush=True)  # noqa: T201
    for what in wrong[:MAX_SHOWN]:
        print(what, flush=True)  # noqa: T201
    report.wrong += wrong


def _add(report: Report, played: Round, striker: Striker) -> None:
    report.rounds += 1
    report.commands += len(played.plan.commands)
    report.answers += played.answers
    report.faults += striker.struck
    report.missed += striker.missed
    report.fault_seconds.update(striker.took)
    report.sent_again += played.sent_again
    report.erased += played.operator.erasures.count
    report.deleted += len(played.operator.deleted)
    report.set_back += played.clock_set_back
    report.events = max(report.events, len(played.events))
    for node, attended in played.attendance.items():
        report.attendance.setdefault(node, Attendance()).add(attended)
    report.operations += sum(len(event.operations) for event in played.events)
    report.heal_seconds = max(report.heal_seconds, played.heal_seconds)
    for line in played.lines():
        report.streams += len(line.streams)
        report.room_messages += sum(len(stream.messages) for stream in line.streams.values())
    for seat in played.all_seats:
        report.closes += seat.codes
    excused = {int(CloseCode.BAD_TOKEN)} if NODE_CLOCK in report.faults else set()
    report.wrong += [
        f"sockets were closed with {code}"
        for code in report.closes
        if code not in CODES or code in BLAMES - excused
    ]
    known = {code.value for code in ErrorCode} | {"ack", GONE}
    report.wrong += [
        f"an undocumented answer: {answer}"
        for answer in report.answers
        if answer.removesuffix(", replayed") not in known
    ]
    if played.unsettled:
        report.wrong.append(f"{played.unsettled} commands were never decided")


async def _watch(place: Venue, report: Report, played: Round, striker: Striker) -> None:
    """Sample what the nodes hold; start a node again that ended by itself."""
    shown = time.monotonic()
    while True:
        await asyncio.sleep(SAMPLE_SECONDS)
        if time.monotonic() > shown + PROGRESS_SECONDS:
            shown = time.monotonic()
            there = sum(seat.is_open for seat in played.all_seats)
            print(f"{played.name}: {played.done} of {len(played.plan.commands)} commands, "  # noqa: T201
                  f"{striker.struck.total()} of {len(played.plan.strikes)} faults, "
                  f"{there} of {len(played.all_seats)} sockets open", flush=True)  # fmt: skip
        for node in place.nodes:
            if node.ended:
                report.wrong.append(f"{node.name} ended by itself: {node.log[-1:]}")
                await node.start()
            elif node.up.is_set():
                await node.look()


async def _settled(place: Venue, report: Report) -> None:
    """After all clients have left, check that each node gave everything back."""
    for node in place.nodes:
        deadline = time.monotonic() + SETTLE_SECONDS
        while (left := await _left(node)) and time.monotonic() < deadline:
            await asyncio.sleep(SAMPLE_SECONDS / 4)
        report.wrong += left
        most = node.most["resident KiB"]
        report.resources[f"{node.name}: lives, most resident"] = (
            f"{node.lives}, {most / 1024:.0f} MiB"
        )
        if most > MAX_RESIDENT_KIB:
            report.wrong.append(f"{node.name} held {most / 1024:.0f} MiB")
    rows = await place.postgres.rows(
        "SELECT count(*) AS held FROM pg_stat_activity WHERE application_name = 'ayes'"
    )
    report.resources["connections to PostgreSQL at the end"] = str(rows[0]["held"])
    if rows[0]["held"] > CONNECTIONS * len(place.nodes):
        report.wrong.append(f"{rows[0]['held']} connections to PostgreSQL are open")


async def _left(node: NodeProcess) -> list[str]:
    """The resources that a node still holds without need."""
    if not node.up.is_set():
        return [f"{node.name} is down at the end"]
    held, before = await node.report(), node.at_start
    metrics = await asyncio.to_thread(node.metrics)
    found = [
        f"{node.name}: {name} is {metrics[name]:.0f} with nobody there"
        for name in ("ayes_sockets", "ayes_rooms", "ayes_commands_waiting")
        if metrics[name]
    ]
    for name, more in (("tasks", MORE_TASKS), ("files", MORE_FILES)):
        if held[name] > before[name] + more:
            found.append(f"{node.name}: {name} were {before[name]} and are {held[name]}")
    return found
