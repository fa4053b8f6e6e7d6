"""Every command by everyone in every status: allowed, or refused with the right code.

A refusal leaves no trace. ``TABLE`` is the domain's own table, written a second time.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest

from protocol.commands import COMMANDS, type_of
from tests.model.in_process import EVENT, TABLES, InProcess

Json = dict[str, Any]

STATUSES = ("not_started", "in_progress", "paused", "finished")
#: Senders, named after their role in the event.
STRANGER = "stranger"
FORMER = ("pending", "rejected", "left", "removed")
PEOPLE = (STRANGER, *FORMER, "member", "admin", "organiser")

#: Commands → who may, in each of ``STATUSES``: (m)ember, (v)oter, (a)dmin or organiser, nobody (-).
TABLE = {
    "event.update": "aaa-",
    "event.set_policy event.rotate_code": "aaa-",
    "option.add option.edit option.remove": "a---",
    "assumption.add assumption.edit assumption.remove": "a---",
    "criterion.add criterion.edit criterion.remove": "a---",
    "proposal.create": "-m--",
    "vote.cast vote.retract": "-v--",
    "proposal.withdraw": "-mm-",
    "proposal.rebase": "-m--",
    "proposal.accept proposal.reject proposal.moderate proposal.revert": "-aa-",
    "ballot.submit ballot.clear": "-v--",
    "comment.add comment.edit comment.remove": "mmm-",
    "membership.approve membership.reject membership.remove": "aaa-",
    "membership.approve_all membership.reject_all": "aaa-",
    "membership.add invitation.create invitation.revoke": "aaa-",
    "membership.set_role": "aaaa",
    "membership.rename": "mmm-",
}
#: Event status → the answers to an admin's transitions: applied, unchanged, or refused.
TRANSITIONS: dict[str, tuple[Any, ...]] = {
    "event.start": (True, False, "invalid_transition", "event_finished"),
    "event.pause": ("invalid_transition", True, False, "event_finished"),
    "event.resume": ("invalid_transition", False, True, "event_finished"),
    "event.finish": ("invalid_transition", True, True, False),
    "event.reopen": ("invalid_transition", False, "invalid_transition", True),
}
#: Errors of a live event that is in the wrong status.
_BEFORE_ONLY = ("option", "assumption", "criterion")
NOT_NOW = "event_not_in_progress"

#: Commands about one's own membership → person → the answer: applied, unchanged, or refused.
OWN: dict[str, dict[str, Any]] = {
    "membership.join": {
        **dict.fromkeys((STRANGER, "rejected", "left", "removed"), True),
        **dict.fromkeys(("pending", "member", "admin", "organiser"), False),
    },
    "membership.cancel": {
        STRANGER: "not_found",
        "pending": True,
        **dict.fromkeys(("rejected", "left", "removed"), "invalid_transition"),
        **dict.fromkeys(("member", "admin", "organiser"), "invalid_transition"),
    },
    "membership.leave": {
        STRANGER: "not_found",
        **dict.fromkeys(("pending", "rejected", "removed"), "not_a_member"),
        "left": False,
        "member": True,
        "admin": True,
        "organiser": True,
    },
}


class Stage:
    """An event in one status, with every role and one record of each kind."""

    def __init__(self, status: str) -> None:
        self.system = InProcess()
        self._ids = itertools.count(1)
        made = self.do("root", "event.create", subject="s", options=["o"], assumptions=["a"])
        self.code = made["entrance_code"]
        self.option = self.first("options")
        self.assumption = self.first("items")
        self.criterion = self.do("root", "criterion.add", content="c")["criterion"]
        for person in ("rejected", "left", "removed", "member", "admin", "organiser", "other"):
            self.do(person, "membership.join", code=self.code)
            if person != "rejected":
                self.do("root", "membership.approve", user=person)
        self.do("root", "membership.reject", user="rejected")
        self.do("left", "membership.leave")
        self.do("root", "membership.remove", user="removed")
        for leading in ("admin", "organiser"):
            self.do("root", "membership.set_role", user=leading, role=leading)
        self.do("pending", "membership.join", code=self.code)
        self.do("waiting", "membership.join", code=self.code)
        invited = self.do("root", "invitation.create", people=[{"name": "Somebody"}])
        self.invitation = invited["invitations"][0]["invitation"]
        self.own: dict[str, str] = {}
        self.comments: dict[str, str] = {}
        self.open = self.accepted = "p_none"
        for person in ("member", "admin", "organiser"):
            added = self.do(person, "comment.add", criterion=self.criterion, content="c")
            self.comments[person] = added["comment"]
        if status != "not_started":
            self._run(status)

    def _run(self, status: str) -> None:
        self.do("root", "event.start")
        create = {"kind": "assumption", "category": "create", "content": "x"}
        self.open = self.do("other", "proposal.create", **create)["proposal"]
        self.accepted = self.do("other", "proposal.create", **create)["proposal"]
        self.do("root", "proposal.accept", proposal=self.accepted)
        update = {"kind": "assumption", "category": "update", "content": "y", "base_version": 1}
        for person in ("member", "admin", "organiser"):
            mine = self.do(person, "proposal.create", **update, target=self.assumption)
            self.own[person] = mine["proposal"]
        if status == "paused":
            self.do("root", "event.pause")
        elif status == "finished":
            self.do("root", "event.finish")

    def first(self, table: str) -> str:
        """The id of the first row of a table."""
        return str(next(iter(getattr(self.system.stored, table))))

    def ask(self, person: str, kind: str, /, **fields: Any) -> Json:
        """The answer to a command."""
        command = {"type": kind, "id": f"command-{next(self._ids):04}"} | fields
        if kind not in ("event.create", "membership.join"):
            command["event"] = EVENT
        answer = self.system.execute(person, person, command)
        assert answer is not None
        return answer

    def do(self, person: str, kind: str, /, **fields: Any) -> Json:
        """The result of a command that must be accepted."""
        answer = self.ask(person, kind, **fields)
        assert answer["type"] == "ack", answer
        result: Json = answer["result"]
        return result

    def fields(self, kind: str, person: str) -> Json:
        """Fields with which ``kind`` would be accepted from a permitted sender."""
        item, words = kind.split(".")[0], {"content": "other words"}
        own = {"proposal": self.own.get(person, self.open)}
        match kind:
            case "event.update":
                return {"max_members": 50}
            case "event.set_policy":
                return {"policy_version": 1, "policy": {"membership_auto": True}}
            case "option.add" | "assumption.add" | "criterion.add":
                return words
            case "option.edit" | "option.remove":
                return {"option": self.option} | (words if kind == "option.edit" else {})
            case _ if item in ("assumption", "criterion"):
                named = {item: getattr(self, item), "version": 1}
                return named | (words if kind.endswith("edit") else {})
            case "proposal.create":
                return {"kind": "criterion", "category": "create"} | words
            case "vote.cast":
                return {"proposal": self.open, "revision": 1}
            case "proposal.rebase":
                return own | words | {"base_version": 1}
            case "proposal.withdraw":
                return own
            case "proposal.revert":
                return {"proposal": self.accepted}
            case _ if item in ("proposal", "vote"):
                return {"proposal": self.open}
            case "ballot.submit":
                rev = self.system.stored.event.criteria_rev
                order = {"criterion_order": [self.criterion], "criteria_rev": rev}
                return {"option": self.option} | order
            case "comment.add":
                return {"criterion": self.criterion} | words
            case "comment.edit":
                return {"comment": self.comments.get(person, "m_1"), "version": 1} | words
            case "comment.remove":
                return {"comment": self.comments.get(person, "m_1")}
            case "membership.approve" | "membership.reject":
                return {"user": "waiting"}
            case "membership.remove":
                return {"user": "other"}
            case "membership.add":
                return {"people": [{"user": "somebody", "name": "Some Body"}]}
            case "invitation.create":
                return {"people": [{"name": "Some Body", "ref": "7"}]}
            case "invitation.revoke":
                return {"invitation": self.invitation}
            case "membership.set_role":
                return {"user": "other", "role": "admin"}
            case "membership.rename":
                return {"name": "another name"}
            case "membership.join":
                return {"code": self.code}
        return {}

    def tables(self) -> Json:
        """Every stored row but the journal's refusals."""
        stored = self.system.stored
        kept = {name: copy.copy(getattr(stored, name)) for name in TABLES}
        return kept | {"event": stored.event_record, "seq": stored.seq, "hash": stored.hash}


def expected(kind: str, person: str, status: str) -> Any:
    """True: applied; False: unchanged; else the error's code."""
    if kind in OWN:
        if kind == "membership.join" and status == "finished":
            return "event_finished"
        return OWN[kind][person]
    if person == STRANGER:
        return "not_found"
    if person in FORMER:
        return "not_a_member"
    if kind in TRANSITIONS:
        return "forbidden" if person == "member" else TRANSITIONS[kind][STATUSES.index(status)]
    row = next(cells for kinds, cells in TABLE.items() if kind in kinds.split())
    if "v" in row and person == "organiser":
        return "not_eligible"
    if "a" in row and person == "member":
        return "forbidden"
    if row[STATUSES.index(status)] != "-":
        # Without a ballot or a vote there is nothing to retract.
        return kind not in ("vote.retract", "ballot.clear")
    if status == "finished":
        return "event_finished"
    return "invalid_transition" if kind.split(".")[0] in _BEFORE_ONLY else NOT_NOW


def test_the_table_names_every_command() -> None:
    named = {kind for kinds in TABLE for kind in kinds.split()} | TRANSITIONS.keys() | OWN.keys()
    assert named | {"event.create"} == {type_of(command) for command in COMMANDS}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("person", PEOPLE)
def test_every_command_is_allowed_or_refused_without_a_trace(person: str, status: str) -> None:
    stage = Stage(status)
    for command in COMMANDS:
        kind = type_of(command)
        if kind == "event.create":
            continue
        before = stage.tables()
        answer = stage.ask(person, kind, **stage.fields(kind, person))
        got = answer["applied"] if answer["type"] == "ack" else answer["code"]
        assert got == expected(kind, person, status), (kind, answer)
        if answer["type"] == "error":
            assert stage.tables() == before, kind
            last = stage.system.lines[-1]
            assert last.seq is None, kind
        else:
            stage = Stage(status)
