"""Running servers."""

from tests.fixtures.servers import migrated_url, server, start

__all__ = ["migrated_url", "server", "start"]
