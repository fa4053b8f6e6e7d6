"""The server process. A map: the folders from the ground up, and the way of a vote through them.

    config      what the operator said: settings and addresses
    limits      how much of the server one client may use: rates, shares, places
    identity    who a client is: tokens, keys, revocations, origins
    measures    what the parts of a node count, for the metrics
    bus         the port between nodes; in memory and Redis behind it
    transport   the bytes of one connection; all that touches uvicorn and websockets
    rooms       the committed view of each event; no socket is known here, only an ``Outlet``
    homes       where an event's commands are decided while several nodes use it
    totals      what one user has used over all nodes together
    services    what a request means, over a WebSocket or HTTP; the server's own work
    sessions    one WebSocket, from ``hello`` to its close
    node.py     builds the parts and wires them; it decides nothing
    observability  the lines of the log; traces
    http        commands, queries and streams over HTTP; probes, metrics, published contract
    admin       what the person on call sees and does, over HTTP
    page        the page and the JavaScript SDK as files; local sign-in
    app.py      the routes
    stop_signals.py  SIGTERM and SIGINT
    process.py  from settings to a running server, and from a signal to its end
    processes   several of these processes behind one port
    doctor      looks at all that a server needs, without one
    demo, cli   ``ayes demo`` and the other commands
    test_clock.py  moves the clock of a test's database; no other module knows it

A module imports from folders above its own in this list, never from below, and no modules import
each other in a circle (``tests/test_house.py``). What a folder needs of a later one, it states as a
``Protocol`` of its own.

A vote's way in: ``transport.guard`` (bytes), ``transport.frame_reader`` (frames),
``sessions.session`` (messages), ``services.command_router`` (budgets, membership),
``handlers.lanes`` (the lane and its transaction), ``handlers.commands.votes`` (the decision),
``persistence.journal.transaction`` (the rows). Its way out: ``sessions.outbound`` for the ack;
``rooms.registry``, ``rooms.room``, ``rooms.subscription`` and ``transport.socket_transport`` for
the diff.
"""
