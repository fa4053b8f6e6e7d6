"""The plan of a campaign, drawn from its seed alone: the commands, the faults, their moments.

A moment is a count of commands, never a time, so that a seed gives the same plan on any machine. A
drawn number selects the proposal of a command from those that are known when it is sent. The plan
depends on the seed alone, the interleaving on the machine.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal, NamedTuple

USERS = 50
SEATS = 4
"""Sockets of each user."""
EVENTS = 8
HOT = 0
"""The event that half of all commands go to."""
#: The user who makes an event is its admin for good, so that somebody can always act; the next
#: one helps.
FIRST_ADMIN = tuple(range(EVENTS))

Echo = Literal["none", "at once", "after", "second socket", "other words"]

#: Kinds of command by how often they are drawn.
MIX = {
    "vote": 400,
    "retract": 70,
    "propose": 130,
    "comment": 90,
    "edit comment": 20,
    "remove comment": 15,
    "accept": 30,
    "reject": 25,
    "withdraw": 25,
    "moderate": 10,
    "rebase": 15,
    "revert": 8,
    "ballot": 35,
    "clear ballot": 8,
    "leave": 10,
    "join": 25,
    "remove": 8,
    "approve": 12,
    "promote": 6,
    "demote": 6,
    "policy": 8,
    "times": 4,
    "starts": 1,
    "add": 10,
    "rename": 10,
    "invite": 6,
    "uninvite": 4,
    "organise": 4,
    "rotate": 4,
    "pause": 3,
    "resume": 8,
    "stranger": 10,
    # No command of a client: an operator's acts.
    "erase": 1,
    "delete": 1,
}


class Planned(NamedTuple):
    """A command of the plan."""

    number: int
    event: int
    user: int
    seat: int
    kind: str
    draw: int
    echoes: tuple[Echo, ...]
    """Repeats, in addition to those that settle a lost answer."""

    @property
    def id(self) -> str:
        """Its idempotency id."""
        return f"command-{self.number:07d}"


class Strike(NamedTuple):
    """A fault of the plan."""

    at: int
    """The number of the command it comes with."""
    fault: str
    draw: int


class Plan(NamedTuple):
    """A round's commands and faults, in order."""

    seed: int
    commands: Sequence[Planned]
    strikes: Sequence[Strike]


def plan(seed: int, commands: int, faults: Sequence[str]) -> Plan:
    """``commands`` commands and one strike for each of ``faults``, spread over them."""
    rng = random.Random(seed)
    drawn = [_command(rng, number) for number in range(commands)]
    return Plan(seed, drawn, strikes(rng, commands, faults))


def with_deletions(drawn: Plan, count: int) -> Plan:
    """The same plan, with ``count`` events that are deleted, from its beginning on."""
    commands = [*drawn.commands]
    for number in range(count):
        place = number * len(commands) // (2 * count)
        commands[place] = commands[place]._replace(kind="delete")
    return drawn._replace(commands=commands)


def strikes(rng: random.Random, commands: int, faults: Sequence[str]) -> list[Strike]:
    """A strike for each of ``faults``, spread over the commands."""
    order = list(faults)
    rng.shuffle(order)
    # Not at the very start, nor so late that no command is left to meet the fault.
    step = commands * 0.92 / max(len(order), 1)
    return [
        Strike(int(commands * 0.02 + step * (place + rng.random())), fault, rng.getrandbits(32))
        for place, fault in enumerate(order)
    ]


def _command(rng: random.Random, number: int) -> Planned:
    kinds, weights = zip(*MIX.items(), strict=True)
    echoes = echoes_of(rng)
    return Planned(
        number=number,
        event=HOT if rng.random() < 0.5 else rng.randrange(1, EVENTS),
        user=rng.randrange(USERS),
        seat=rng.randrange(SEATS),
        kind=rng.choices(kinds, weights)[0],
        draw=rng.getrandbits(48),
        echoes=echoes,
    )


def echoes_of(rng: random.Random) -> tuple[Echo, ...]:
    """How a command is sent again."""
    echoes: list[Echo] = []
    if rng.random() < 0.30:
        echoes.append(rng.choice(("at once", "after")))
    if rng.random() < 0.20:
        echoes.append("second socket")
    if rng.random() < 0.05:
        echoes.append("other words")
    return tuple(echoes)
