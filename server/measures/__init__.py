"""Counters and measurements of a node, for ``/metrics``.

    counters    sockets, rooms and refusals, counted by the parts of the node
    event_loop  the lag of the event loop, and the pauses of the garbage collector
    database    PostgreSQL's own statistics

Each metric is declared in ``server/http/metric_table.py``.
"""
