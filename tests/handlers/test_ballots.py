"""Ballots of events whose recorded rules are older than the present rules about ballots."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from persistence.event.limits import FIXED_BALLOT_RULES, RULES
from tests.handlers.test_permission_matrix import Json
from tests.model.in_process import EVENT, InProcess


class Older:
    """An event of older rules, in progress."""

    def __init__(self) -> None:
        self.system = InProcess()
        self.system.limits = replace(self.system.limits, rules=FIXED_BALLOT_RULES - 1)
        self.sent = 0
        self.ask("event.create", subject="s", options=["a", "b"])
        self.options = list(self.system.stored.options)

    def ask(self, kind: str, /, **fields: Any) -> Json:
        """The answer to the admin's command."""
        self.sent += 1
        command = {"type": kind, "id": f"command-{self.sent:04}"} | fields
        if kind != "event.create":
            command["event"] = EVENT
        answer = self.system.execute("ada", "Ada", command)
        assert answer is not None
        return answer

    def method(self, method: str) -> Json:
        """The answer to another method of the ballot."""
        version = self.system.stored.event.policy_version
        policy = {"ballot": {"method": method}}
        return self.ask("event.set_policy", policy_version=version, policy=policy)

    def adopt(self) -> None:
        """Move the event to the present rules, as an operator does."""
        limits = replace(self.system.limits, version=2, rules=RULES)
        fields = {name: getattr(limits, name) for name in limits.__struct_fields__}
        command = {"type": "event.set_limits", "id": "limits-2", "limits": fields}
        self.system.execute("", "", command)


def test_the_method_stands_from_the_start_on_where_no_ballot_was_noted() -> None:
    event = Older()
    assert event.method("ranked")["type"] == "ack"
    event.ask("event.start")
    assert event.method("approval")["code"] == "invalid_transition"
    given = event.ask("ballot.submit", options=event.options[::-1], criteria_rev=1)
    assert given["applied"]
    held = event.system.stored.ballots["ada"]
    assert held is not None
    assert (held.seq, held.chosen) == (None, event.options[::-1])
    assert not event.system.stored.event.ballot_fixed


def test_newer_rules_let_no_method_change_under_ballots_that_were_not_noted() -> None:
    event = Older()
    event.ask("event.start")
    event.ask("ballot.submit", option=event.options[0], criteria_rev=1)
    event.ask("ballot.clear")
    event.adopt()
    assert event.system.stored.event.ballot_fixed
    assert event.method("ranked")["code"] == "invalid_transition"


def test_newer_rules_before_the_start_leave_the_method_open() -> None:
    event = Older()
    event.adopt()
    event.ask("event.start")
    assert event.method("ranked")["type"] == "ack"
