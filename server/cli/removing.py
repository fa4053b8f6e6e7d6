"""``ayes erase`` and ``ayes delete``: their arguments."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocol.errors import RetryableError
from protocol.text import check_id
from server.cli.running import add_verb, settings_of, with_database
from server.config.loading import SettingsError

if TYPE_CHECKING:
    from persistence.database.pool import Database


def add_verbs(commands: argparse._SubParsersAction[Any]) -> None:
    """Add both commands and their arguments."""
    erase = add_verb(commands, "erase", "take a person's name and words out of events")
    erase.add_argument("--user", required=True, help="the user's id (sub)")
    erase.add_argument("--event", help="only this event; without it, all, and the user's own row")
    erase.set_defaults(run=_erase)

    delete = add_verb(commands, "delete", "export an event, then delete it")
    delete.add_argument("event", help="the event's id")
    delete.add_argument(
        "--export", required=True, type=Path, metavar="FILE", help="where the export goes; new"
    )
    delete.add_argument(
        "--damaged", action="store_true", help="delete it even if its export does not verify"
    )
    delete.set_defaults(run=_delete)


def _erase(arguments: argparse.Namespace) -> int:
    from server.cli import erasing

    user: str = arguments.user
    try:
        check_id(user, "user")
    except RetryableError as err:
        raise SettingsError(f"--user: {err}") from None
    limits = settings_of(arguments).domain()

    async def work(database: Database) -> None:
        async for line in erasing.erase(database, user, arguments.event, limits):
            print(line, flush=True)

    return with_database(arguments, work)


def _delete(arguments: argparse.Namespace) -> int:
    from server.cli import deleting

    async def work(database: Database) -> None:
        path: Path = arguments.export
        print(await deleting.delete(database, arguments.event, path, damaged=arguments.damaged))

    return with_database(arguments, work)
