"""One line of the report: what was looked at, how it is, what to do."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad a finding is; only ``FAIL`` makes the command fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


class Finding(NamedTuple):
    """A fact about one subject, and its cure if it needs one."""

    level: Level
    subject: str
    fact: str
    cure: str = ""

    def __str__(self) -> str:
        cure = f" → {self.cure}" if self.cure else ""
        return f"{self.level:<4}  {self.subject}: {self.fact}{cure}"


def ok(subject: str, fact: str) -> Finding:
    """Return a finding that is as it should be."""
    return Finding(Level.OK, subject, fact)


def warn(subject: str, fact: str, cure: str) -> Finding:
    """Return a finding that a server runs with, but not well."""
    return Finding(Level.WARN, subject, fact, cure)


def fail(subject: str, fact: str, cure: str) -> Finding:
    """Return a finding that must be mended."""
    return Finding(Level.FAIL, subject, fact, cure)
