"""The model against the domain's table of permissions."""

from __future__ import annotations

import pytest

from tests.model.rows import Row
from tests.model.table import Table

#: The domain's table: command → who, and in which statuses.
PERMISSIONS = [
    ("event.update", {"subject": "t"}, "admin", "n"),
    ("option.add", {"content": "x"}, "admin", "n"),
    ("assumption.add", {"content": "x"}, "admin", "n"),
    ("criterion.add", {"content": "x"}, "admin", "n"),
    ("event.update", {"max_members": 50}, "admin", "nip"),
    ("event.set_policy", {"policy_version": 1, "policy": {"quorum_percent": 1}}, "admin", "nip"),
    ("event.rotate_code", {}, "admin", "nip"),
    (
        "proposal.create",
        {"kind": "assumption", "category": "create", "content": "x"},
        "member",
        "i",
    ),
    ("vote.cast", {"proposal": "open", "revision": 1}, "member", "i"),
    ("proposal.withdraw", {"proposal": "bobs"}, "member", "ip"),
    ("proposal.accept", {"proposal": "open"}, "admin", "ip"),
    ("proposal.reject", {"proposal": "open"}, "admin", "ip"),
    ("proposal.moderate", {"proposal": "open"}, "admin", "ip"),
    ("proposal.revert", {"proposal": "done"}, "admin", "ip"),
    (
        "ballot.submit",
        {"option": "o", "criterion_order": ["k", "l"], "criteria_rev": 1},
        "member",
        "i",
    ),
    ("comment.add", {"criterion": "k", "content": "x"}, "member", "nip"),
    ("membership.leave", {}, "member", "nipf"),
    ("membership.approve", {"user": "eve"}, "admin", "nip"),
    ("membership.reject", {"user": "eve"}, "admin", "nip"),
    ("membership.approve_all", {}, "admin", "nip"),
    ("membership.remove", {"user": "cid"}, "admin", "nip"),
    ("membership.set_role", {"user": "cid", "role": "admin"}, "admin", "nipf"),
    ("invitation.create", {"people": [{"name": "Gil"}]}, "admin", "nip"),
    ("membership.add", {"people": [{"user": "gil"}]}, "admin", "nip"),
]
LEADS = {"n": [], "i": ["start"], "p": ["start", "pause"], "f": ["start", "finish"]}
RANK = {"member": 1, "admin": 2}


@pytest.mark.parametrize("status", LEADS)
@pytest.mark.parametrize(("command", "arguments", "least", "statuses"), PERMISSIONS)
def test_the_table_of_permissions(
    command: str, arguments: Row, least: str, statuses: str, status: str
) -> None:
    def set_up() -> tuple[Table, Row]:
        table = Table(assumptions=["a"], criteria=["k", "l"], options=["o"])
        named = {"k": table.model.live("criterion")[0], "l": table.model.live("criterion")[1]}
        named["o"] = next(iter(table.model.options))
        table.join("zoe", "bob", "cid", "dan")
        table("ada", "membership.set_role", user="zoe", role="admin")
        table("dan", "membership.leave")
        table("ada", "event.set_policy", policy_version=1, policy={"membership_auto": False})
        table.model.event["policy_version"] = 1
        table.join("eve")
        for lead in LEADS[status]:
            table("ada", f"event.{lead}")
            if lead == "start":
                named |= {"open": table.propose("cid"), "bobs": table.propose("bob")}
                named["done"] = table.propose("cid")
                table("ada", "proposal.accept", proposal=named["done"])
                table.model.event["criteria_rev"] = 1
        return table, {
            key: [named.get(v, v) if isinstance(v, str) else v for v in value]
            if isinstance(value, list)
            else named.get(value, value)
            if isinstance(value, str)
            else value
            for key, value in arguments.items()
        }

    for user, rank in (("ada", 2), ("bob", 1), ("eve", 0), ("dan", 0), ("fay", -1)):
        table, filled = set_up()
        kind, body = table.say(user, command, **filled)
        if rank == -1:
            assert body.get("code") == "not_found"
        elif rank == 0:
            is_gone = (user, command) == ("dan", "membership.leave")
            assert body.get("code") == "not_a_member" or (is_gone and body["applied"] is False)
        elif rank < RANK[least]:
            assert body.get("code") == "forbidden"
        elif status not in statuses:
            running = command.split(".")[0] in ("proposal", "vote", "ballot")
            otherwise = "event_not_in_progress" if running else "invalid_transition"
            assert body.get("code") == ("event_finished" if status == "f" else otherwise)
        elif (user, command) == ("ada", "proposal.withdraw"):
            assert body.get("code") == "forbidden"
        else:
            assert kind == "ack", body
            assert body["applied"], body
