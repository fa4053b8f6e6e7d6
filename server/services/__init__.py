"""Commands and queries, whether they came by WebSocket or HTTP, and the server's background work.

Nothing here knows the transport of a request; ``sessions`` and ``http`` do.
"""
