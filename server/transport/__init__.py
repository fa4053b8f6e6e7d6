"""The bytes of one connection: the protocol classes of uvicorn and websockets, with limits.

``guard.py`` and ``guard_http.py`` are the protocol classes, ``frame_reader.py`` reads input,
``socket_transport.py`` writes output, and ``budgets.py`` holds the limits. Nothing here knows what
a message means: ``server.sessions`` and ``server.http`` do.
"""
