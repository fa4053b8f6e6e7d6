"""Fixtures of these tests: running servers, a Redis, faults."""

from tests.fixtures.redis import redis_of_a_kind, redis_server
from tests.fixtures.servers import migrated_url, server, start
from tests.promises.bus_steps import eavesdropper, no_sweep
from tests.promises.faulting import spoiled

__all__ = [
    "eavesdropper",
    "migrated_url",
    "no_sweep",
    "redis_of_a_kind",
    "redis_server",
    "server",
    "spoiled",
    "start",
]
