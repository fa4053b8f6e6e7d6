"""PostgreSQL as a service: the pool, statements, tables, migrations, and what its errors mean.

    tables         the tables
    migrate        migrations, under an advisory lock
    connecting     new connections, and their session settings
    pool           the pool of connections
    statements     SQL statements, compiled once
    packing        columns of many rows, each packed into one text
    histogram      measured values, counted in buckets
    probes         statements that read many rows by their keys
    batch_loader   one query for all the keys that are asked for meanwhile
    faults         an error's meaning for the batch that met it
    failures       errors of background work
    overload       the answer to clients while the database is out of reach
    periodic       work that is repeated until the server stops
    deployment     the id that all nodes on one database share
    instance_lock  no two servers on a database without a bus between them

No rule of the domain is here, and no statement of one event's own.
"""
