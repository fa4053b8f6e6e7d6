"""The summary at the end of a demo."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.demo.address import socket_url
from server.demo.bars import needed
from server.demo.ledger import Ledger

#: The longest word on how something was decided; the proposal's words give way to it.
_DECIDED_WIDTH = len("accepted by an admin")


def sum_up(console: Console, ledger: Ledger, state: dict[str, Any], seq: int) -> None:
    """Make a table of the server's tallies and the sent votes, with the figures."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("proposal", no_wrap=True, overflow="ellipsis")
    for head in ("votes given", "counted"):
        table.add_column(head, justify="right", no_wrap=True, min_width=len(head))
    table.add_column("decided", style="green", no_wrap=True, min_width=_DECIDED_WIDTH)
    for id, proposal in state["proposals"].items():
        carried = needed(proposal, state["event"], state["counts"])
        by = "votes" if proposal["resolution"] == "auto_votes" else "an admin"
        table.add_row(
            Text(proposal["content"]),
            str(len(ledger.votes.get(id, ()))),
            f"{proposal['agree']} of {carried}",
            f"{proposal['status']} by {by}",
        )
    console.print()
    console.print(table)
    chosen = state["results"]["options"][0]
    console.print(
        Text.assemble(
            "\nThe group chose: ",
            (state["options"][chosen["option"]]["content"], "bold green"),
            f", with {chosen['votes']} of {state['results']['ballots']} ballots.",
        )
    )
    votes = sum(len(users) for users in ledger.votes.values())
    console.print()
    for line in (
        f"{len(ledger.commands)} commands, sent {ledger.frames} times",
        f"{ledger.acks} acks: {ledger.replays} replayed, {ledger.unapplied} of a command with "
        f"nothing to change; {ledger.refusals} refused",
        f"{ledger.votes_sent} times a vote was sent, {votes} votes were given, "
        f"{sum(p['agree'] for p in state['proposals'].values())} are counted",
        f"positions 1 … {seq}, none missing, none twice; all sockets hold the same room",
    ):
        console.print(Text.assemble(("  ✓ ", "bold green"), line))
    console.print("\n[bold green]Every vote counted once.[/]")


def how_to_go_on(console: Console, url: str, event: str) -> None:
    """Print the server's address, and commands to try next."""
    ayes, websockets = program("ayes"), program("websockets")
    console.print(f"\nThe server goes on at [bold]{url}[/] until Ctrl-C. From another terminal:\n")
    for command, what in (
        (f"{ayes} verify {event}", "proves this decision's journal, line by line"),
        (f"{ayes} token --user you --name You", "prints a token"),
        (f"{websockets} {socket_url(url)}", 'opens a socket; then {"type":"hello","token":"…"}'),
    ):
        console.print(Text.assemble("  ", (command, "bold"), "\n", (f"      {what}", "dim")))
    console.print("\nWhat else can be said there: docs/protocol.md")


def program(name: str) -> str:
    """How to call a program that was installed with this server."""
    if shutil.which(name) is not None:
        return name
    path = Path(sys.executable).with_name(name)
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
