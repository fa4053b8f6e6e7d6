"""Writes the Grafana dashboard ``deploy/grafana/ayes.json``; ``--check`` only compares.

Each panel is declared once below: a title, a unit, and its queries with their legends. The first
row shows whether the deployment is well. Each further row is a place where it may not be.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).parents[1] / "deploy" / "grafana" / "ayes.json"
#: Grafana's grid is 24 columns wide.
GRID_COLUMNS = 24
PANELS_PER_ROW = 6
STATS_PER_ROW = 8
#: Heights in Grafana's units; all rows together fit on a screen of 1080 lines.
STAT_HEIGHT = 3
PANEL_HEIGHT = 6


class Panel(NamedTuple):
    """A panel: its queries with their legends, and what it shows."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    help: str = ""
    bad: float | None = None
    """The value from which on a stat is red."""


def one(query: str) -> tuple[tuple[str, str], ...]:
    """Return a single query without a legend."""
    return ((query, ""),)


def rate(metric: str, label: str) -> tuple[tuple[str, str], ...]:
    """Return the rate of a counter by a label, the highest six: most of thirty codes are zero."""
    query = f"topk(6, sum by ({label}) (rate({metric}[$__rate_interval])))"
    return ((query, f"{{{{{label}}}}}"),)


def quantiles(metric: str, *, by: str = "") -> tuple[tuple[str, str], ...]:
    """Return the median and the 99th percentile of a histogram."""
    labels = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    return tuple(
        (
            f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket[$__rate_interval])))",
            f"{name}{legend}",
        )
        for q, name in ((0.5, "median"), (0.99, "p99"))
    )


_MEAN_STATEMENT = (
    "topk(6, sum by (statement) (rate(ayes_statement_seconds_sum[$__rate_interval]))"
    " / sum by (statement) (rate(ayes_statement_seconds_count[$__rate_interval])))"
)
_SHARE_OF_STATEMENT = (
    "topk(6, sum by (statement) (rate(ayes_statement_seconds_sum[$__rate_interval])))"
)
JOB = '{job="ayes"}'
STATS = (
    # Its names say where it is not well.
    Panel(
        "Alerts",
        "none",
        (
            (
                'count by (alertname) (ALERTS{alertstate="firing"}) or on() vector(0)',
                "{{alertname}}",
            ),
        ),
        bad=1,
    ),
    Panel("Nodes down", "none", one(f"count(up{JOB} == 0) or vector(0)"), bad=1),
    Panel("Command, p99", "s", one("job:ayes_command_seconds:p99"), bad=0.5),
    Panel("Delivery, p99", "s", one("job:ayes_delivery_seconds:p99"), bad=0.5),
    Panel(
        "Given up on",
        "percentunit",
        one("job:ayes_commands_undecided:ratio or on() vector(0)"),
        bad=0.01,
    ),
    Panel(
        "Background fails",
        "none",
        (("sum by (kind) (ayes_background_failing) > 0 or on() vector(0)", "{{kind}}"),),
        bad=1,
    ),
    Panel("Commands", "reqps", one("job:ayes_commands:rate")),
    Panel("Users online", "none", one("sum(ayes_users_online)")),
)
ROWS = (
    (
        Panel(
            "Sockets and streams",
            "none",
            (
                ("sum by (instance) (ayes_sockets)", "{{instance}}"),
                ("sum(ayes_streams)", "streams"),
            ),
        ),
        Panel("Closed, by code", "ops", rate("ayes_sockets_closed_total", "code")),
        Panel("Handshakes", "ops", rate("ayes_hellos_total", "outcome")),
        Panel("Errors sent, by code", "ops", rate("ayes_errors_total", "code")),
        Panel(
            "Subscriptions",
            "none",
            (("sum(ayes_subscriptions)", "all"), ("sum(ayes_subscriptions_behind)", "behind")),
        ),
        Panel(
            "Snapshots and resumes",
            "ops",
            (
                *rate("ayes_snapshots_total", "reason"),
                ('sum(rate(ayes_resumes_total{outcome="resumed"}[$__rate_interval]))', "resumed"),
            ),
        ),
    ),
    (
        Panel(
            "Commands",
            "ops",
            (
                ("sum(rate(ayes_commands_acked_total[$__rate_interval]))", "acked"),
                ("sum(rate(ayes_commands_refused_total[$__rate_interval]))", "refused"),
                ("sum(rate(ayes_commands_undecided_total[$__rate_interval]))", "given up on"),
                ("sum(rate(ayes_commands_replayed_total[$__rate_interval]))", "replayed"),
            ),
        ),
        Panel("Receipt to answer", "s", quantiles("ayes_command_seconds")),
        Panel("COMMIT to the last socket", "s", quantiles("ayes_delivery_seconds")),
        Panel("Commands of a batch", "none", quantiles("ayes_batch_commands")),
        Panel("Transactions failed", "ops", rate("ayes_transactions_failed_total", "cause")),
        Panel(
            "Wait for an event's lock",
            "s",
            (
                *quantiles("ayes_lock_wait_seconds"),
                ("max(ayes_database_lock_waits)", "sessions that wait"),
            ),
        ),
    ),
    (
        Panel("Statements, mean", "s", ((_MEAN_STATEMENT, "{{statement}}"),)),
        Panel("Statements, share", "percentunit", ((_SHARE_OF_STATEMENT, "{{statement}}"),)),
        Panel(
            "Connections in use",
            "none",
            (
                ("sum by (instance) (ayes_database_connections_in_use)", "{{instance}}"),
                ("max(ayes_database_connections_limit)", "limit of a node"),
            ),
        ),
        Panel("Wait for a connection", "s", quantiles("ayes_database_connection_wait_seconds")),
        Panel("Cache hits", "percentunit", one("job:ayes_database_cache_hit:ratio")),
        Panel("Database", "bytes", (("max(ayes_database_size_bytes)", "size"),)),
    ),
    (
        Panel(
            "Processor",
            "percentunit",
            ((f"rate(process_cpu_seconds_total{JOB}[$__rate_interval])", "{{instance}}"),),
        ),
        Panel(
            "Memory",
            "bytes",
            (
                (f"process_resident_memory_bytes{JOB}", "{{instance}}"),
                ("sum(ayes_rooms_bytes)", "rooms"),
            ),
        ),
        Panel(
            "Event loop, p99 late",
            "s",
            (
                ("instance:ayes_loop_lag_seconds:p99", "{{instance}}"),
                (
                    "sum(rate(ayes_collector_pause_seconds_sum[$__rate_interval]))",
                    "collector, s a second",
                ),
            ),
        ),
        Panel(
            "Bus",
            "none",
            (
                ("min by (instance) (ayes_bus_up)", "up {{instance}}"),
                ("max(ayes_bus_heartbeat_age_seconds)", "heartbeat age"),
                ('sum(rate(ayes_room_fills_total{cause="sweep"}[$__rate_interval]))', "hints lost"),
            ),
        ),
        Panel(
            "Budgets used",
            "percentunit",
            (("max by (budget) (ayes_budget_used_ratio)", "{{budget}}"),),
        ),
        Panel("Budgets refused", "ops", rate("ayes_budget_refused_total", "budget")),
    ),
)


def every_query() -> list[str]:
    """Return the queries of all panels."""
    return [query for row in (STATS, *ROWS) for panel in row for query, _ in panel.queries]


def _panel(
    panel: Panel, number: int, *, kind: str, at: tuple[int, int, int, int]
) -> dict[str, Any]:
    x, y, width, height = at
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad is not None:
        steps.append({"color": "red", "value": panel.bad})
    options: dict[str, Any]
    if kind == "stat":
        options = {
            "colorMode": "background",
            "reduceOptions": {"calcs": ["lastNotNull"]},
            "textMode": "auto",
        }
    else:
        options = {
            # The highest first: it is the one that is looked for.
            "legend": {
                "displayMode": "table",
                "placement": "right",
                "showLegend": True,
                "calcs": ["max"],
                "sortBy": "Max",
                "sortDesc": True,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {
        "id": number,
        "type": kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"x": x, "y": y, "w": width, "h": height},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "options": options,
        "targets": [
            {"refId": chr(ord("A") + index), "expr": query, "legendFormat": legend or "__auto"}
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    width = GRID_COLUMNS // STATS_PER_ROW
    for index, panel in enumerate(STATS):
        at = (index * width, 0, width, STAT_HEIGHT)
        panels.append(_panel(panel, len(panels) + 1, kind="stat", at=at))
    width = GRID_COLUMNS // PANELS_PER_ROW
    for number, row in enumerate(ROWS):
        y = STAT_HEIGHT + number * PANEL_HEIGHT
        for index, panel in enumerate(row):
            at = (index * width, y, width, PANEL_HEIGHT)
            panels.append(_panel(panel, len(panels) + 1, kind="timeseries", at=at))
    return {
        "uid": "ayes",
        "title": "Ayes",
        "tags": ["ayes"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "type": "datasource",
                    "query": "prometheus",
                    "label": "Source",
                }
            ]
        },
        "panels": panels,
    }


def main() -> int:
    """Write the file, or compare it; the exit status."""
    made = json.dumps(dashboard(), indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        current = FILE.exists() and FILE.read_text() == made
        if not current:
            print("deploy/grafana/ayes.json: not current, run scripts/docs")
        return 0 if current else 1
    FILE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
