"""Kept tallies always equal a count of the rows."""

from __future__ import annotations

from typing import Any

from tests.model.in_process import EVENT, InProcess

CODE = "AAAAAA"
#: Two votes accept a proposal, if every member took part.
POLICY = {
    "assumption": {"auto": True, "rule": "count", "threshold": 2},
    "membership_auto": False,
    "quorum_percent": 100,
}


class Handlers:
    """An event, and short methods for the acts of its members."""

    def __init__(self) -> None:
        self.system = InProcess()
        self.sent = 0
        self.do("ada", "event.create", subject="s", entrance_code=CODE, policy=POLICY)

    def do(self, user: str, type: str, /, **fields: Any) -> dict[str, Any]:
        """The result of what must be acknowledged."""
        self.sent += 1
        command = {"type": type, "id": f"command-{self.sent}"} | fields
        if type not in ("event.create", "membership.join"):
            command["event"] = EVENT
        answer = self.system.execute(user, user, command)
        assert answer is not None
        assert answer["type"] == "ack", answer
        return dict(answer["result"])

    def let_in(self, user: str) -> None:
        self.do(user, "membership.join", code=CODE)
        self.do("ada", "membership.approve", user=user)

    def voters(self, proposal: str) -> int:
        row = self.system.stored.proposals[proposal]
        assert row is not None
        return row.voters


def test_who_left_and_took_a_request_back_is_counted_once_when_they_come_again() -> None:
    event = Handlers()
    event.let_in("bob")
    event.do("ada", "event.start")
    proposal = event.do(
        "ada", "proposal.create", kind="assumption", category="create", content="It rains"
    )["proposal"]
    vote = {"proposal": proposal, "revision": 1}
    event.do("bob", "vote.cast", **vote)
    event.do("bob", "membership.leave")
    assert event.voters(proposal) == 0

    event.do("bob", "membership.join", code=CODE)
    event.do("bob", "membership.cancel")
    event.let_in("bob")
    assert event.voters(proposal) == 0
    assert event.do("bob", "vote.cast", **vote)["agree"] == 1
    assert event.voters(proposal) == 1

    event.do("bob", "membership.leave")
    assert event.voters(proposal) == 0
    event.let_in("bob")
    event.do("bob", "vote.cast", **vote)
    assert event.do("ada", "vote.cast", **vote)["status"] == "accepted"
