"""The command line: ``ayes serve | token | revoke | demo | journal | …``; ``ayes --help``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from persistence.database.pool import Database
from persistence.event.limits import SETTABLE
from protocol.errors import RetryableError
from protocol.text import check_id, escaped
from server.cli import admin, client, removing, token
from server.cli.running import add_verb, settings_of, with_database
from server.config import loading
from server.config.loading import SettingsError
from server.config.start_error import StartError
from server.config.unread import cure, unread
from server.config.version import ayes_version

#: The exit statuses that shells use for a command that SIGPIPE or SIGINT ended.
EXIT_BROKEN_PIPE = 141
EXIT_INTERRUPTED = 130

_KEEPING = {
    "backup": "write the embedded database to a file",
    "restore": "put a backup in the place of the embedded database",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status."""
    given = sys.argv[1:] if argv is None else list(argv)
    if client.is_asked(given):
        return client.forward(given)
    try:
        arguments = build_parser().parse_args(given)
        status: int = arguments.run(arguments)
    except SettingsError as err:
        print(f"ayes: {err}", file=sys.stderr)
        return 2
    except StartError as err:
        print(f"ayes: {err}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of the output has closed it; print nothing more, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return status


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="ayes",
        description="A realtime decision server: every vote counts exactly once.",
        epilog=client.HELP,
    )
    parser.add_argument("--version", action="version", version=f"ayes {ayes_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    serve = add_verb(commands, "serve", "run the server", lists_settings=True)
    serve.add_argument("--demo", action="store_true", help="let bots decide something, and show it")
    serve.set_defaults(run=_serve)

    making = add_verb(commands, "token", "print a token for a user, or check one")
    token.add_arguments(making)
    making.set_defaults(run=_token)

    revoke = add_verb(commands, "revoke", "refuse the tokens a user has, and close sockets")
    revoke.add_argument("--user", required=True, help="the user's id (sub)")
    revoke.add_argument(
        "--before",
        default="now",
        metavar="TIME",
        help="refuse tokens issued before: now (default), or a time with its zone, such as "
        "2026-11-23T08:00:00Z",
    )
    revoke.set_defaults(run=_revoke)

    demo = add_verb(commands, "demo", "let bots decide something, and show the room")
    demo.add_argument("--url", help="a running server's address; without it, one is started")
    demo.set_defaults(run=_demo)

    check = add_verb(
        commands, "check-config", "print the settings, secrets masked", lists_settings=True
    )
    check.set_defaults(run=_check_config)

    doctor = add_verb(commands, "doctor", "look at all that a server needs; changes nothing")
    doctor.add_argument("--json", action="store_true", help="print one JSON object a line")
    doctor.add_argument("--strict", action="store_true", help="fail on warnings as well")
    doctor.set_defaults(run=_doctor)

    admin_door = commands.add_parser("admin", help="ask a running server, with the admin's token")
    admin.add_verbs(admin_door)
    admin_door.set_defaults(run=_admin)

    journal = add_verb(commands, "journal", "print an event's journal")
    journal.add_argument("event", help="the event's id")
    journal.add_argument("--after", type=int, default=0, help="only entries after this one")
    journal.add_argument("--follow", action="store_true", help="continue with new entries")
    journal.set_defaults(run=_journal)

    verify = add_verb(commands, "verify", "prove an event's journal, or an exported one")
    verify.add_argument("what", metavar="EVENT|FILE", help="the event's id, or an export")
    verify.add_argument(
        "--strict",
        action="store_true",
        help="fail if an entry has no recorded limits",
    )
    verify.set_defaults(run=_verify)

    export = add_verb(commands, "export", "print an event's journal as JSON Lines")
    export.add_argument("event", help="the event's id")
    export.add_argument(
        "--public", action="store_true", help="leave out who voted for what, and all ballots"
    )
    export.set_defaults(run=_export)

    removing.add_verbs(commands)

    limits = add_verb(commands, "limits", "show or change an event's limits")
    which = limits.add_mutually_exclusive_group(required=True)
    which.add_argument("event", nargs="?", help="the event's id")
    which.add_argument("--all", action="store_true", help="every event")
    limits.add_argument("--adopt", action="store_true", help="set all limits to the settings")
    limits.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set one limit, such as comments_shown=100; may be repeated",
    )
    limits.set_defaults(run=_limits)

    epoch = add_verb(commands, "new-epoch", "after a restore: make every client discard lost steps")
    epoch.add_argument("event", nargs="?", help="one event's id; without it, all events")
    epoch.set_defaults(run=_new_epoch)

    for verb, summary in _KEEPING.items():
        keep = add_verb(commands, verb, summary)
        keep.add_argument("file", type=Path)
        keep.set_defaults(run=partial(_keep, verb))

    newer = add_verb(
        commands, "upgrade-postgres", "bring the embedded database to this version's PostgreSQL"
    )
    newer.add_argument(
        "--programs", type=Path, metavar="FOLDER", help="where the older PostgreSQL's programs are"
    )
    newer.set_defaults(run=_upgrade_postgres)

    migrate = add_verb(commands, "migrate", "bring the database's schema up to date")
    migrate.set_defaults(run=_migrate)
    return parser


def _serve(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    if arguments.demo:
        from server import demo

        return demo.serve_and_show(settings)
    if settings.processes > 1:
        from server.processes import supervisor

        return supervisor.run(settings)
    from server import process

    return process.run(settings)


def _demo(arguments: argparse.Namespace) -> int:
    from server import demo

    return demo.run(settings_of(arguments), arguments.url)


def _token(arguments: argparse.Namespace) -> int:
    return token.run(arguments, settings_of(arguments))


def _revoke(arguments: argparse.Namespace) -> int:
    from persistence.queries import revocations

    try:
        user = arguments.user
        check_id(user, "user")
        moment = None if arguments.before == "now" else datetime.fromisoformat(arguments.before)
    except (RetryableError, ValueError) as err:
        raise SettingsError(f"--user or --before: {err}") from None
    if moment is not None and moment.tzinfo is None:
        raise SettingsError(f"--before: {arguments.before} does not say in which zone (try …Z)")

    async def revoke(database: Database) -> None:
        before = await revocations.revoke(database, user, moment)
        print(f"tokens of {user} issued before {before.astimezone(UTC).isoformat()} are refused")

    return with_database(arguments, revoke)


def _check_config(arguments: argparse.Namespace) -> int:
    for variable, value in loading.printable(settings_of(arguments)).items():
        print(f"{variable}={value}")
    for name, meant in unread(os.environ):
        print(f"ayes: {name} is no setting: {cure(meant)}", file=sys.stderr)
    return 0


def _admin(arguments: argparse.Namespace) -> int:
    # The environment alone: a flag with the token would stand in the list of processes.
    url = arguments.url or os.environ.get("AYES_URL")
    return admin.run(arguments, loading.load(), url)


def _doctor(arguments: argparse.Namespace) -> int:
    from server.cli import doctor

    try:
        settings = settings_of(arguments)
    except SettingsError as err:
        return doctor.unreadable(err)
    return doctor.run(settings, as_json=arguments.json, strict=arguments.strict)


def _journal(arguments: argparse.Namespace) -> int:
    from server.cli import audit

    return with_database(
        arguments,
        lambda database: audit.show(
            database, arguments.event, after=arguments.after, follow=arguments.follow
        ),
    )


def _export(arguments: argparse.Namespace) -> int:
    from server.cli import audit

    async def export(database: Database) -> None:
        await audit.export(database, arguments.event, public=arguments.public)

    return with_database(arguments, export)


def _verify(arguments: argparse.Namespace) -> int:
    from server.cli import audit

    path = Path(arguments.what)
    if path.is_file():
        try:
            print(escaped(audit.verify_file(path, strict=arguments.strict)))
        except audit.AuditError as err:
            print(escaped(f"ayes: {err}"), file=sys.stderr)
            return 1
        return 0

    async def verify(database: Database) -> None:
        said = await audit.verify_event(database, arguments.what, strict=arguments.strict)
        print(escaped(said))

    return with_database(arguments, verify)


def _limits(arguments: argparse.Namespace) -> int:
    from persistence.journal.epochs import pages
    from server.cli import event_limits

    here = settings_of(arguments).domain()
    values = _limits_set(arguments.set)
    change = event_limits.adopting(here) if arguments.adopt else event_limits.setting(values)

    async def work(database: Database) -> None:
        async for ids in pages(database, None if arguments.all else arguments.event):
            for event in ids:
                if arguments.adopt or values:
                    await event_limits.change(database, event, change, here)
                found = await event_limits.recorded(database, event)
                print(*event_limits.described(event, found, here), sep="\n")

    return with_database(arguments, work)


def _limits_set(given: Sequence[str]) -> dict[str, int]:
    """Parse ``NAME=VALUE`` texts into limits. Raises ``SettingsError``."""
    values = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in SETTABLE:
            raise SettingsError(f"--set: {name!r} is none of {', '.join(SETTABLE)}")
        values[name] = getattr(loading.load({name: value}), name)
    return values


def _new_epoch(arguments: argparse.Namespace) -> int:
    from persistence.journal.epochs import renew

    async def work(database: Database) -> None:
        count = await renew(database, arguments.event)
        print(f"{count} events have a new epoch")

    return with_database(arguments, work)


def _keep(verb: str, arguments: argparse.Namespace) -> int:
    from server.cli import backup

    return backup.run(verb, settings_of(arguments), arguments.file)


def _upgrade_postgres(arguments: argparse.Namespace) -> int:
    from server.cli import postgres_version

    return postgres_version.run(settings_of(arguments), arguments.programs)


def _migrate(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    if settings.database_url is None:
        raise SettingsError(
            "ayes migrate needs AYES_DATABASE_URL; the embedded database "
            "is migrated when the server starts"
        )
    from persistence.database.connecting import UnfitDatabaseError
    from persistence.database.migrate import upgrade

    try:
        upgrade(settings.database_url)
    except UnfitDatabaseError as err:
        raise StartError(str(err)) from err
    except OSError as err:
        print(f"ayes: the database is out of reach: {err}", file=sys.stderr)
        return 1
    print("the schema is up to date")
    return 0
