"""Runs one command of the command line, with its deadline and its exit status."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ayes_client._connection.tokens import Token
from ayes_client.cli.acting import repeat_options, sent_id
from ayes_client.cli.completion import script
from ayes_client.cli.exits import (
    EXIT_BROKEN_PIPE,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_TIME_OVER,
    EXIT_UNKNOWN,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    status_of,
)
from ayes_client.cli.output import Output, UsageError
from ayes_client.cli.parser import DEFAULT_TIMEOUT_S, build_parser
from ayes_client.cli.pasted import check_text, token_in, token_text
from ayes_client.cli.verbs import VERBS
from ayes_client.client import Client
from ayes_client.errors import AyesError, Unreachable


def main(argv: Sequence[str] | None = None, prog: str = "ayes-client") -> int:
    """Run the command of ``argv``, and return its exit status."""
    # The log's warnings are printed here as messages of this program.
    logging.getLogger("ayes_client").addHandler(logging.NullHandler())
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A command has its effect before it is printed: no terminal is to make an error of it.
            with contextlib.suppress(OSError):
                stream.reconfigure(errors="backslashreplace")
    parser = build_parser(prog)
    arguments = parser.parse_args(argv)
    output = Output(prog, json=arguments.json)
    try:
        check_text(sys.argv[1:] if argv is None else argv)
        if arguments.verb == "completion":
            sys.stdout.write(script(parser, arguments.shell))
            return EXIT_DONE
        return asyncio.run(_run(arguments, output))
    except UsageError as err:
        output.complain(str(err))
        return EXIT_USAGE
    except BrokenPipeError:
        # Print nothing more, not even at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _token(arguments: argparse.Namespace) -> Token:
    if arguments.token is not None and arguments.token_file is not None:
        raise UsageError("--token and --token-file exclude each other")
    if arguments.token_file is not None:
        path = Path(arguments.token_file)

        def read() -> str:
            return token_in(path)

        try:
            read()
        except OSError as err:
            raise UsageError(f"--token-file {path}: {err.strerror}") from None
        except UnicodeDecodeError:
            raise UsageError(f"--token-file {path}: it is not text") from None
        return read
    token = arguments.token or os.environ.get("AYES_TOKEN")
    if not token:
        raise UsageError(
            "there is no token: set AYES_TOKEN, or give --token-file "
            "(`ayes token --user NAME` makes one for a server of yours)"
        )
    return token_text(token)


async def _run(arguments: argparse.Namespace, output: Output) -> int:
    verb = next(verb for verb in VERBS if verb.name == arguments.verb)
    try:
        client = Client(arguments.url, _token(arguments), name=output.prog)
    except ValueError as err:
        raise UsageError(f"--url: {err}") from None
    given = getattr(arguments, "id", None)
    try:
        async with asyncio.timeout(arguments.timeout or DEFAULT_TIMEOUT_S) as deadline:
            async with client:
                if verb.endless and not (verb.may_be_timed and arguments.timeout):
                    deadline.reschedule(None)
                return await verb.run(client, arguments, output)
    except Unreachable as err:
        return _failed(output, err, EXIT_UNREACHABLE)
    except TimeoutError:
        sent = sent_id(arguments)
        if sent is not None:
            again = repeat_options(arguments)
            output.complain(f"not answered in time; `{again}` with the same words settles it")
            output.print_unknown(sent)
            return EXIT_UNKNOWN
        if verb.may_be_timed and client.user is not None:
            output.complain(f"it did not happen within {arguments.timeout:g} s")
            return EXIT_TIME_OVER
        trouble = client.trouble if client.user is None else "no answer in time"
        where = f"{arguments.url}: {trouble or 'no answer'}"
        return _failed(output, Unreachable(where, id=given), EXIT_UNREACHABLE)
    except AyesError as err:
        return _failed(output, err, status_of(err))


def _failed(output: Output, error: AyesError, status: int) -> int:
    output.error(error)
    return status
