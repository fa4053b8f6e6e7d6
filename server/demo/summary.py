"""What the demo tells at its end."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.demo.address import socket_url
from server.demo.bars import needed, tally
from server.demo.ledger import Ledger


def sum_up(console: Console, ledger: Ledger, state: dict[str, Any], seq: int) -> None:
    """The tallies by the server beside the votes that were sent, and the figures."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("proposal", "", "votes acknowledged", "the server counts", "", "decided"):
        justify = "right" if head.startswith(("votes", "the")) else "left"
        table.add_column(head, justify=justify, no_wrap=head != "")
    for id, proposal in state["proposals"].items():
        given = len(ledger.votes.get(id, ()))
        by = "by votes" if proposal["resolution"] == "auto_votes" else "by an admin"
        table.add_row(
            Text(id, "dim"),
            proposal["content"],
            str(given),
            Text(f"{proposal['agree']} of {needed(proposal, state['event'], state['counts'])}"),
            "",
            Text(f"{proposal['status']} {by}", "green"),
        )
    console.print()
    console.print(table, soft_wrap=not console.is_terminal)
    votes = sum(len(users) for users in ledger.votes.values())
    console.print()
    for line in (
        f"{len(ledger.commands)} commands, sent {ledger.frames} times",
        f"{ledger.acks} acks, {ledger.replays} of them replayed, "
        f"{ledger.unapplied} that changed nothing; {ledger.refusals} refused",
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
    console.print('  [bold]{"type":"hello","token":"…"}[/]   see docs/protocol.md', markup=True)


__all__ = ["how_to_go_on", "sum_up", "tally"]
