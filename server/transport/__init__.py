"""The bytes of one connection: the protocol classes of uvicorn and websockets, with limits.

    budgets           the limits on one connection
    guard             the WebSocket protocol class, with limits on what a connection may cost
    guard_http        the HTTP protocol class: deadlines, sizes, unread responses
    frame_reader      input: frames counted, messages assembled
    frames            WebSocket frames as bytes
    slices            input read in slices, so that sockets take turns
    receive_queue     the queue between a socket and its ASGI application
    socket_transport  output: the direct path from a session to its socket
    deflate           compressed room frames
    stall_detector    unsent output that makes no progress
    lobby             connections that wait for their client
    large_answers     large answers in flight, of one user and in all
    http_scheduler    the event loop's time for HTTP requests
    user_requests     one user's HTTP requests and idle connections
    repeats           log lines that a client can repeat

Nothing here knows what a message means: ``server.sessions`` and ``server.http`` do.
"""
