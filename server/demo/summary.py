"""What the demo tells at its end."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.demo.address import socket_url
from server.demo.bars import needed
from server.demo.ledger import Ledger


def sum_up(console: Console, ledger: Ledger, state: dict[str, Any], seq: int) -> None:
    """The tallies by the server beside the votes that were sent, and the figures."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("proposal", no_wrap=True, overflow="ellipsis")
    for head in ("votes given", "counted"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("decided", no_wrap=True, style="green")
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


def how_to_go_on(console: Console, url: str) -> None:
    """Where the server listens, and how to speak to it."""
    console.print(f"\nThe server goes on at [bold]{url}[/] until Ctrl-C. To speak to it yourself:")
    console.print("  [bold]ayes token --user you --name You[/]   prints a token")
    console.print(f"  [bold]websockets {socket_url(url)}[/]   opens a socket; then")
    console.print('  [bold]{"type":"hello","token":"…"}[/]   see docs/protocol.md')
