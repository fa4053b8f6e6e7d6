"""Where the database is, for commands that are no server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from persistence.embedded.postgres import EmbeddedPostgres
from server.config.settings import Settings


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The configured database's URL, or the embedded one's.

    A running server's embedded database is used as it runs; else it is started, and stopped again.
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
