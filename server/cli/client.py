"""Forwards a member's commands, such as ``ayes vote``, to ``ayes_client`` if it is installed.

The server does not depend on its clients, and is installed without them. A test compares the names
below with the client's.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

#: Commands of the client.
COMMANDS = (
    *("events", "status", "watch", "wait", "overview", "create", "join", "invite", "admit", "deny"),
    *("start", "pause", "resume", "finish", "propose", "vote", "retract"),
    *("approve", "reject", "withdraw", "comment", "ballot", "results", "send", "completion"),
)
HELP = (
    "As a member of an event, where the package ayes-client is installed: "
    f"{', '.join(COMMANDS)}. See ayes-client --help."
)
#: A shell's exit status for a command that does not exist.
EXIT_NOT_INSTALLED = 127


def is_asked(arguments: Sequence[str]) -> bool:
    """Return whether the arguments name a command of the client."""
    return bool(arguments) and arguments[0] in COMMANDS


def forward(arguments: Sequence[str]) -> int:
    """Run the client's command; return its exit status, or 127 if it is not installed."""
    if find_spec("ayes_client") is None:
        print(
            f"ayes: `ayes {arguments[0]}` is a command of the client, which is not installed here: "
            "in a checkout, pip install ./clients/python brings it",
            file=sys.stderr,
        )
        return EXIT_NOT_INSTALLED
    from ayes_client.cli import main

    return main(arguments, "ayes")
