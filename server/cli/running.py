"""Parts of all commands: the settings as flags, and work on the database."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg

from persistence.database.pool import Database
from persistence.embedded.postgres import EmbeddedPostgresError
from server.config import loading
from server.config.database_url import database_url
from server.config.settings import SETTINGS, Settings


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every setting; it wins over the environment."""
    group = parser.add_argument_group("settings", "each also as AYES_… in the environment")
    for name, rule in SETTINGS.items():
        flag = "--" + name.replace("_", "-")
        group.add_argument(flag, dest=name, metavar=name.upper(), help=rule.help.replace("%", "%%"))


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Return the settings of a command."""
    return loading.load({name: getattr(arguments, name) for name in SETTINGS})


def with_database(
    arguments: argparse.Namespace, work: Callable[[Database], Coroutine[Any, Any, None]]
) -> int:
    """Run ``work`` on the configured database, or the embedded one, which need not run."""
    from server.cli.audit import AuditError

    settings = settings_of(arguments)

    async def run(url: str) -> None:
        database = Database(url, connections=2)
        await database.open()
        try:
            await work(database)
        finally:
            await database.close()

    try:
        with database_url(settings) as url:
            asyncio.run(run(url))
    except BrokenPipeError:
        raise
    except (AuditError, EmbeddedPostgresError, asyncpg.PostgresError, OSError) as err:
        print(f"ayes: {err}", file=sys.stderr)
        return 1
    return 0
