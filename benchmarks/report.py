"""Rows of measured values and peers' values, as a table and as JSON."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"

#: More is better (a rate), or less (a time).
Better = Literal["more", "less"]


@dataclass(frozen=True)
class Target:
    """The required ratio, and the wished one; a value, if there is no peer."""

    must: float
    further: float
    better: Better

    def met(self, ratio: float) -> str:
        """In words: ``no``, ``yes``, ``further``."""
        more = self.better == "more"
        if ratio >= self.further if more else ratio <= self.further:
            return "further"
        return "yes" if (ratio >= self.must if more else ratio <= self.must) else "no"

    def __str__(self) -> str:
        sign = "≥" if self.better == "more" else "≤"
        return f"{sign} {self.must:g}, {sign} {self.further:g}"


@dataclass(frozen=True)
class Sample:
    """One repetition: the measured value, the peer's, and the ratio of the two."""

    value: float
    peer: float
    ratio: float
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Row:
    """One line of the table: a measurement repeated; without ``peer``, an absolute one."""

    what: str
    unit: str
    peer: str = ""
    target: Target | None = None
    samples: list[Sample] = field(default_factory=list)

    def add(self, value: float, peer: float = 1.0, **detail: Any) -> None:
        """One repetition, with its peer if it has one."""
        self.samples.append(Sample(value, peer, value / peer, detail))

    @property
    def ratio(self) -> float:
        """The median of the ratios (not the ratio of the medians)."""
        return statistics.median(sample.ratio for sample in self.samples)

    @property
    def value(self) -> float:
        """The median of the measured values."""
        return statistics.median(sample.value for sample in self.samples)

    @property
    def peer_value(self) -> float:
        """The median of the peer's values."""
        return statistics.median(sample.peer for sample in self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest ratio, or value."""
        ratios = [sample.ratio for sample in self.samples]
        return min(ratios), max(ratios)

    def as_json(self) -> dict[str, Any]:
        """Everything, each repetition included."""
        low, high = self.spread
        beside = {
            "peer": self.peer,
            "peer_value": _rounded(self.peer_value),
            "ratio": _rounded(self.ratio),
        }
        return {
            "what": self.what,
            "value": _rounded(self.value),
            "unit": self.unit,
            **(beside if self.peer else {}),
            "lowest": _rounded(low),
            "highest": _rounded(high),
            "must": self.target and self.target.must,
            "further": self.target and self.target.further,
            "met": self.target and self.target.met(self.ratio),
            "samples": [
                {
                    "value": _rounded(sample.value),
                    **({"peer": _rounded(sample.peer)} if self.peer else {}),
                    **sample.detail,
                }
                for sample in self.samples
            ],
        }


@dataclass
class Report:
    """A table with its heading."""

    title: str
    heading: dict[str, Any]
    lines: list[str]
    rows: list[Row] = field(default_factory=list)

    def show(self) -> None:
        """Print it."""
        console = Console()
        width = None if console.is_terminal else 150
        console = Console(width=width, highlight=False)
        console.print()
        for line in self.lines:
            console.print(line, style="dim")
        table = Table(title=self.title, title_justify="left", title_style="bold")
        table.add_column("what")
        table.add_column("Ayes", justify="right", no_wrap=True)
        table.add_column("peer", no_wrap=False)
        table.add_column("", justify="right", no_wrap=True)
        table.add_column("ratio", justify="right", no_wrap=True)
        table.add_column("lowest, highest", justify="right", no_wrap=True)
        table.add_column("must, further", justify="right", no_wrap=True)
        table.add_column("met")
        for row in self.rows:
            low, high = row.spread
            table.add_row(
                row.what,
                f"{_shown(row.value)} {row.unit}",
                row.peer,
                f"{_shown(row.peer_value)} {row.unit}" if row.peer else "",
                _shown(row.ratio) if row.peer else "",
                f"{_shown(low)}, {_shown(high)}",
                str(row.target) if row.target else "",
                row.target.met(row.ratio) if row.target else "",
            )
        console.print(table)

    def save(self, name: str) -> Path:
        """Write ``results/<name>.json``; its path."""
        return self.write(name, {**self.heading, "rows": [row.as_json() for row in self.rows]})

    def write(self, name: str, content: dict[str, Any]) -> Path:
        """Write ``content`` to ``results/<name>.json``; its path."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.json"
        path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
        return path


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
