"""What the bots sent and what they were answered, held against what the server says at the end."""

from __future__ import annotations

from typing import Any

from server.demo.failure import DemoError


class Ledger:
    """Counts, and who is owed which vote. A command is an id: sent again it is the same one."""

    def __init__(self) -> None:
        self.commands: set[str] = set()
        self.frames = 0
        """Commands that went over a socket, repeats included."""
        self.acks = 0
        self.replays = 0
        """Acks that told an earlier one again."""
        self.unapplied = 0
        """Acks of commands that had nothing left to change."""
        self.refusals = 0
        self.positions: dict[str, tuple[int, str]] = {}
        """Command id → its place in the journal and its hash."""
        self.votes: dict[str, set[str]] = {}
        """Proposal → users whose vote was acknowledged."""
        self.votes_sent = 0
        """Frames that carried a vote."""

    def sent(self, command: dict[str, Any]) -> None:
        """A command goes out."""
        self.commands.add(command["id"])
        self.frames += 1
        self.votes_sent += command["type"] == "vote.cast"

    def answered(self, user: str, command: dict[str, Any], answer: dict[str, Any]) -> None:
        """It was answered; raises ``DemoError`` where a repeat was answered otherwise."""
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
        """Hold the room's ``state`` at ``seq`` against all of this; raises ``DemoError``."""
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
