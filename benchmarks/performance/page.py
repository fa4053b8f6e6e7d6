"""``docs/performance.md``: its tables and plots, made from the saved results.

So is the table of ``docs/architecture/compared.md``. A page's words stand in the page. What this
file makes stands between ``<!-- measured: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson

from benchmarks.performance.plot import chart
from benchmarks.report import RESULTS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"
#: A shorter page, with the ratios alone.
COMPARED = ROOT / "docs" / "architecture" / "compared.md"
#: Load of the machine before the run, per core, beyond which its times mean little.
BUSY = 0.5

_MEASURED = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write(results: dict[str, Any]) -> list[Path]:
    """Write the page's measured parts and the plots; the files written."""
    written = [PAGE, COMPARED]
    for sweep in results.get("sweeps", []):
        path = PAGE.parent / f"performance-{sweep['name']}.svg"
        path.write_text(plot_of(sweep))
        written.append(path)
    for page in (PAGE, COMPARED):
        page.write_text(filled(page.read_text(), results))
    return written


def saved(name: str = "performance") -> dict[str, Any]:
    """The results of a run that was saved."""
    found: dict[str, Any] = orjson.loads((RESULTS / f"{name}.json").read_bytes())
    return found


def filled(page: str, results: dict[str, Any]) -> str:
    """``page`` with its measured parts made again."""
    parts = {
        "machine": _machine(results),
        "rooms": _table(results["rows"], "rooms"),
        "frames": _table(results["rows"], "frames"),
        "sockets": _table(results["rows"], "sockets"),
        "parts": _parts(results["parts"]),
        "plots": _plots(results["sweeps"]),
        "peers": _peers(results["rows"]),
    }

    def fill(found: re.Match[str]) -> str:
        return f"{found[1]}{parts[found[2]]}\n{found[3]}"

    return _MEASURED.sub(fill, page)


def plot_of(sweep: dict[str, Any]) -> str:
    """Rate and p99 of one sweep, side by side."""
    panels = [
        (
            title,
            sweep["grows"],
            {
                party: [(point["at"], point[key]) for point in points]
                for party, points in sweep["parties"].items()
            },
        )
        for title, key in (("votes a second", "rate"), ("p99 of an ack, ms", "p99_ms"))
    ]
    return chart(panels, f"{sweep['title']}: votes a second and p99 against {sweep['grows']}")


def _machine(results: dict[str, Any]) -> str:
    machine, plan = results["machine"], results["plan"]
    versions = ", ".join(f"{name} {number}" for name, number in results["versions"].items())
    busy = machine["load_before"] > BUSY * machine["cores"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB; "
        f"{machine['kernel']}; {machine['python']}; PostgreSQL {machine['postgresql']}; "
        f"{machine['measured_at']}. Peers: {versions}.",
        "",
        f"{plan['starts']} starts of each program, {plan['rounds']} rounds each of "
        f"{plan['seconds']:g} s.",
    ]
    if busy:
        lines += [
            "",
            f"**The machine was busy with other work** (load {machine['load_before']:g} on "
            f"{machine['cores']} cores before the run). Its rates and times say what the work left "
            "over. Ratios can be compared: both sides ran in the same minutes.",
        ]
    return "\n".join(lines)


def _table(rows: list[dict[str, Any]], trial: str) -> str:
    lines = [
        "| what | Ayes | peer | | ratio (lowest to highest) | must, further |",
        "| --- | ---: | --- | ---: | ---: | --- |",
    ]
    for row in rows:
        if row["trial"] != trial:
            continue
        peer = row.get("peer", "")
        beside = f"{_shown(row['peer_value'])} {row['unit']}" if peer else ""
        spread = f"{_shown(row['lowest'])} to {_shown(row['highest'])}"
        ratio = f"{_shown(row['ratio'])} ({spread})" if peer else f"({spread})"
        target = f"{row['must']:g}, {row['further']:g}: {_met(row['met'])}" if row["met"] else ""
        lines.append(
            f"| {row['what']} | {_shown(row['value'])} {row['unit']} | {peer} | {beside} | {ratio} "
            f"| {target} |"
        )
    return "\n".join(lines)


def _peers(rows: list[dict[str, Any]]) -> str:
    """The ratios of all trials with a peer; a row *the same* gets the name of the one before."""
    lines = [
        "| what | peer | unit | ratio | lowest to highest |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    whole = ""
    for row in rows:
        what = row["what"]
        if what.startswith("the same"):
            what = whole + what.removeprefix("the same")
        else:
            whole = what
        if row.get("peer"):
            lines.append(
                f"| {what} | {row['peer']} | {row['unit']} | {_shown(row['ratio'])} "
                f"| {_shown(row['lowest'])} to {_shown(row['highest'])} |"
            )
    return "\n".join(lines)


def _met(met: str) -> str:
    return {"no": "not met", "yes": "met", "further": "further met"}[met]


def _parts(parts: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for load in parts for name in load["parts_us"]))
    lines = [
        "| µs a vote | " + " | ".join(load["load"] for load in parts) + " |",
        "| --- |" + " ---: |" * len(parts),
    ]
    wholes = {
        "**server**": "server_us",
        "of it in the kernel": "server_system_us",
        "**PostgreSQL**": "postgresql_us",
    }
    for title, key in wholes.items():
        lines.append(f"| {title} | " + " | ".join(f"{load[key]:.0f}" for load in parts) + " |")
    for name in names:
        cells = [f"{load['parts_us'].get(name, 0):.1f}" for load in parts]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _plots(sweeps: list[dict[str, Any]]) -> str:
    return "\n\n".join(
        f"![{sweep['title']}: votes a second and p99 against {sweep['grows']}]"
        f"(performance-{sweep['name']}.svg)\n\n*{sweep['title']}.*"
        for sweep in sweeps
    )


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
