"""The database's URL for commands other than ``ayes serve``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from persistence.embedded.postgres import EmbeddedPostgres
from server.config.settings import Settings


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """Yield the configured database's URL, or the embedded one's.

    If a server runs the embedded database, its URL is used. Otherwise the database is started, and
    stopped at the end. Raises ``EmbeddedPostgresError`` if it cannot run.
    """
    if settings.database_url is not None:
        yield settings.database_url
        return
    embedded = EmbeddedPostgres(settings.data_dir)
    running = embedded.running_url()
    if running is not None:
        yield running
        return
    url = embedded.start()
    try:
        yield url
    finally:
        embedded.stop()
