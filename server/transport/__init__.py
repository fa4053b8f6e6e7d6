"""The bytes of one connection: uvicorn's and websockets' protocol classes, bounded.

No message is understood here; ``server.sessions`` and ``server.http`` do that.
"""
