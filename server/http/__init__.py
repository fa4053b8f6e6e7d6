"""HTTP and Server-Sent Events: commands, queries, streams, metrics, the published contract.

    api              the routes of the protocol over HTTP
    endpoint         authentication, the user's limits and errors, for every route
    body             a request's body, bounded in bytes and time
    answers          JSON answers and errors
    conditional      ``ETag`` and ``If-None-Match``
    cors             the origins that may send requests
    entry            tokens for guests and invited people
    stream           a room as one snapshot, or as a stream of Server-Sent Events
    published        the protocol as JSON Schema, AsyncAPI and OpenAPI documents
    probes           ``/healthz`` and ``/readyz``
    metric_table     every metric, declared once
    metric_readings  how metrics with labels are read
    metrics          ``/metrics``
    metrics_port     ``/metrics`` on an address of its own
    process_metrics  ``/metrics`` of several processes behind one port

Commands and queries are answered by ``server.services``; the web page is in ``server.page``.
"""
