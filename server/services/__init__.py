"""Commands and queries, whether they came by WebSocket or HTTP, and the server's background work.

    command_router  a command's way to the lane of its event: budgets, membership
    queries         queries, each answered once
    participation   who said what about a proposal, and who took part
    previews        a cache of the answers to ``event.preview_policy``
    identities      the user of a token, and whether the token was revoked
    users           the rows of users
    welcome         the ``welcome`` message
    streams         the open HTTP streams of the node
    entropy         random bytes for commands
    timers          commands for proposals that have opened or expired
    pruning         the deletion of old final errors
    draining        whether the node is going away, and when its clients should come back
    freed_memory    unused memory, returned to the operating system
    running_tasks   tasks that outlive the socket that began them

Nothing here knows the transport of a request; ``sessions`` and ``http`` do.
"""
