"""``ayes vote`` and the like: what a member does, forwarded to ``ayes_client`` if it is there.

The server needs nothing of its clients, and is installed without them. The names below are the
client's; a test compares them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

#: Commands that are the client's.
COMMANDS = (
    *("events", "status", "watch", "overview", "create", "join", "admit", "deny"),
    *("start", "pause", "resume", "finish", "propose", "vote", "retract"),
    *("approve", "reject", "withdraw", "comment", "ballot", "results", "send", "completion"),
)
HELP = (
    "As a member of an event, where the package ayes-client is installed: "
    f"{', '.join(COMMANDS)}. See ayes-client --help."
)
#: What shells say of a command that is not there.
EXIT_NOT_INSTALLED = 127


def is_asked(arguments: Sequence[str]) -> bool:
    """Whether the client is meant."""
    return bool(arguments) and arguments[0] in COMMANDS


def forward(arguments: Sequence[str]) -> int:
    """Run the client's command; its exit status, or 127 where it is not installed."""
    if find_spec("ayes_client") is None:
        print(
            f"ayes: `ayes {arguments[0]}` is a command of the client, which is not installed here: "
            "in a checkout, pip install ./clients/python brings it",
            file=sys.stderr,
        )
        return EXIT_NOT_INSTALLED
    from ayes_client.cli import main

    return main(arguments, "ayes")
