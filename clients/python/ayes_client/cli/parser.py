"""The parser of the command line, made from the table of its commands."""

from __future__ import annotations

import argparse
import os
from datetime import datetime

from ayes_client.cli.completion import SHELLS
from ayes_client.cli.verbs import VERBS
from ayes_client.ids import is_id
from ayes_client.version import VERSION

#: Where a server with default settings listens.
DEFAULT_URL = "http://127.0.0.1:8400"
#: Seconds for the connection and the answer together. Beyond, the command ends with a status.
DEFAULT_TIMEOUT_S = 30.0


def build_parser(prog: str = "ayes-client") -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Propose, vote and decide on an Ayes server.",
        epilog="Exit status: 0 done, 2 usage, 3 refused, 4 to be changed first, 5 token not "
        "accepted, 6 unknown (send the same --id again), 7 no server reached. Of wait: 8 not "
        "carried, 9 not in time.",
    )
    parser.add_argument("--version", action="version", version=f"{prog} {VERSION}")
    _add_connection(parser, top=True)
    commands = parser.add_subparsers(
        title="commands", dest="verb", required=True, metavar="COMMAND"
    )
    for verb in VERBS:
        sub = commands.add_parser(verb.name, help=verb.help, description=_sentence(verb.help))
        verb.add(sub)
        if verb.has_id:
            _add_command(sub)
        _add_connection(sub, top=False)
    completion = commands.add_parser("completion", help="print the completion script of a shell")
    completion.add_argument("shell", choices=SHELLS)
    return parser


def _add_command(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that changes something."""
    parser.add_argument(
        "--id",
        type=_id,
        metavar="ID",
        help="the command's idempotency id; the same one again has no second effect",
    )
    parser.add_argument(
        "--not-after",
        type=_deadline,
        metavar="SECONDS|TIME",
        help="past it, no effect: seconds from now, or a time with its zone (2026-12-01T12:00Z)",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="send it over the present connection only, never again after a reconnect",
    )


def _add_connection(parser: argparse.ArgumentParser, *, top: bool) -> None:
    """Add the options of every command; they may stand before it or after it."""
    hidden = argparse.SUPPRESS
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--url",
        default=os.environ.get("AYES_URL") or DEFAULT_URL if top else hidden,
        help=f"the server's address (or AYES_URL; else {DEFAULT_URL})",
    )
    group.add_argument(
        "--token",
        default=None if top else hidden,
        help="a token; better in AYES_TOKEN or a file, where no process list shows it",
    )
    group.add_argument(
        "--token-file",
        metavar="FILE",
        default=None if top else hidden,
        help="a file that holds the token; read again when a new one is needed",
    )
    group.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        default=None if top else hidden,
        help="for the connection and the answer together "
        f"(default {DEFAULT_TIMEOUT_S:g}; wait: no end once connected)",
    )
    group.add_argument(
        "--json",
        action="store_true",
        default=False if top else hidden,
        help="print JSON, one object a line; errors too",
    )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _id(text: str) -> str:
    if not is_id(text):
        raise argparse.ArgumentTypeError("an id has 8 to 64 of A-Z a-z 0-9 _ -")
    return text


def _deadline(text: str) -> datetime | float:
    """Parse ``--not-after``: seconds from now, or a time with its zone."""
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if 0 <= seconds < float("inf"):
            return seconds
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from now")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither seconds nor a time") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} has no zone: add Z, or an offset such as +02:00"
        )
    return moment


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds
