"""Readings of metrics that have labels, or need more than one part of the node.

Every label is there from the first scrape on, so that the first increase is seen as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from handlers.lanes.lanes import MAX_IDLE_BYTES
from persistence.database.failures import Kind
from persistence.database.histogram import Histogram
from persistence.database.statements import TIMINGS
from protocol.closes import CloseCode
from protocol.errors import ErrorCode
from server.homes.counts import LOCAL_CAUSES, REFUSED_LETTERS
from server.measures.counters import BUDGETS, FILL_CAUSES, HELLOS, RECEIVED_STEPS, SNAPSHOT_REASONS
from server.rooms.memory_budget import MAX_ROOM_BYTES
from server.transport.large_answers import MAX_LARGE_BYTES

if TYPE_CHECKING:
    from server.node import Node
    from server.rooms.room import Room, Subscriber

_Numbers: TypeAlias = Mapping[tuple[str, ...], float]
_Histograms: TypeAlias = Mapping[tuple[str, ...], Histogram]

#: The close codes of the protocol's own and of RFC 6455 that are counted by themselves; a client
#: may send any other, which counts as ``other``.
CLOSE_CODES: Final = (1000, 1001, 1002, 1005, 1006, 1007, 1009, 1012, *map(int, CloseCode))


def by_label(counts: Mapping[str, float]) -> _Numbers:
    """Return ``counts`` by their only label."""
    return {(label,): count for label, count in counts.items()}


def nodes(node: Node) -> float:
    """Return the number of living nodes."""
    return 1 + len(node.nodes.others)


def forwards_local(node: Node) -> _Numbers:
    """Return the commands that were decided here since their home failed, by cause."""
    return {(cause,): node.homes.counts.local[cause] for cause in LOCAL_CAUSES}


def letters_refused(node: Node) -> _Numbers:
    """Return the letters that were not believed, by cause."""
    return {(cause,): node.homes.counts.refused[cause] for cause in REFUSED_LETTERS}


def collector_pauses(node: Node) -> _Histograms:
    """Return pauses by the collector's generation."""
    return {(str(number),): found for number, found in enumerate(node.event_loop.pause_seconds)}


def failing(node: Node) -> _Numbers:
    """Return whether each background work fails, by reason."""
    return {
        (found.name, kind.value): float(found.failing is kind)
        for found in node.failures
        for kind in Kind
    }


def failures(node: Node) -> _Numbers:
    """Return the failed tries of each background work, by reason."""
    return {
        (found.name, kind.value): count
        for found in node.failures
        for kind, count in found.counts.items()
    }


def closes(node: Node) -> _Numbers:
    """Return the ends of sockets by close code."""
    counts = dict.fromkeys(map(str, CLOSE_CODES), 0) | {"other": 0}
    for code, count in node.counters.sockets_closed.items():
        counts[str(code) if code in CLOSE_CODES else "other"] += count
    return by_label(counts)


def hellos(node: Node) -> _Numbers:
    """Return the ends of handshakes."""
    return {
        (outcome, str(resumes).lower()): node.counters.hellos[resumes, outcome]
        for outcome in HELLOS
        for resumes in (False, True)
    }


def errors(node: Node) -> _Numbers:
    """Return the errors sent to clients, by code."""
    return {(code.value,): node.counters.errors[code] for code in ErrorCode}


def commands(node: Node) -> _Histograms:
    """Return the times to an answer."""
    counts = node.lanes.counts
    return {("decided",): counts.answer_seconds, ("undecided",): counts.undecided_seconds}


def statements(node: Node) -> _Histograms:
    """Return the times of statements that ran at least once."""
    return {(name,): found for name, found in TIMINGS.items() if any(found.counts)}


def pages_hit(node: Node) -> _Numbers:
    """Return the cache's hits, of tables and of indexes."""
    latest = node.statistics.latest
    return by_label({"table": latest.table_hits, "index": latest.index_hits})


def pages_read(node: Node) -> _Numbers:
    """Return the cache's misses, of tables and of indexes."""
    latest = node.statistics.latest
    return by_label({"table": latest.table_reads, "index": latest.index_reads})


def scans(node: Node) -> _Numbers:
    """Return the scans of tables."""
    latest = node.statistics.latest
    return by_label({"index": latest.index_scans, "sequential": latest.table_scans})


def subscriptions(node: Node) -> float:
    """Return the number of subscriptions."""
    return sum(len(room.subscriptions) for room in node.rooms.by_event.values())


def _live(node: Node) -> Iterator[tuple[Room, Subscriber]]:
    for room in node.rooms.by_event.values():
        for subscription in room.subscriptions:
            if subscription.live:
                yield room, subscription


def behind(node: Node) -> float:
    """Return the number of live subscriptions that are behind their room."""
    return sum(subscription.seq < room.seq for room, subscription in _live(node))


def lag(node: Node) -> float:
    """Return the steps of the live subscription that is furthest behind."""
    return max((room.seq - subscription.seq for room, subscription in _live(node)), default=0)


def snapshots(node: Node) -> _Numbers:
    """Return the snapshots made, by reason."""
    return {(reason,): node.counters.snapshots[reason] for reason in SNAPSHOT_REASONS}


def resumes(node: Node) -> _Numbers:
    """Return how subscriptions with a position went on."""
    counters = node.counters
    return by_label({"resumed": counters.resumed, "snapshot": counters.not_resumed})


def fills(node: Node) -> _Numbers:
    """Return the reads of the journal by rooms."""
    return {(cause,): node.counters.fills[cause] for cause in FILL_CAUSES}


def received_steps(node: Node) -> _Numbers:
    """Return the messages with steps of other nodes, by what became of them."""
    taken = {(outcome,): node.counters.received_steps[outcome] for outcome in RECEIVED_STEPS}
    return taken | {("refused",): node.bus.refused}


def bus_messages(node: Node) -> _Numbers:
    """Return the messages between nodes."""
    return by_label({"sent": node.bus.sent, "received": node.bus.received})


def used(node: Node) -> _Numbers:
    """Return the used part of each bounded resource of the node."""
    sockets = node.connections
    return by_label(
        {
            "connections": (len(sockets.sessions) + len(node.streams)) / sockets.most,
            "unauthenticated": sockets.unauthenticated / node.settings.unauthenticated,
            "room_bytes": node.rooms.budget.bytes / MAX_ROOM_BYTES,
            "idle_lane_bytes": node.lanes.idle_bytes() / MAX_IDLE_BYTES,
            "large_answer_bytes": node.large_answers.bytes / MAX_LARGE_BYTES,
            "database_connections": node.database.in_use / node.database.size,
        }
    )


def refused(node: Node) -> _Numbers:
    """Return the refusals of each budget."""
    counts: dict[str, float] = {budget: node.counters.refused[budget] for budget in BUDGETS}
    return by_label(
        counts
        | {
            "lane": node.lanes.counts.full,
            "churn": node.commands.churn.refused,
            "user_bytes": node.commands.churn.refused_bytes,
            "queries": node.quotas.refused,
            "http_requests": node.user_rates.refused,
            "room_bytes": node.rooms.budget.refused,
        }
    )
