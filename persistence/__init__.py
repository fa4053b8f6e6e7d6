"""Store events. The folders, from the ground up:

    private_files.py  files that must belong to this process's user alone
    database          PostgreSQL as a service: pool, statements, tables, errors
    embedded          the PostgreSQL that Ayes starts by itself
    migrations        the changes of the schema, in order
    event             one event in memory: records, state, loading
    journal           the journal, and the locked transaction that appends to it
    queries           reads outside the locked transaction

No rule of the domain is here; ``handlers`` decides.
"""
