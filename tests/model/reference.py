"""The reference model: the whole domain of one event, written once more, to be read.

A command is a method, named as its type with ``_`` for ``.``; its arguments are the command's.
Each method is checks, then ``begin()``, then effects. It is what a server's answers, journal and
rooms are held against, so it shares no code with one and keeps nothing that ``Rows`` can count.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.model.rows import Row, Rows, plain, present

Answer = tuple[str, Row]
#: Gives the id that the server chose for the next new thing of a collection of the state
#: ("options", "proposals", …), and under "event" and "entrance_code" those.
Ids = Callable[[str], str]

DEFAULT_POLICY: Row = {
    "assumption": {"auto": True, "rule": "count", "threshold": 3},
    "criterion": {"auto": True, "rule": "count", "threshold": 3},
    "conclusion": {"auto": True, "rule": "percent", "threshold": 60},
    "membership_auto": False,
}
RUNNING = ("in_progress",)
DECIDING = ("in_progress", "paused")
OPEN = ("not_started", "in_progress", "paused")


class Refused(Exception):
    """The answer is an error; ``final`` ones are remembered."""

    def __init__(self, code: str, *, final: bool = True, **details: Any) -> None:
        self.code, self.final, self.details = code, final, details


class Same(Exception):
    """What is asked for is so already: ``applied: false``."""

    def __init__(self, **result: Any) -> None:
        self.result = result


class WouldAct(Exception):
    """All checks have passed, and only they were asked for."""


class Model(Rows):
    """One event, from its ``event.create`` on."""

    def __init__(self, **limits: int) -> None:
        super().__init__(**limits)
        self.answers: dict[tuple[str, str], tuple[Row, Answer]] = {}
        self.probing = False

    def apply(self, user: str, name: str, command: Row, at: datetime, *, ids: Ids) -> Answer:
        """What the server must answer, with all its effects on the rows.

        ``("ack", {"applied", "result"})`` or ``("error", {"code", "details"})``.
        """
        handler = getattr(type(self), command["type"].replace(".", "_"))
        arguments = {key: command[key] for key in command if key not in ("type", "id", "event")}
        key, asked = (user, command["id"]), whole(handler, arguments)
        if command["type"] == "membership.join" and command["code"] not in self.codes:
            return "error", {"code": "not_found", "details": {}}
        if key in self.answers:
            before, answer = self.answers[key]
            return answer if before == asked else ("error", {"code": "id_conflict", "details": {}})
        self.user, self.name, self.now, self.ids = user, name, at, ids
        try:
            result = handler(self, **arguments)
            answer = "ack", {"applied": True, "result": result or {}}
        except Same as same:
            self.begin()
            answer = "ack", {"applied": False, "result": same.result}
        except Refused as refused:
            answer = "error", {"code": refused.code, "details": present(refused.details, *refused.details)}
            if not refused.final:
                return answer
        if not self.probing:
            self.answers[key] = asked, answer
        return answer

    def probe(self, user: str, command: Row, at: datetime) -> Answer | None:
        """The refusal that ``command`` would meet now, if any; changes nothing."""
        self.probing = True
        try:
            return self.apply(user, user, command, at, ids=str)
        except WouldAct:
            return None
        finally:
            self.probing = False

    def begin(self) -> None:
        """Nothing stands against the command: it takes its place in the journal."""
        if self.probing:
            raise WouldAct
        self.seq += 1

    # --- who may, and when

    def membership(self) -> Row:
        if self.user not in self.members:
            raise Refused("not_found")
        return self.members[self.user]

    def member(self) -> None:
        if self.membership()["status"] != "accepted":
            raise Refused("not_a_member")

    def admin(self) -> None:
        self.member()
        if self.role(self.user) != "admin":
            raise Refused("forbidden")

    def when(self, *statuses: str, otherwise: str = "event_not_in_progress") -> None:
        status = self.event["status"]
        if status not in statuses:
            raise Refused("event_finished" if status == "finished" else otherwise)

    def before_start(self) -> None:
        self.when("not_started", otherwise="invalid_transition")

    # --- the event

    def event_create(
        self,
        subject: str,
        max_members: int = 100,
        policy: Row | None = None,
        options: list[str] | None = None,
        assumptions: list[str] | None = None,
        criteria: list[str] | None = None,
        entrance_code: str | None = None,
    ) -> Row:
        assert not self.event, "another event"
        merged = checked(merge(DEFAULT_POLICY, policy or {}))
        if len(options or []) > self.limits["options"]:
            raise Refused("limit_reached", final=False)
        if len(assumptions or []) > self.limits["assumptions"]:
            raise Refused("limit_reached", final=False)
        if len(criteria or []) > self.limits["criteria"]:
            raise Refused("limit_reached", final=False)
        self.begin()
        self.codes.append(entrance_code or self.ids("entrance_code"))
        self.event = {
            "id": self.ids("event"),
            "subject": subject,
            "status": "not_started",
            "max_members": max_members,
            "policy": merged,
            "policy_version": 1,
            "criteria_rev": 1,
            "created_at": self.now,
            "paused_at": None,
            "results": None,
        }
        self.let_in(self.user, self.name, "admin")
        for content in options or []:
            self.make_option(content)
        for kind, contents in (("assumption", assumptions), ("criterion", criteria)):
            for content in contents or []:
                self.make_item(kind, content)
        return {"event": self.event["id"], "entrance_code": self.codes[-1]}

    def event_update(self, subject: str | None = None, max_members: int | None = None) -> None:
        self.admin()
        asked = {"subject": subject, "max_members": max_members}
        changes = {
            key: value for key, value in asked.items() if value not in (None, self.event[key])
        }
        if not changes:
            raise Same
        self.when(*OPEN)
        if "subject" in changes:
            self.before_start()
        self.begin()
        self.event |= changes

    def event_set_policy(self, policy_version: int, policy: Row) -> Row:
        self.admin()
        present, merged = self.event["policy_version"], merge(self.event["policy"], policy)
        if policy_version == present and merged == self.event["policy"]:
            raise Same(policy_version=present, accepted=[])
        self.when(*OPEN)
        if policy_version != present:
            raise Refused("version_conflict", current=present)
        checked(merged, final=True)
        self.begin()
        self.event |= {"policy": merged, "policy_version": present + 1}
        return {"policy_version": present + 1, "accepted": self.look_at_all()}

    def event_rotate_code(self) -> Row:
        self.admin()
        self.when(*OPEN)
        self.begin()
        self.codes.append(self.ids("entrance_code"))
        return {"entrance_code": self.codes[-1]}

    def event_start(self) -> Row:
        return self.move("not_started", to="in_progress")

    def event_pause(self) -> Row:
        result = self.move("in_progress", to="paused")
        self.event["paused_at"] = self.now
        return result

    def event_resume(self) -> Row:
        result = self.move("paused", to="in_progress")
        for proposal in self.pending():
            for time in ("opens_at", "expires_at"):
                if proposal[time] is not None and proposal[time] > self.event["paused_at"]:
                    proposal[time] += self.now - self.event["paused_at"]
        self.look_at_all()
        return result

    def event_finish(self) -> Row:
        result = self.move("in_progress", "paused", to="finished")
        for proposal in self.pending():
            self.close(proposal, "deleted", "event_finished")
        self.event["results"] = self.results()
        return result

    def move(self, *sources: str, to: str) -> Row:
        self.admin()
        if self.event["status"] == to:
            raise Same(status=to)
        self.when(*sources, otherwise="invalid_transition")
        self.begin()
        self.event["status"] = to
        return {"status": to}

    # --- options, assumptions and criteria, directly

    def option_add(self, content: str) -> Row:
        self.admin()
        self.before_start()
        if sum(not row["deleted"] for row in self.options.values()) >= self.limits["options"]:
            raise Refused("limit_reached")
        self.begin()
        return {"option": self.make_option(content)}

    def option_edit(self, option: str, content: str) -> None:
        self.admin()
        self.edit(self.options, option, content)

    def option_remove(self, option: str) -> None:
        self.admin()
        row = self.removable(self.options, option)
        self.begin()
        row["deleted"] = True

    def assumption_add(self, content: str) -> Row:
        return {"assumption": self.add_item("assumption", content)}

    def assumption_edit(self, assumption: str, version: int, content: str) -> Row:
        return self.edit_item("assumption", assumption, version, content)

    def assumption_remove(self, assumption: str, version: int) -> None:
        self.remove_item("assumption", assumption, version)

    def criterion_add(self, content: str) -> Row:
        return {"criterion": self.add_item("criterion", content)}

    def criterion_edit(self, criterion: str, version: int, content: str) -> Row:
        return self.edit_item("criterion", criterion, version, content)

    def criterion_remove(self, criterion: str, version: int) -> None:
        self.remove_item("criterion", criterion, version)

    def add_item(self, kind: str, content: str) -> str:
        self.admin()
        self.before_start()
        self.room_for(kind)
        self.begin()
        return self.make_item(kind, content, revise=True)

    def edit_item(self, kind: str, id: str, version: int, content: str) -> Row:
        self.admin()
        row = self.edit(self.of_kind(kind), id, content, version)
        return {"version": row["version"]}

    def remove_item(self, kind: str, id: str, version: int) -> None:
        self.admin()
        row = self.removable(self.of_kind(kind), id)
        if row["version"] != version:
            raise Refused("version_conflict", current=row["version"])
        self.begin()
        self.remove(row)

    def edit(self, table: dict[str, Row], id: str, content: str, version: int | None = None) -> Row:
        row = table.get(id)
        if row and not row["deleted"] and row["content"] == content:
            raise Same(**({"version": row["version"]} if version is not None else {}))
        self.before_start()
        row = named(table, id)
        if row["deleted"]:
            raise Refused("target_gone")
        if version is not None and row["version"] != version:
            raise Refused("version_conflict", current=row["version"])
        self.begin()
        self.write(row, content)
        return row

    def removable(self, table: dict[str, Row], id: str) -> Row:
        if id in table and table[id]["deleted"]:
            raise Same
        self.before_start()
        return named(table, id)

    def of_kind(self, kind: str) -> dict[str, Row]:
        return {id: row for id, row in self.items.items() if row["kind"] == kind}

    def make_option(self, content: str) -> str:
        row = {"content": content, "position": self.made(), "deleted": False}
        id = self.ids("options")
        self.options[id] = row
        return id

    def make_item(self, kind: str, content: str, *, revise: bool = False) -> str:
        position = self.made()
        id = self.ids("assumptions" if kind == "assumption" else "criteria")
        self.items[id] = {
            "id": id,
            "kind": kind,
            "content": content,
            "version": 1,
            "conclusion": None,
            "conclusion_version": 0 if kind == "criterion" else None,
            "position": position,
            "deleted": False,
        }
        self.said[id, "content"] = [None, content]
        self.said[id, "conclusion"] = [None]
        self.event["criteria_rev"] += revise and kind == "criterion"
        return id

    def write(self, row: Row, content: str) -> None:
        row["content"] = content
        if "version" in row:
            row["version"] += 1
            self.said[row["id"], "content"].append(content)

    def remove(self, row: Row) -> None:
        row["deleted"] = True
        self.event["criteria_rev"] += row["kind"] == "criterion"
        for proposal in self.pending():
            if proposal["target"] == row["id"]:
                self.close(proposal, "deleted", "target_deleted")

    def room_for(self, kind: str) -> None:
        if len(self.live(kind)) >= self.limits["assumptions" if kind == "assumption" else "criteria"]:
            raise Refused("limit_reached")

    # --- members

    def membership_join(self, code: str) -> Row:
        if code != self.codes[-1]:
            raise Refused("not_found")
        me = self.members.get(self.user)
        if me and me["status"] in ("pending", "accepted"):
            raise Same(event=self.event["id"], status=me["status"])
        self.when(*OPEN)
        if self.event["policy"]["membership_auto"] and not (me and me["status"] == "removed"):
            self.spare_seat()
            self.begin()
            self.let_in(self.user, self.name)
        else:
            self.begin()
            self.stand(self.user, "pending", name=self.name, requested_at=self.now)
        return {"event": self.event["id"], "status": self.members[self.user]["status"]}

    def membership_cancel(self) -> None:
        if self.membership()["status"] != "pending":
            raise Refused("invalid_transition")
        self.begin()
        del self.members[self.user]

    def membership_leave(self, transfer_to: str | None = None) -> None:
        if self.membership()["status"] == "left":
            raise Same
        self.member()
        heir = None
        if transfer_to is not None and self.role(self.user) == "admin":
            heir = self.accepted(transfer_to)
        if heir is None or transfer_to == self.user:
            self.keep_an_admin(self.user)
        self.begin()
        if heir is not None:
            heir["role"] = "admin"
        self.put_out(self.user, "left")

    def membership_approve(self, user: str) -> None:
        self.settle(user, "accepted")
        self.spare_seat()
        self.begin()
        self.let_in(user, self.members[user]["name"])

    def membership_reject(self, user: str) -> None:
        self.settle(user, "rejected")
        self.begin()
        self.stand(user, "rejected")

    def settle(self, user: str, goal: str) -> None:
        self.admin()
        row = self.members.get(user)
        if row and row["status"] == goal:
            raise Same
        self.when(*OPEN)
        row = named(self.members, user)
        if row["status"] in ("accepted", "rejected"):
            raise Refused(
                "already_resolved", status=row["status"], by=row["decided_by"], at=row["decided_at"]
            )
        if row["status"] != "pending":
            raise Refused("invalid_transition")

    def membership_approve_all(self) -> Row:
        self.admin()
        waiting = self.waiting()
        if not waiting or self.is_full():
            raise Same(approved=[], waiting=waiting)
        self.when(*OPEN)
        self.begin()
        approved = waiting[: self.event["max_members"] - len(self.eligible())]
        for user in approved:
            self.let_in(user, self.members[user]["name"])
        return {"approved": approved, "waiting": self.waiting()}

    def membership_reject_all(self) -> Row:
        self.admin()
        rejected = self.waiting()
        result: Row = {"approved": [], "rejected": rejected, "waiting": []}
        if not rejected:
            raise Same(**result)
        self.when(*OPEN)
        self.begin()
        for user in rejected:
            self.stand(user, "rejected")
        return result

    def membership_remove(self, user: str) -> None:
        self.admin()
        if user in self.members and self.members[user]["status"] == "removed":
            raise Same
        self.when(*OPEN)
        self.accepted(user)
        self.keep_an_admin(user)
        self.begin()
        self.put_out(user, "removed")

    def membership_set_role(self, user: str, role: str) -> None:
        self.admin()
        if self.role(user) == role:
            raise Same
        self.accepted(user)
        if role == "member":
            self.keep_an_admin(user)
        self.begin()
        self.members[user]["role"] = role

    def accepted(self, user: str) -> Row:
        row = named(self.members, user)
        if row["status"] != "accepted":
            raise Refused("invalid_transition")
        return row

    def keep_an_admin(self, user: str) -> None:
        if self.admins() == {user}:
            raise Refused("last_admin")

    def spare_seat(self) -> None:
        if self.is_full():
            raise Refused("event_full")

    def stand(self, user: str, status: str, **fields: Any) -> None:
        row = self.members.get(user, {"requested_at": self.now})
        row |= {"status": status, "role": "member", "beyond": False}
        row |= {"decided_by": self.user, "decided_at": self.now}
        self.members[user] = row | fields

    def let_in(self, user: str, name: str, role: str = "member") -> None:
        """An accepted member, shown while there is room among those who are no admins."""
        ordinary = self.shown_members() - self.admins()
        self.stand(user, "accepted", name=name, role=role)
        full = len(ordinary) >= self.limits["shown_members"]
        self.closed_window = getattr(self, "closed_window", False) or full
        self.members[user]["beyond"] = self.closed_window

    def put_out(self, user: str, status: str) -> None:
        self.stand(user, status)
        self.ballots.pop(user, None)
        for proposal in self.pending():
            if user in self.votes[proposal["id"]]:
                self.votes[proposal["id"]][user]["active"] = False
        self.look_at_all()

    # --- proposals

    def proposal_create(
        self,
        kind: str,
        category: str,
        target: str | None = None,
        base_version: int | None = None,
        content: str | None = None,
        reason: str | None = None,
    ) -> Row:
        self.member()
        self.when(*RUNNING)
        if target is not None:
            item = named(self.of_kind("assumption" if kind == "assumption" else "criterion"), target)
            if item["deleted"]:
                raise Refused("target_gone")
            version = item["conclusion_version" if kind == "conclusion" else "version"]
            if version != base_version:
                raise Refused("stale", current=version)
            if kind == "conclusion" and (item["conclusion"] is None) != (category == "create"):
                raise Refused("invalid_transition" if category == "create" else "target_gone")
            if any(p["author"] == self.user and p["target"] == target for p in self.pending()):
                raise Refused("limit_reached")
        if len(self.pending()) >= self.limits["pending"]:
            raise Refused("limit_reached")
        self.begin()
        proposal = self.make_proposal(kind, category, target, base_version, content, reason)
        policy = self.event["policy"]
        proposal["opens_at"] = self.after(policy.get("min_open_seconds"))
        proposal["expires_at"] = self.after(policy.get("ttl_seconds"))
        if policy.get("proposer_votes"):
            self.votes[proposal["id"]][self.user] = {"revision": 1, "active": True}
            self.look_at(proposal)
        return {"proposal": proposal["id"], "revision": 1}

    def make_proposal(
        self,
        kind: str,
        category: str,
        target: str | None,
        base_version: int | None,
        content: str | None,
        reason: str | None,
    ) -> Row:
        id = self.ids("proposals")
        self.votes[id] = {}
        self.proposals[id] = {
            "id": id,
            "kind": kind,
            "category": category,
            "target": target,
            "base_version": base_version,
            "content": content,
            "reason": reason,
            "author": self.user,
            "status": "pending",
            "revision": 1,
            "created_at": self.now,
        } | dict.fromkeys(
            ("resolution", "resolution_reason", "resolved_by", "resolved_at", "resolved_no")
            + ("resolved_seq", "decision", "stale", "opens_at", "expires_at", "item", "item_version")
            + ("reverts", "reverted_by")
        )
        return self.proposals[id]

    def after(self, seconds: int | None) -> datetime | None:
        return None if seconds is None else self.now + timedelta(seconds=seconds)

    def proposal_withdraw(self, proposal: str, reason: str | None = None) -> Row:
        row = self.own(proposal)
        self.unless(row, "deleted", "withdrawn")
        self.when(*DECIDING)
        return self.end(self.still_open(proposal), "deleted", "withdrawn", reason)

    def proposal_reject(self, proposal: str, reason: str | None = None) -> Row:
        return self.overrule(proposal, "rejected", "admin", reason)

    def proposal_moderate(self, proposal: str, reason: str | None = None) -> Row:
        return self.overrule(proposal, "deleted", "moderated", reason)

    def overrule(self, proposal: str, status: str, resolution: str, reason: str | None) -> Row:
        self.admin()
        self.unless(self.proposals.get(proposal), status, resolution)
        self.when(*DECIDING)
        row = self.still_open(proposal, otherwise="already_resolved")
        return self.end(row, status, resolution, reason)

    def end(self, row: Row, status: str, resolution: str, reason: str | None) -> Row:
        self.begin()
        self.close(row, status, resolution)
        row["resolution_reason"] = reason
        return outcome(row)

    def proposal_accept(self, proposal: str, allow_stale: bool = False) -> Row:
        self.admin()
        self.unless(self.proposals.get(proposal), "accepted")
        self.when(*DECIDING)
        row = self.still_open(proposal, otherwise="already_resolved")
        if self.is_stale(row) and not allow_stale:
            raise Refused("stale", current=self.version(row))
        if self.makes_an_item(row):
            self.room_for(row["kind"])
        self.begin()
        self.accept(row, "admin")
        return outcome(row)

    def proposal_rebase(self, proposal: str, base_version: int, content: str | None = None) -> Row:
        row = self.own(proposal)
        words = row["content"] if row and content is None else content
        if row and row["status"] == "pending" and row["base_version"] == base_version:
            if not self.is_stale(row) and row["content"] == words:
                raise Same(revision=row["revision"])
        self.when(*RUNNING)
        row = self.still_open(proposal)
        if row["target"] is None:
            raise Refused("invalid_transition")
        if base_version != self.version(row):
            raise Refused("stale", current=self.version(row))
        if row["category"] == "delete" and content is not None:
            raise Refused("bad_request", path="content")
        self.begin()
        row |= {"base_version": base_version, "content": words, "revision": row["revision"] + 1}
        row["opens_at"] = self.after(self.event["policy"].get("min_open_seconds"))
        return {"revision": row["revision"]}

    def proposal_revert(self, proposal: str, reason: str | None = None) -> Row:
        self.admin()
        row = self.proposals.get(proposal)
        if row and row["reverted_by"]:
            raise Same(proposal=row["reverted_by"])
        self.when(*DECIDING)
        row = named(self.proposals, proposal)
        if row["status"] != "accepted":
            raise Refused("invalid_transition")
        kind, category, target, content = row["kind"], *self.opposite(row)
        undo = {"kind": kind, "category": category, "target": target, "content": content}
        if self.makes_an_item(undo):
            self.room_for(kind)
        self.begin()
        made = self.make_proposal(kind, category, target, self.version(undo), content, reason)
        self.accept(made, "revert")
        row["reverted_by"], made["reverts"] = made["id"], row["id"]
        return {"proposal": made["id"]}

    def opposite(self, row: Row) -> tuple[str, str | None, str | None]:
        """(category, target, content) of what undoes ``row``, while that can be undone."""
        item = self.items[row["item"]]
        if row["kind"] != "conclusion" and row["category"] == "delete":
            return "create", None, item["content"]
        if item["deleted"]:
            raise Refused("target_gone")
        part = "conclusion" if row["kind"] == "conclusion" else "content"
        now, words = len(self.said[row["item"], part]) - 1, self.said[row["item"], part]
        if now != row["item_version"]:
            raise Refused("stale", current=now)
        if row["kind"] == "conclusion" and words[now] is None:
            return "create", row["item"], words[now - 1]
        if words[now - 1] is None:
            return "delete", row["item"], None
        return "update", row["item"], words[now - 1]

    def own(self, proposal: str) -> Row | None:
        self.member()
        row = self.proposals.get(proposal)
        if row and row["author"] != self.user:
            raise Refused("forbidden")
        return row

    def unless(self, row: Row | None, status: str, resolution: str | None = None) -> None:
        """It came to this already."""
        if row and row["status"] == status and resolution in (None, row["resolution"]):
            raise Same(**outcome(row))

    def still_open(self, proposal: str, otherwise: str = "proposal_closed") -> Row:
        row = named(self.proposals, proposal)
        if row["status"] != "pending":
            raise Refused(otherwise, **outcome(row), seq=row["resolved_seq"])
        return row

    @staticmethod
    def makes_an_item(row: Row) -> bool:
        return bool(row["kind"] != "conclusion" and row["category"] == "create")

    def close(self, row: Row, status: str, resolution: str) -> None:
        rule = self.event["policy"][row["kind"]]
        row["decision"] = self.tally(row) | {
            "rule": rule["rule"],
            "threshold": rule["threshold"],
            "policy_version": self.event["policy_version"],
        }
        row["stale"] = self.is_stale(row)
        row |= {"status": status, "resolution": resolution, "resolved_by": self.user or None}
        row |= {"resolved_at": self.now, "resolved_seq": self.seq}
        row["resolved_no"] = sum(p["status"] != "pending" for p in self.proposals.values())

    def accept(self, row: Row, resolution: str) -> None:
        """Close it and do what it says. Rivals become stale by the version they are based on."""
        self.close(row, "accepted", resolution)
        if self.makes_an_item(row):
            row["item"], row["item_version"] = self.make_item(row["kind"], row["content"], revise=True), 1
            return
        row["item"], item = row["target"], self.items[row["target"]]
        if row["kind"] == "conclusion":
            item["conclusion"] = row["content"]
            item["conclusion_version"] += 1
            self.said[item["id"], "conclusion"].append(row["content"])
        elif row["category"] == "update":
            self.write(item, row["content"])
        else:
            self.remove(item)
        row["item_version"] = self.version(row)

    def look_at(self, row: Row) -> bool:
        """Accept ``row`` if its votes suffice; beyond the items' limit it waits."""
        if not self.passes(row, self.now):
            return False
        try:
            if self.makes_an_item(row):
                self.room_for(row["kind"])
        except Refused:
            return False
        self.accept(row, "auto_votes")
        return True

    def look_at_all(self) -> list[str]:
        """Look at each pending proposal once, the oldest first; the ids of those accepted."""
        return [row["id"] for row in self.pending() if self.look_at(row)]

    # --- votes

    def vote_cast(self, proposal: str, revision: int) -> Row:
        self.member()
        row = self.proposals.get(proposal)
        if row and row["revision"] == revision and self.standing(row, self.user):
            raise Same(**self.tally(row), status=row["status"])
        self.when(*RUNNING)
        row = self.still_open(proposal)
        if row["revision"] != revision:
            raise Refused("revision_changed", current=row["revision"])
        self.begin()
        self.votes[proposal][self.user] = {"revision": revision, "active": True}
        self.look_at(row)
        return self.tally(row) | {"status": row["status"]}

    def vote_retract(self, proposal: str) -> Row:
        self.member()
        row = self.proposals.get(proposal)
        if row and not self.standing(row, self.user):
            raise Same(**self.tally(row))
        self.when(*RUNNING)
        row = self.still_open(proposal)
        self.begin()
        self.votes[proposal][self.user]["active"] = False
        return self.tally(row)

    # --- ballots

    def ballot_submit(self, option: str, criterion_order: list[str], criteria_rev: int) -> None:
        self.member()
        ballot = {"option": option, "criterion_order": criterion_order, "criteria_rev": criteria_rev}
        if self.ballots.get(self.user) == ballot:
            raise Same
        self.when(*RUNNING)
        if criteria_rev != self.event["criteria_rev"]:
            raise Refused("stale_criteria", current=self.event["criteria_rev"])
        if named(self.options, option)["deleted"]:
            raise Refused("target_gone")
        if sorted(criterion_order) != sorted(self.live("criterion")):
            raise Refused("bad_request", path="criterion_order")
        self.begin()
        self.ballots[self.user] = ballot

    def ballot_clear(self) -> None:
        self.member()
        if self.user not in self.ballots:
            raise Same
        self.when(*RUNNING)
        self.begin()
        del self.ballots[self.user]

    # --- comments

    def comment_add(
        self, content: str, proposal: str | None = None, criterion: str | None = None
    ) -> Row:
        self.member()
        self.when(*OPEN)
        if proposal is not None:
            named(self.proposals, proposal)
        if criterion is not None and named(self.of_kind("criterion"), criterion)["deleted"]:
            raise Refused("target_gone")
        self.begin()
        id = self.ids("comments")
        shown = list(self.shown_comments().values())
        if len(shown) >= self.limits["shown_comments"]:
            shown[0]["left_window"] = True
        self.comments[id] = {
            "proposal": proposal,
            "criterion": criterion,
            "author": self.user,
            "content": content,
            "version": 1,
            "created_at": self.now,
            "deleted": False,
            "left_window": False,
        }
        return {"comment": id}

    def comment_edit(self, comment: str, version: int, content: str) -> Row:
        self.member()
        row = self.comments.get(comment)
        if row and row["author"] != self.user:
            raise Refused("forbidden")
        if row and not row["deleted"] and row["content"] == content:
            raise Same(version=row["version"])
        self.when(*OPEN)
        row = named(self.comments, comment)
        if row["deleted"]:
            raise Refused("target_gone")
        if row["version"] != version:
            raise Refused("version_conflict", current=row["version"])
        self.begin()
        row |= {"content": content, "version": version + 1}
        return {"version": row["version"]}

    def comment_remove(self, comment: str) -> None:
        self.member()
        row = self.comments.get(comment)
        if row and row["author"] != self.user and self.role(self.user) != "admin":
            raise Refused("forbidden")
        if row and row["deleted"]:
            raise Same
        self.when(*OPEN)
        row = named(self.comments, comment)
        self.begin()
        row["deleted"] = True

    # --- the server's own steps

    def proposal_expire(self, proposal: str) -> Row:
        row = self.timely(proposal, "expires_at")
        return self.end(row, "rejected", "expired", None)

    def proposal_mature(self, proposal: str) -> Row:
        row = self.timely(proposal, "opens_at")
        if not self.passes(row, self.now):
            raise Refused("not_due", final=False)
        self.begin()
        self.look_at(row)
        return outcome(row)

    def timely(self, proposal: str, field: str) -> Row:
        """A timer asks too early, too late, or twice: nothing happens, nothing is remembered."""
        row = self.proposals.get(proposal)
        due = row and row["status"] == "pending" and row[field] is not None and row[field] <= self.now
        if self.user != "" or not due or self.event["status"] != "in_progress":
            raise Refused("not_due", final=False)
        return row


def outcome(row: Row) -> Row:
    """status, resolution, by and at of a closed proposal."""
    by, at = row["resolved_by"], plain(row["resolved_at"])
    return present(row, "status", "resolution", by=by, at=at)


def named(table: dict[str, Row], id: str) -> Row:
    if id not in table:
        raise Refused("not_found")
    return table[id]


def merge(document: Row, patch: Row) -> Row:
    """RFC 7396, on a copy."""
    merged = dict(document)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            merged[key] = merge(merged.get(key, {}), value)
        else:
            merged[key] = value
    return merged


def checked(policy: Row, *, final: bool = False) -> Row:
    for kind in ("assumption", "criterion", "conclusion"):
        if policy[kind]["rule"] == "percent" and policy[kind]["threshold"] > 100:
            raise Refused("bad_request", final=final, path=f"policy.{kind}.threshold")
    return policy


def whole(handler: Callable[..., Any], arguments: Row) -> Row:
    """The command with its defaults: what two commands of one id are compared by."""
    parameters = list(inspect.signature(handler).parameters.values())[1:]
    return {p.name: p.default for p in parameters if p.default is not p.empty} | arguments | {
        "type": handler.__name__
    }
