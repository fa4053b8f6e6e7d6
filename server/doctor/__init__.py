"""``ayes doctor``: looks at everything that a server depends on, and says what to do.

    finding    one line of the report
    settings   settings that do not go together; variables with a typing error
    database   PostgreSQL: version, durability, sessions, schema, connections, clock
    sessions   sessions that hold others up: locks, forgotten transactions
    writing    whether the database writes now, and how fast
    redis      Redis: reachable, its rights, its kind
    issuer     the keys of tokens, and the issuer's clock
    machine    open files, disk
    way_in     the public address, proxies, origins
    report     all of them, in order, each with a deadline

Nothing is changed, but for a temporary table of a moment, and no server needs to run. Findings
are values; ``server/cli`` prints them.
"""
