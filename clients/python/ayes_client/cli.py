"""``ayes-client``: everything a member or an admin does, from a terminal or a script.

Exit statuses, which scripts may trust:

    0    done; also where the same id was answered before, or where there was nothing to change
    1    a defect of this program
    2    wrong usage: an argument, the address, or no token
    3    refused for good (the code is on stderr, or in the JSON)
    4    refused as it stands: something has to be changed first, then with a new id
    5    the token is not accepted
    6    unknown: sent, and not answered in time. The same --id, sent again, settles it
    7    no server was reached in time, or it could not take the command; nothing happened
    130  interrupted; 141: whoever read the output had enough
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ayes_client import cli_verbs as verbs
from ayes_client.cli_acting import sent_id
from ayes_client.cli_output import Output, UsageError
from ayes_client.client import Client
from ayes_client.completion import SHELLS, script
from ayes_client.errors import (
    AyesError,
    Closed,
    NeedsAuth,
    NeedsFix,
    OutboxError,
    Stopped,
    TryAgain,
    Unreachable,
)
from ayes_client.ids import is_id
from ayes_client.tokens import Token
from ayes_client.version import VERSION

#: Where a server listens that was told nothing else.
DEFAULT_URL = "http://127.0.0.1:8400"
#: Seconds for the connection and the answer together.
DEFAULT_TIMEOUT = 30.0

EXIT_DONE = 0
EXIT_DEFECT = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_FIX = 4
EXIT_AUTH = 5
EXIT_UNKNOWN = 6
EXIT_UNREACHABLE = 7
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None, prog: str = "ayes-client") -> int:
    """Run a command; the exit status."""
    parser = build_parser(prog)
    arguments = parser.parse_args(argv)
    output = Output(prog, json=arguments.json)
    try:
        if arguments.verb == "completion":
            sys.stdout.write(script(parser, arguments.shell))
            return EXIT_DONE
        return asyncio.run(_run(arguments, output))
    except UsageError as err:
        output.complain(str(err))
        return EXIT_USAGE
    except BrokenPipeError:
        # Say nothing more, not even at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def build_parser(prog: str = "ayes-client") -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Propose, vote and decide on an Ayes server.",
        epilog="Exit status: 0 done, 2 usage, 3 refused, 4 to be changed first, 5 token not "
        "accepted, 6 unknown (send the same --id again), 7 no server reached.",
    )
    parser.add_argument("--version", action="version", version=f"{prog} {VERSION}")
    _add_connection(parser, top=True)
    commands = parser.add_subparsers(
        title="commands", dest="verb", required=True, metavar="COMMAND"
    )
    for verb in verbs.VERBS:
        sub = commands.add_parser(verb.name, help=verb.help, description=_sentence(verb.help))
        verb.add(sub)
        if verb.has_id:
            sub.add_argument(
                "--id",
                type=_id,
                metavar="ID",
                help="the command's idempotency id; the same one again has no second effect",
            )
        _add_connection(sub, top=False)
    completion = commands.add_parser("completion", help="print the completion script of a shell")
    completion.add_argument("shell", choices=SHELLS)
    return parser


def _add_connection(parser: argparse.ArgumentParser, *, top: bool) -> None:
    """Options of every command, before it or after it."""
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
        default=DEFAULT_TIMEOUT if top else hidden,
        help=f"for the connection and the answer together (default {DEFAULT_TIMEOUT:g})",
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


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def _token(arguments: argparse.Namespace) -> Token:
    if arguments.token is not None and arguments.token_file is not None:
        raise UsageError("--token and --token-file exclude each other")
    if arguments.token_file is not None:
        path = Path(arguments.token_file)

        def read() -> str:
            return path.read_text().strip()

        try:
            read()
        except OSError as err:
            raise UsageError(f"--token-file {path}: {err.strerror}") from None
        except UnicodeDecodeError:
            raise UsageError(f"--token-file {path}: it is no text") from None
        return read
    token = arguments.token or os.environ.get("AYES_TOKEN")
    if not token:
        raise UsageError(
            "there is no token: set AYES_TOKEN, or give --token-file "
            "(`ayes token --user NAME` makes one for a server of yours)"
        )
    return str(token).strip()


async def _run(arguments: argparse.Namespace, output: Output) -> int:
    verb = next(verb for verb in verbs.VERBS if verb.name == arguments.verb)
    try:
        client = Client(arguments.url, _token(arguments), name=output.prog)
    except ValueError as err:
        raise UsageError(f"--url: {err}") from None
    given = getattr(arguments, "id", None)
    try:
        async with asyncio.timeout(arguments.timeout) as deadline:
            async with client:
                if verb.endless:
                    deadline.reschedule(None)
                return await verb.run(client, arguments, output)
    except Unreachable as err:
        return _failed(output, err, EXIT_UNREACHABLE)
    except TimeoutError:
        sent = sent_id(arguments)
        if sent is not None:
            output.complain(f"not answered in time; `--id {sent}` with the same words settles it")
            output.tell_unknown(sent)
            return EXIT_UNKNOWN
        trouble = client.trouble if client.user is None else "no answer in time"
        where = f"{arguments.url}: {trouble or 'no answer'}"
        return _failed(output, Unreachable(where, id=given), EXIT_UNREACHABLE)
    except AyesError as err:
        return _failed(output, err, status_of(err))


def _failed(output: Output, error: AyesError, status: int) -> int:
    output.error(error)
    return status


def status_of(error: AyesError) -> int:
    """The exit status that an error ends with."""
    match error:
        case NeedsAuth() | Closed():
            return EXIT_AUTH
        case _ if error.effect == "unknown":
            return EXIT_UNKNOWN
        case NeedsFix():
            return EXIT_FIX
        case Stopped() | TryAgain() | OutboxError() | Unreachable():
            return EXIT_UNREACHABLE
    return EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main())
