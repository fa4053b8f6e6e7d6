"""Parts of all commands: the settings as flags, and work on the database."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import asyncpg

from persistence.database.pool import Database
from persistence.embedded.postgres import EmbeddedPostgresError
from server.config import loading
from server.config.database_url import database_url
from server.config.settings import SETTINGS, Settings


class _HelpFormatter(argparse.HelpFormatter):
    """Leaves the settings, some fifty, out of the line of usage."""

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        """Add the usage with the command's own arguments."""
        own = [action for action in actions if action.dest not in SETTINGS]
        super().add_usage(usage, own, groups, prefix)


def add_verb(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    *,
    lists_settings: bool = False,
) -> argparse.ArgumentParser:
    """Add the command ``name``, which takes every setting as a flag, over the environment.

    ``lists_settings``: its help lists the settings; that of other commands says where they are.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        formatter_class=_HelpFormatter,
    )
    where = "each also as AYES_… in the environment"
    if not lists_settings:
        where = "each is an option, as ayes serve --help lists them; " + where
    group = parser.add_argument_group("settings", where)
    for setting, rule in SETTINGS.items():
        group.add_argument(
            "--" + setting.replace("_", "-"),
            dest=setting,
            metavar=setting.upper(),
            help=rule.help.replace("%", "%%") if lists_settings else argparse.SUPPRESS,
        )
    return parser


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Return the settings of a command. Raises ``SettingsError``."""
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
