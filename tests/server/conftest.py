"""Running servers, as the tests of the promises have them."""

from tests.promises.conftest import migrated_url, server, start

__all__ = ["migrated_url", "server", "start"]
