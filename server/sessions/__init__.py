"""One WebSocket from ``hello`` to its close: phases, requests, answers, keepalive.

Bytes and frames are in ``server.transport``; what a request means is in ``server.services``.
"""
