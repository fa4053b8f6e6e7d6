"""The reference model: the whole domain of one event, written a second time, to be read.

A server's answers, journal and rooms are compared with it. So it shares no code with the server,
and keeps no number that can be counted. The commands are in ``items``, ``proposals``, ``members``
and here. ``deciding`` has the decision of any command. ``rows`` has the tables and the rooms'
views.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

from tests.model.ballots import Ballots
from tests.model.deciding import DECIDING, KEEP, OPEN, Refused, Same, named
from tests.model.members import Members
from tests.model.rows import Row
from tests.model.terms import LIMIT_NAMES

DEFAULT_POLICY: Row = {
    "assumption": {"auto": True, "rule": "count", "threshold": 3},
    "criterion": {"auto": True, "rule": "count", "threshold": 3},
    "conclusion": {"auto": True, "rule": "percent", "threshold": 60},
    "membership_auto": False,
}
#: The final ballot of a policy without one.
ONE_OPTION: Row = {"method": "single", "named": False}
KINDS = ("assumption", "criterion", "conclusion")
#: Defaults of ``event.create``.
NO_POLICY: Row = {}
NO_TEXTS: list[str] = []


class Model(Members, Ballots):
    """An event, from its ``event.create`` on."""

    def event_create(
        self,
        subject: str,
        max_members: int = 100,
        policy: Row = NO_POLICY,
        options: list[str] = NO_TEXTS,
        assumptions: list[str] = NO_TEXTS,
        criteria: list[str] = NO_TEXTS,
        entrance_code: str | None = None,
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
        as_: str = "admin",
    ) -> Row:
        assert not self.event, "another event than this model's"
        merged = adopt(DEFAULT_POLICY, policy, final=False)
        begun_with = {"options": options, "assumptions": assumptions, "criteria": criteria}
        if any(len(texts) > self.limits[name] for name, texts in begun_with.items()):
            raise Refused("limit_reached", final=False)
        times = self.times(starts_at=starts_at, ends_at=ends_at)
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
            "starts_at": None,
            "ends_at": None,
            "ends_set_at": None,
            "ballot_fixed": False,
        } | times
        self.let_in(self.user, self.name, as_)
        for content in options:
            self.make_option(content)
        for content in assumptions:
            self.make_item("assumption", content)
        for content in criteria:
            self.make_item("criterion", content)
        self.event["criteria_rev"] = 1
        return {"event": self.event["id"], "entrance_code": self.codes[-1]}

    def event_update(
        self,
        subject: str | None = None,
        max_members: int | None = None,
        starts_at: datetime | str | None = KEEP,
        ends_at: datetime | str | None = KEEP,
    ) -> None:
        self.admin()
        self.when(*OPEN)
        wished: Row = {"subject": subject, "max_members": max_members}
        changes = {k: v for k, v in wished.items() if v is not None and v != self.event[k]}
        if "subject" in changes:
            self.before_start()
        if "max_members" in changes and int(changes["max_members"]) < len(self.insiders()):
            raise Refused("limit_reached", current=len(self.insiders()))
        changes |= self.times(starts_at=starts_at, ends_at=ends_at)
        if not changes:
            raise Same
        self.begin()
        self.event |= changes

    def event_set_policy(self, policy_version: int, policy: Row) -> Row:
        self.admin()
        self.when(*OPEN)
        current = self.event["policy_version"]
        if policy_version != current:
            raise Refused("version_conflict", current=current)
        merged = adopt(self.event["policy"], policy, final=True)
        if merged == self.event["policy"]:
            raise Same(policy_version=current, accepted=[])
        if merged.get("ballot", ONE_OPTION) != self.ballot_policy() and self.event["ballot_fixed"]:
            raise Refused("invalid_transition", path="policy.ballot")
        self.begin()
        self.event |= {"policy": merged, "policy_version": current + 1}
        return {"policy_version": current + 1, "accepted": self.evaluate_all()}

    def event_rotate_code(self) -> Row:
        self.admin()
        self.when(*OPEN)
        self.begin()
        self.codes.append(self.ids("entrance_code"))
        return {"entrance_code": self.codes[-1]}

    def event_start(self) -> Row:
        if not self.user:
            return self.scheduled("not_started", "starts_at", to="in_progress")
        self.admin()
        if self.event["status"] == "not_started" and self.is_over():
            raise Refused("invalid_transition", path="ends_at")
        return self.move("not_started", to="in_progress")

    def event_pause(self) -> Row:
        result = self.move("in_progress", to="paused")
        self.event["paused_at"] = self.now
        return result

    def event_resume(self) -> Row:
        result = self.move("paused", to="in_progress")
        for row in self.pending():
            for time in ("opens_at", "expires_at"):
                if row[time] is not None and row[time] > self.event["paused_at"]:
                    row[time] += self.now - self.event["paused_at"]
        self.end_moves()
        self.evaluate_all()
        return result

    def event_finish(self) -> Row:
        if self.user:
            result = self.move(*DECIDING, to="finished")
        else:
            result = self.scheduled("in_progress", "ends_at", to="finished")
        for row in self.pending():
            self.close(row, "deleted", "event_finished")
        self.event["results"] = self.results()
        return result

    def scheduled(self, source: str, time: str, *, to: str) -> Row:
        """Take the server's own step, once its time has come."""
        moment = self.event[time]
        if self.event["status"] != source or moment is None or self.now < moment:
            raise Refused("not_due", final=False)
        self.begin()
        self.event["status"] = to
        return {"status": to}

    def event_reopen(self) -> Row:
        result = self.move("finished", to="in_progress")
        self.event |= {"results": None, "paused_at": None}
        if self.is_over():
            self.event |= {"ends_at": None, "ends_set_at": None}
        for user in set(self.ballots) - self.eligible():
            del self.ballots[user]
        return result

    def move(self, *sources: str, to: str) -> Row:
        self.admin()
        if self.event["status"] == to:
            raise Same(status=to)
        self.when(*sources, otherwise="invalid_transition")
        self.begin()
        self.event["status"] = to
        return {"status": to}

    # --- the server's own, on an operator's word

    def event_set_limits(self, limits: Row) -> Row:
        """Other limits from here on: records beyond a window leave it, and none returns."""
        if limits["version"] != self.limits_version + 1:
            raise Same(version=limits["version"])
        self.begin()
        self.floor = self.resolved_floor()
        self.limits_version = limits["version"]
        given = {LIMIT_NAMES.get(name, name): limit for name, limit in limits.items()}
        self.limits = {name: given[name] for name in self.limits}
        self.narrow_invitations()
        for row in list(self.shown_comments().values())[: -self.limits["shown_comments"]]:
            row["left_window"] = True
        self.evaluate_all()
        return {"version": limits["version"]}

    def event_erase(self, user: str, shown: Row) -> Row:
        """A person's texts are erased already: the rooms are sent the placeholders again."""
        self.begin()
        return {"user": user}

    # --- comments

    def comment_add(
        self, content: str, proposal: str | None = None, criterion: str | None = None
    ) -> Row:
        self.member()
        self.when(*OPEN)
        if proposal is not None:
            named(self.proposals, proposal)
        elif named(self.of_kind("criterion"), str(criterion))["deleted"]:
            raise Refused("target_gone")
        self.begin()
        shown = list(self.shown_comments().values())
        if len(shown) >= self.limits["shown_comments"]:
            shown[0]["left_window"] = True
        id = self.ids("comments")
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
        self.when(*OPEN)
        row = self.comments.get(comment)
        if row and row["author"] == self.user and not row["deleted"] and row["content"] == content:
            raise Same(comment=comment, version=row["version"])
        row = named(self.comments, comment)
        if row["author"] != self.user:
            raise Refused("forbidden")
        if row["deleted"]:
            raise Refused("target_gone")
        self.same_version(row, version)
        self.begin()
        row |= {"content": content, "version": version + 1}
        return {"comment": comment, "version": version + 1}

    def comment_remove(self, comment: str) -> Row:
        self.member()
        self.when(*OPEN)
        row = self.comments.get(comment)
        mine = row is not None and (row["author"] == self.user or self.user in self.admins())
        if row and row["deleted"] and mine:
            raise Same(comment=comment)
        row = named(self.comments, comment)
        if not mine:
            raise Refused("forbidden")
        self.begin()
        row["deleted"] = True
        return {"comment": comment}


def merge(document: Row, patch: Row) -> Row:
    """RFC 7396, on a copy."""
    merged = dict(document)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            held = merged.get(key)
            merged[key] = merge(held if isinstance(held, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def adopt(policy: Row, patch: Row, *, final: bool) -> Row:
    """``policy`` with ``patch`` merged in, each rule with its own fields alone."""
    merged = merge(policy, patch)
    if "ballot" in merged:
        merged["ballot"] = ONE_OPTION | merged["ballot"]
    for kind in KINDS:
        if patch.get(kind) is not None:
            merged[kind] = rule_of(merged[kind], patch[kind], f"policy.{kind}.", final=final)
    closes = merged.get("decide") == "close"
    if closes and not merged.get("ttl_seconds"):
        raise Refused("bad_request", final=final, path="policy.decide")
    for kind in KINDS:
        if merged[kind].get("of") == "votes" and not closes:
            raise Refused("bad_request", final=final, path=f"policy.{kind}.of")
    return merged


def rule_of(merged: Row, given: Row, path: str, *, final: bool) -> Row:
    """The rule of one kind: a share with its base, or a threshold."""
    rule = merged["rule"]
    own = "share" if rule == "share" else "threshold"
    for name in ("threshold",) if rule == "share" else ("share", "more_than", "of"):
        if given.get(name) is not None:
            raise Refused("bad_request", final=final, path=path + name)
    if own not in merged:
        raise Refused("bad_request", final=final, path=path + own)
    kept = {name: merged[name] for name in ("auto", "rule", own)}
    if rule == "share":
        kept |= {"more_than": merged.get("more_than", False), "of": merged.get("of", "members")}
        if kept["more_than"] and Fraction(kept["share"]) == 1:
            raise Refused("bad_request", final=final, path=path + "more_than")
    if rule == "percent" and kept["threshold"] > 100:
        raise Refused("bad_request", final=final, path=path + "threshold")
    return kept
