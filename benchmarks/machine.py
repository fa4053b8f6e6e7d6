"""The machine of a measurement, and the processor time of its processes."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Machine:
    """The facts that a reader needs to interpret the figures; no names of hosts or people."""

    processor: str
    cores: int
    memory_gib: int
    kernel: str
    python: str
    postgresql: str
    measured_at: str
    load_before: float

    @classmethod
    def here(cls, postgresql: str) -> Machine:
        """This machine, with the version of the PostgreSQL measured on it."""
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return cls(
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)),
            memory_gib=round(pages / 2**30),
            kernel=f"{platform.system()} {platform.release()}",
            python=f"{platform.python_implementation()} {platform.python_version()}",
            postgresql=postgresql,
            measured_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
            load_before=round(os.getloadavg()[0], 2),
        )

    def line(self) -> str:
        """The machine in one line, for the head of a table."""
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gib} GiB; {self.kernel}; "
            f"{self.python}; PostgreSQL {self.postgresql}; {self.measured_at}"
        )

    def as_json(self) -> dict[str, Any]:
        """For the saved results."""
        return asdict(self)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


@dataclass(frozen=True)
class CpuTime:
    """Processor seconds used so far, by user; ``stolen`` went to other guests of the machine."""

    server: float
    postgresql: float
    client: float
    stolen: float

    def __sub__(self, earlier: CpuTime) -> CpuTime:
        return CpuTime(
            self.server - earlier.server,
            self.postgresql - earlier.postgresql,
            self.client - earlier.client,
            self.stolen - earlier.stolen,
        )


@dataclass(frozen=True)
class CpuMeter:
    """Reads the processor time of a server, its PostgreSQL and this process."""

    server: int
    postmaster: int

    def read(self) -> CpuTime:
        """The times at this moment."""
        times = os.times()
        return CpuTime(
            server=processor_seconds([self.server]),
            postgresql=processor_seconds([self.postmaster, *children(self.postmaster)]),
            client=times.user + times.system,
            stolen=_stolen(),
        )


def children(parent: int) -> list[int]:
    """The direct children of a process."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))) and int(fields[1]) == parent:
            found.append(int(entry.name))
    return found


def resident_kib(pid: int) -> int:
    """The resident set of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(pid)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the name, which may hold blanks; see proc(5)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def processor_times(pid: int) -> tuple[float, float]:
    """The seconds that a process used itself: in its own code, and in the kernel."""
    fields = _stat(pid)
    return (int(fields[11]) / _TICK, int(fields[12]) / _TICK) if fields else (0.0, 0.0)


def processor_seconds(pids: Iterable[int]) -> float:
    """The processor seconds that these processes, and their children that ended, have used."""
    ticks = 0
    for pid in pids:
        if fields := _stat(pid):
            # Children that ended count too: a server process may be a parent of workers.
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICK


def _stolen() -> float:
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) / _TICK
