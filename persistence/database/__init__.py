"""PostgreSQL as a service: the pool, statements, tables, migrations, and what its errors mean.

No rule of the domain is here, and no statement of one event's own.
"""
