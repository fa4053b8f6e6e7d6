"""Fixtures of these tests: running servers and a Redis."""

from tests.fixtures.redis import redis_of_a_kind, redis_server
from tests.fixtures.servers import migrated_url, server, start

__all__ = ["migrated_url", "redis_of_a_kind", "redis_server", "server", "start"]
