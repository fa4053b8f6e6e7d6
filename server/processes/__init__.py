"""Several server processes on one machine: ``ayes serve --processes 4``.

    supervisor  starts the processes, starts an ended one again, stops all
    child       one of them: ``python -m server.processes.child``
    start       what a child is given by the supervisor
    own_redis   a Redis for them alone, if none is given

All accept from one listening socket. To PostgreSQL and Redis they are several servers.
"""
