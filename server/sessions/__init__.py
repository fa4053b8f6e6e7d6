"""One WebSocket from ``hello`` to its close: phases, requests, answers, keepalive.

    endpoint        ``GET /v1/socket``: from the upgrade of a connection to its end
    session         the session: the messages that come in, the answers that go out
    phase           its phases
    handshake       ``hello`` within its time, the token checked, ``welcome``
    inbound_queue   inbound messages in order, while an earlier one awaits I/O
    flood           the message rate of one socket
    request_worker  subscriptions, queries and new snapshots, one after another
    outbound        acks and errors, merged into few writes
    arrays          answers joined into JSON arrays
    delivery        large frames, each counted against its user's share of memory
    speaker         the port from these parts to their session
    context         the parts of the node that a session uses
    open_sockets    the sockets of the node: counted, closed by a revocation or a drain
    keepalive       heartbeats, silent sockets, expired tokens, presence

Bytes and frames are in ``server.transport``; what a request means is in ``server.services``.
"""
