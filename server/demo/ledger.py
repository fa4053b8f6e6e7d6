"""Counts the bots' commands and answers, and compares them with the room at the end."""

from __future__ import annotations

from typing import Any

from server.demo.failure import DemoError


class Ledger:
    """Commands, answers and acknowledged votes; a repeated id is the same command."""

    def __init__(self) -> None:
        self.commands: set[str] = set()
        self.frames = 0
        """Commands sent over a socket, including repeats."""
        self.acks = 0
        self.replays = 0
        """Acks that repeat an earlier one."""
        self.unapplied = 0
        """Acks of commands that changed nothing."""
        self.refusals = 0
        self.positions: dict[str, tuple[int, str]] = {}
        """Command id → its seq in the journal and its hash."""
        self.votes: dict[str, set[str]] = {}
        """Proposal → users whose vote was acknowledged."""
        self.votes_sent = 0
        """Frames that carried a vote."""

    def sent(self, command: dict[str, Any]) -> None:
        """Count a sent command."""
        self.commands.add(command["id"])
        self.frames += 1
        self.votes_sent += command["type"] == "vote.cast"

    def answered(self, user: str, command: dict[str, Any], answer: dict[str, Any]) -> None:
        """Count an answer. Raises ``DemoError`` if a repeat got another answer."""
        if answer["type"] == "error":
            self.refusals += answer["retry"] != "same"
            return
        self.acks += 1
        self.replays += answer["replayed"]
        self.unapplied += not answer["applied"]
        place = (answer["seq"], answer["hash"])
        if self.positions.setdefault(command["id"], place) != place:
            raise DemoError(f"{command['id']} was given two places in the journal")
        if command["type"] == "vote.cast":
            self.votes.setdefault(command["proposal"], set()).add(user)

    def check(self, state: dict[str, Any], seq: int) -> None:
        """Compare the room's ``state`` at ``seq`` with the acks. Raises ``DemoError``."""
        for id, proposal in state["proposals"].items():
            given = len(self.votes.get(id, ()))
            if proposal["agree"] != given:
                raise DemoError(
                    f"{id}: {given} people had their vote acknowledged, "
                    f"the server counts {proposal['agree']}"
                )
        places = sorted(place for place, _ in self.positions.values())
        if places != list(range(1, seq + 1)):
            raise DemoError(f"the acks' places are not 1 … {seq} without a hole: {places}")
