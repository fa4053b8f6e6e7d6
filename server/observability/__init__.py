"""The log and the traces of a running node. Metrics are in ``server/http``.

    log_format   a line of the log, as text or as JSON
    command_log  a line for each command, at level ``debug``
    traces       a span for each command and for each transaction; needs OpenTelemetry

Nothing here decides, and nothing here is needed for a decision.
"""
