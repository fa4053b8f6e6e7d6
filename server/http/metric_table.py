"""Every metric, declared once: name, kind, help, labels, buckets, and how its value is read.

A name ends in its unit, and no label is an id. Values are read at each scrape from counters that
the parts have anyway. ``docs/metrics.md`` is generated from this table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from persistence.database.histogram import LATENCY_BOUNDS, SIZE_BOUNDS, STATEMENT_BOUNDS, Histogram
from persistence.event.limits import RULES
from server.http import metric_readings as reading

if TYPE_CHECKING:
    from server.node import Node

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]
Labels: TypeAlias = tuple[str, ...]
#: What a metric reads: one value, or one for each combination of labels.
Value: TypeAlias = float | Histogram
Values: TypeAlias = Value | Mapping[Labels, float] | Mapping[Labels, Histogram]

#: The units in which names end.
UNITS: Final = ("seconds", "bytes", "ratio")


class Declared(NamedTuple):
    """A metric, and how its value is read."""

    kind: Kind
    help: str
    read: Callable[[Node], Values]
    labels: Labels = ()
    buckets: Sequence[float] = ()
    """The upper bounds of a histogram's buckets."""


def unit_of(name: str) -> str:
    """Return the unit of a metric, from its name; empty for a plain number."""
    last = name.rpartition("_")[2]
    return last if last in UNITS else ""


def _version(node: Node) -> Mapping[Labels, float]:
    return {(node.context.version, str(RULES)): 1.0}


METRICS: dict[str, Declared] = {
    # The process.
    "ayes_build_info": Declared(
        "gauge", "1; the version of the server and of its rules.", _version, ("version", "rules")
    ),
    "ayes_draining": Declared(
        "gauge", "1 while the server goes away.", lambda n: n.draining.has_begun
    ),
    "ayes_loop_lag_seconds": Declared(
        "histogram",
        "How late the event loop runs what is due, measured twice a second.",
        lambda n: n.event_loop.lag_seconds,
        buckets=LATENCY_BOUNDS,
    ),
    "ayes_collector_pause_seconds": Declared(
        "histogram",
        "Pauses of the process for Python's garbage collector, by generation.",
        reading.collector_pauses,
        ("generation",),
        LATENCY_BOUNDS,
    ),
    "ayes_background_failing": Declared(
        "gauge",
        "1 while the last try of this background work failed, by its reason.",
        reading.failing,
        ("work", "kind"),
    ),
    "ayes_background_failures": Declared(
        "counter",
        "Failed tries, by kind: unreachable (the database is away), locked, slow, pool, sessions, "
        "memory, disk, unfit, login, refused (by the database), defect.",
        reading.failures,
        ("work", "kind"),
    ),
    # Clients.
    "ayes_sockets": Declared("gauge", "Open WebSockets.", lambda n: len(n.sockets.all)),
    "ayes_sockets_opened": Declared(
        "counter",
        "WebSockets accepted, even to close them with a code at once.",
        lambda n: n.counters.sockets_opened,
    ),
    "ayes_sockets_closed": Declared(
        "counter", "Ends of accepted WebSockets, by close code.", reading.closes, ("code",)
    ),
    "ayes_streams": Declared("gauge", "Open streams over HTTP.", lambda n: len(n.streams)),
    "ayes_streams_opened": Declared(
        "counter", "Streams over HTTP that began.", lambda n: n.counters.streams_opened
    ),
    "ayes_streams_closed": Declared(
        "counter", "Streams over HTTP that ended.", lambda n: n.counters.streams_closed
    ),
    "ayes_users_online": Declared(
        "gauge",
        "Users with a socket or a stream at this node, each once.",
        lambda n: n.connections.users_online(),
    ),
    "ayes_hellos": Declared(
        "counter",
        "Ends of handshakes, by outcome; resumes: whether the client came back to rooms.",
        reading.hellos,
        ("outcome", "resumes"),
    ),
    "ayes_origins_refused": Declared(
        "counter",
        "Requests of pages from origins that are not allowed.",
        lambda n: n.origins.refused,
    ),
    "ayes_errors": Declared(
        "counter", "Errors sent to clients, by code.", reading.errors, ("code",)
    ),
    # Commands.
    "ayes_commands_waiting": Declared(
        "gauge", "Commands that wait for their decision.", lambda n: n.lanes.waiting()
    ),
    "ayes_commands_acked": Declared(
        "counter", "Commands answered with an ack.", lambda n: n.lanes.counts.acked
    ),
    "ayes_commands_refused": Declared(
        "counter",
        "Commands answered with an error decided in a transaction.",
        lambda n: n.lanes.counts.refused,
    ),
    "ayes_commands_undecided": Declared(
        "counter",
        "Commands given up on: busy, overloaded, commit_unknown, internal.",
        lambda n: n.lanes.counts.undecided,
    ),
    "ayes_commands_replayed": Declared(
        "counter",
        "Commands answered from the journal, since their id was decided before.",
        lambda n: n.lanes.counts.replayed,
    ),
    "ayes_commands_recovered": Declared(
        "counter",
        "Commands whose decision was found in the journal after a COMMIT without an answer.",
        lambda n: n.lanes.counts.recovered,
    ),
    "ayes_command_seconds": Declared(
        "histogram",
        "From the receipt of a command to its answer: decided by a transaction, or given up on.",
        reading.commands,
        ("outcome",),
        LATENCY_BOUNDS,
    ),
    "ayes_delivery_seconds": Declared(
        "histogram",
        "From COMMIT to the write to the last socket of the room that could take it and expected no"
        " answer.",
        lambda n: n.counters.delivery_seconds,
        buckets=LATENCY_BOUNDS,
    ),
    # Transactions.
    "ayes_transactions": Declared(
        "counter", "Transactions committed.", lambda n: n.lanes.counts.transactions
    ),
    "ayes_transactions_failed": Declared(
        "counter",
        "Transactions rolled back or lost, by cause.",
        lambda n: reading.by_label(n.lanes.counts.failed),
        ("cause",),
    ),
    "ayes_transactions_retried": Declared(
        "counter",
        "Transactions tried again, by the cause of the failed try.",
        lambda n: reading.by_label(n.lanes.counts.retried),
        ("cause",),
    ),
    "ayes_transaction_seconds": Declared(
        "histogram",
        "From the start of a transaction to its commit.",
        lambda n: n.lanes.counts.transaction_seconds,
        buckets=LATENCY_BOUNDS,
    ),
    "ayes_lock_wait_seconds": Declared(
        "histogram",
        "Waits for an event's lock, by batches that could not share a transaction.",
        lambda n: n.lanes.counts.lock_wait_seconds,
        buckets=LATENCY_BOUNDS,
    ),
    "ayes_batches_alone": Declared(
        "counter", "Batches that could not share a transaction.", lambda n: n.lanes.counts.alone
    ),
    "ayes_batch_commands": Declared(
        "histogram",
        "Commands of one event that shared a transaction.",
        lambda n: n.lanes.counts.batch_commands,
        buckets=SIZE_BOUNDS,
    ),
    "ayes_convoy_events": Declared(
        "histogram",
        "Events that shared a transaction.",
        lambda n: n.lanes.counts.convoy_events,
        buckets=SIZE_BOUNDS,
    ),
    # The database.
    "ayes_statement_seconds": Declared(
        "histogram",
        "Answered statements, by the statement's name in the code; and COMMIT.",
        reading.statements,
        ("statement",),
        STATEMENT_BOUNDS,
    ),
    "ayes_database_connections_in_use": Declared(
        "gauge", "Connections of this node's pool that are in use.", lambda n: n.database.in_use
    ),
    "ayes_database_connections_limit": Declared(
        "gauge", "Connections that this node's pool may use.", lambda n: n.database.size
    ),
    "ayes_database_connection_wait_seconds": Declared(
        "histogram",
        "Waits for a connection of the pool.",
        lambda n: n.database.waits,
        buckets=LATENCY_BOUNDS,
    ),
    "ayes_database_connection_timeouts": Declared(
        "counter", "Waits for a connection that were given up.", lambda n: n.database.timeouts
    ),
    "ayes_database_pages_hit": Declared(
        "counter",
        "Pages that PostgreSQL found in its cache; of the whole database, as all of its kind.",
        reading.pages_hit,
        ("kind",),
    ),
    "ayes_database_pages_read": Declared(
        "counter", "Pages that PostgreSQL did not find in its cache.", reading.pages_read, ("kind",)
    ),
    "ayes_database_scans": Declared(
        "counter", "Scans of tables: by an index, or sequential.", reading.scans, ("kind",)
    ),
    "ayes_database_deadlocks": Declared(
        "counter", "Deadlocks that PostgreSQL broke.", lambda n: n.statistics.latest.deadlocks
    ),
    "ayes_database_size_bytes": Declared(
        "gauge", "Size of the database on disk.", lambda n: n.statistics.latest.bytes
    ),
    "ayes_database_sessions": Declared(
        "gauge",
        "Sessions of this database, of all nodes and programs.",
        lambda n: n.statistics.latest.sessions,
    ),
    "ayes_database_sessions_limit": Declared(
        "gauge", "Sessions that PostgreSQL allows.", lambda n: n.statistics.latest.max_sessions
    ),
    "ayes_database_lock_waits": Declared(
        "gauge", "Sessions that wait for a lock now.", lambda n: n.statistics.latest.lock_waits
    ),
    "ayes_database_oldest_transaction_seconds": Declared(
        "gauge",
        "Age of the oldest open transaction.",
        lambda n: n.statistics.latest.oldest_transaction_seconds,
    ),
    # Rooms.
    "ayes_rooms": Declared("gauge", "Events watched here.", lambda n: n.rooms.count()),
    "ayes_rooms_loaded": Declared("gauge", "Rooms in memory.", lambda n: len(n.rooms.by_event)),
    "ayes_rooms_bytes": Declared(
        "gauge", "Estimated size of the rooms in memory.", lambda n: n.rooms.budget.bytes
    ),
    "ayes_subscriptions": Declared(
        "gauge", "Subscriptions of rooms, by sockets and streams.", reading.subscriptions
    ),
    "ayes_subscriptions_behind": Declared(
        "gauge", "Live subscriptions whose client is behind its room.", reading.behind
    ),
    "ayes_subscription_lag_steps": Declared(
        "gauge", "Most steps that a live subscription is behind its room.", reading.lag
    ),
    "ayes_snapshots": Declared(
        "counter", "Snapshots made for subscriptions, by reason.", reading.snapshots, ("reason",)
    ),
    "ayes_resumes": Declared(
        "counter",
        "Subscriptions with a position: resumed from it, or given a snapshot.",
        reading.resumes,
        ("outcome",),
    ),
    "ayes_room_fills": Declared(
        "counter",
        "Reads of the journal by rooms; cause sweep: no hint announced the step.",
        reading.fills,
        ("cause",),
    ),
    # The bus.
    "ayes_bus_up": Declared(
        "gauge",
        "1 while Redis, or every shard of it, answers; always 1 without Redis.",
        lambda n: n.bus.is_up,
    ),
    "ayes_nodes": Declared(
        "gauge", "Living nodes of this deployment, this one included.", reading.nodes
    ),
    "ayes_bus_heartbeat_age_seconds": Declared(
        "gauge",
        "Time since Redis answered the last heartbeat; 0 without Redis.",
        lambda n: n.bus.heartbeat_age_s,
    ),
    "ayes_bus_messages": Declared(
        "counter", "Messages between nodes.", reading.bus_messages, ("direction",)
    ),
    "ayes_bus_steps": Declared(
        "counter",
        "Messages with steps of other nodes. taken: no read of the journal; known: came too late; "
        "refused: not sealed by a node of this database; else why the journal was read.",
        reading.received_steps,
        ("outcome",),
    ),
    "ayes_bus_messages_dropped": Declared(
        "counter", "Messages that could not be sent.", lambda n: n.bus.dropped
    ),
    # Commands between nodes.
    "ayes_forwards": Declared(
        "counter",
        "Commands sent to another node, the home of their event.",
        lambda n: n.homes.counts.forwarded,
    ),
    "ayes_forwards_answered": Declared(
        "counter", "Those that the home has answered.", lambda n: n.homes.counts.answered
    ),
    "ayes_forwards_received": Declared(
        "counter",
        "Commands of other nodes, for events at home here.",
        lambda n: n.homes.counts.received,
    ),
    "ayes_forwards_waiting": Declared(
        "gauge", "Commands that wait for the answer of a home.", lambda n: n.homes.waiting()
    ),
    "ayes_forwards_local": Declared(
        "counter",
        "Commands decided at their socket's node since their home failed, by cause.",
        reading.forwards_local,
        ("cause",),
    ),
    "ayes_letters_refused": Declared(
        "counter",
        "Letters of other nodes that were not believed, by cause.",
        reading.letters_refused,
        ("cause",),
    ),
    # Budgets.
    "ayes_budget_used_ratio": Declared(
        "gauge", "Used part of what this node may use, 1 at its bound.", reading.used, ("budget",)
    ),
    "ayes_budget_refused": Declared(
        "counter",
        "Requests refused since a budget was used up.",
        reading.refused,
        ("budget",),
    ),
}
