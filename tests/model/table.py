"""The model for direct use: an event, the people in it, and short methods for their acts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.model.reference import Model
from tests.model.rows import Row

CODE = "AAAAAA"


class Table:
    """An event and its people. ``at`` moves only when a test moves it."""

    def __init__(self, policy: Row | None = None, limits: Row | None = None, **event: Any) -> None:
        self.model = Model(**(limits or {}))
        self.at = datetime(2026, 11, 23, 8, tzinfo=UTC)
        self.sent = self.made = 0
        open_door = {"membership_auto": True} | (policy or {})
        event = {"subject": "s", "entrance_code": CODE, "policy": open_door} | event
        self("ada", "event.create", **event)

    def say(self, user: str, type: str, /, id: str | None = None, **arguments: Any) -> Any:
        self.sent += 1
        command = {"type": type, "id": id or f"command-{self.sent}"} | arguments
        return self.model.apply(user, user, command, self.at, ids=self.new_id)

    def __call__(self, user: str, type: str, /, **arguments: Any) -> Row:
        """The result of a command that must be applied."""
        kind, body = self.say(user, type, **arguments)
        assert (kind, body.get("applied")) == ("ack", True), body
        result: Row = body["result"]
        return result

    def no(self, user: str, type: str, /, **arguments: Any) -> str:
        """The code of a command that must be refused."""
        kind, body = self.say(user, type, **arguments)
        assert kind == "error", body
        return str(body["code"])

    def same(self, user: str, type: str, /, **arguments: Any) -> Row:
        """The result of a command that must change nothing."""
        before = self.model.state("admin")
        kind, body = self.say(user, type, **arguments)
        assert (kind, body.get("applied")) == ("ack", False), body
        assert self.model.state("admin") == before
        result: Row = body["result"]
        return result

    def new_id(self, collection: str) -> str:
        self.made += 1
        return f"{collection[0]}{self.made}"

    def join(self, *users: str) -> None:
        for user in users:
            self(user, "membership.join", code=self.model.codes[-1])

    def propose(
        self, user: str, kind: str = "assumption", category: str = "create", **more: Any
    ) -> str:
        more = ({} if category == "delete" else {"content": "new"}) | more
        made = self(user, "proposal.create", kind=kind, category=category, **more)
        return str(made["proposal"])

    def vote(self, proposal: str, *users: str) -> Row:
        result: Row = {}
        for user in users:
            revision = self.model.proposals[proposal]["revision"]
            result = self(user, "vote.cast", proposal=proposal, revision=revision)
        return result

    def item(self, kind: str = "assumption") -> str:
        return self.model.live(kind)[0]

    def status(self, proposal: str) -> tuple[str, str | None]:
        row = self.model.proposals[proposal]
        return row["status"], row["resolution"]
