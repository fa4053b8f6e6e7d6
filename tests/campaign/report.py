"""The report of a campaign, as it is printed and kept."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.campaign.attendance import Attendance
from tests.model.asking import NO_EFFECT, UNKNOWN

#: The shares of operations that must have ended unknown, and been answered from the journal. With
#: less, the campaign proved nothing. The plan sends 30 % again.
MIN_UNKNOWN = 0.01
MIN_REPLAYED = 0.01
GONE = "none: the socket was gone"


@dataclass
class Report:
    """The figures of one campaign."""

    seed: int
    commands: int
    nodes: int
    sockets: int
    users: int
    events: int
    seconds: float = 0.0
    judged_seconds: float = 0.0
    heal_seconds: float = 0.0
    """The longest time of all rounds."""
    rounds: int = 0
    operations: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    closes: Counter[int] = field(default_factory=Counter)
    journal_lines: int = 0
    streams: int = 0
    room_messages: int = 0
    acked_and_lost: int = 0
    """Commands that were acked, and then lost with a primary whose standby was behind."""
    sent_again: int = 0
    """Commands of earlier rounds that were sent again."""
    erased: int = 0
    """Erasures of a person's words in an event, each with `ayes verify` before and after."""
    deleted: int = 0
    """Events that were deleted, each exported and verified before."""
    set_back: int = 0
    """How often the database's clock was set to an earlier time."""
    attendance: dict[str, Attendance] = field(default_factory=dict)
    """Open time of the sockets, by node."""
    fault_seconds: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, str] = field(default_factory=dict)
    """Faults, or equipment, that this machine does not have, and why."""
    venue: list[str] = field(default_factory=list)
    """The platform of the nodes: versions, disk, network."""
    resources: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def unknown(self) -> float:
        """The share of operations that ended without a known outcome of the command."""
        ended = self.answers[GONE] + sum(self.answers[code] for code in UNKNOWN)
        return ended / max(self.operations, 1)

    @property
    def replayed(self) -> float:
        """The share of operations that were answered from the journal."""
        total = sum(count for name, count in self.answers.items() if name.endswith(", replayed"))
        return total / max(self.operations, 1)

    @property
    def undecided(self) -> float:
        """The share of operations whose answer said that nothing was decided."""
        return sum(self.answers[code] for code in NO_EFFECT) / max(self.operations, 1)

    def weak(self) -> list[str]:
        """Why the campaign proved nothing, if so; without faults it has nothing to prove here."""
        if not self.faults:
            return []
        found = []
        if self.unknown < MIN_UNKNOWN:
            found.append(f"only {self.unknown:.2%} of the operations ended unknown")
        if self.replayed < MIN_REPLAYED:
            found.append(f"only {self.replayed:.2%} of the operations were replayed")
        return found

    def document(self) -> dict[str, Any]:
        """The whole report, for JSON."""
        return self.__dict__ | {
            "unknown": self.unknown,
            "replayed": self.replayed,
            "attendance": {name: asdict(each) for name, each in self.attendance.items()},
            "weak": self.weak(),
            "ok": not self.wrong and not self.weak(),
        }

    def json(self) -> str:
        """The report as text."""
        return json.dumps(self.document(), indent=1, default=str)

    def markdown(self) -> str:
        """The report for people."""
        lines = [
            f"Seed {self.seed}: {self.commands:,} commands in {self.rounds} rounds, "
            f"{sum(self.faults.values())} faults, {self.nodes} nodes, {self.sockets} sockets, "
            f"{self.users} users, {self.events} events a round, {os.cpu_count()} cores, "
            f"{platform.python_implementation()} {platform.python_version()}.",
            "",
            "| | |",
            "|---|---|",
            f"| seconds, with the checker | {self.seconds:.0f}, "
            f"{self.judged_seconds:.0f} of them the checker's |",
            f"| operations (sendings) | {self.operations:,} |",
            f"| ended unknown | {self.unknown:.2%} |",
            f"| answered from the journal | {self.replayed:.2%} |",
            f"| answered that nothing was decided | {self.undecided:.2%} |",
            f"| lines of journals replayed by the model | {self.journal_lines:,} |",
            f"| streams, and messages in them | {self.streams:,}, {self.room_messages:,} |",
            f"| of earlier rounds, sent again | {self.sent_again:,} |",
            f"| a person's words were erased | {self.erased} times |",
            f"| an event was deleted | {self.deleted} times |",
            f"| the database's clock was set back | {self.set_back} times |",
            f"| acked, and lost with a primary | {self.acked_and_lost:,} |",
            f"| longest until all was whole again | {self.heal_seconds:.1f} s |",
            *(f"| {name} | {value} |" for name, value in self.attendance.items()),
            *(f"| {name} | {value} |" for name, value in self.resources.items()),
            f"| **broken promises** | **{len(self.wrong)}** |",
            "",
            *(f"- {line}" for line in self.venue),
            *(f"- left out: {name}: {why}" for name, why in self.left_out.items()),
            "",
            "| fault | times | seconds each |",
            "|---|---|---|",
            *(
                f"| {name} | {count} | {self.fault_seconds[name] / count:.1f} |"
                for name, count in sorted(self.faults.items())
            ),
            *(f"| {name}, found nothing to strike | {c} | |" for name, c in self.missed.items()),
            "",
            "| answer | operations |",
            "|---|---|",
            *(f"| {name} | {count:,} |" for name, count in self.answers.most_common()),
            "",
            "| sockets closed with | times |",
            "|---|---|",
            *(f"| {code} | {count:,} |" for code, count in sorted(self.closes.items())),
        ]
        if self.wrong or self.weak():
            lines += ["", "What is wrong:", ""]
            lines += [f"- {what}" for what in (self.weak() + self.wrong)[:50]]
        return "\n".join(lines) + "\n"
