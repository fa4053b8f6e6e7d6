"""A planned command made into a message, from the state that its event's admin sees."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from tests.campaign.plan import USERS, Planned
from tests.campaign.users import is_stranger, maker_of, user_of
from tests.model.history import Json

#: Members an event keeps; below that nobody leaves or is removed.
FEWEST_MEMBERS = 36
#: Pending proposals beyond which a command votes rather than proposes.
MAX_PENDING = 30
#: Items beyond which a command proposes a deletion rather than an addition.
MAX_ITEMS = {"assumptions": 30, "criteria": 6}

Words: TypeAlias = tuple[str, Json]
"""User, and the command without its id."""


class Phrasing:
    """A planned command, and what is known of its event."""

    def __init__(self, planned: Planned, event_id: str, state: Json) -> None:
        self.planned = planned
        self.event_id = event_id
        self.state = state
        self._left = planned.draw

    def words(self) -> Words:
        """The sender and the command."""
        kind = self.planned.kind
        if self.state["event"]["status"] == "paused" and self.one_in(6):
            kind = "resume"
        made = _PHRASES[kind](self)
        if made is None:
            made = _PHRASES["propose" if kind == "vote" else "vote"](self)
        if made is None:
            made = _PHRASES["comment"](self)
        assert made is not None
        return made

    # Draws

    def draw(self, below: int) -> int:
        """A number of the plan's, below ``below``."""
        self._left, found = divmod(self._left, below)
        if not self._left:
            self._left = self.planned.draw ^ 0x5DEECE66D
        return found

    def one_in(self, chances: int) -> bool:
        """True once in so many."""
        return self.draw(chances) == 0

    def of(self, things: Any) -> Any:
        """An element of ``things``, or ``None`` if there is none."""
        ordered = sorted(things)
        return ordered[self.draw(len(ordered))] if ordered else None

    # Users

    @property
    def me(self) -> str:
        """The planned user."""
        return user_of(self.planned.user)

    @property
    def maker(self) -> str:
        """The admin who stays."""
        return maker_of(self.planned.event)

    def admin(self) -> str:
        """Usually a user who is permitted."""
        if self.one_in(12):
            return self.me
        found: str = self.of(u for u, m in self.state["members"].items() if m["role"] != "member")
        return found or self.maker

    def outside(self) -> list[str]:
        """Users who are not members, and may become members."""
        members, asking = self.state["members"], self.state["requests"]
        return [
            user
            for user in map(user_of, range(USERS))
            if user not in members
            and user not in asking
            and not is_stranger(user, self.planned.event)
        ]

    def others(self) -> list[str]:
        """Members who may leave."""
        if len(self.state["members"]) <= FEWEST_MEMBERS:
            return []
        return [user for user in self.state["members"] if user != self.maker]

    # Objects

    def say(self, user: str, type: str, /, **fields: Any) -> Words:
        """A command about this event."""
        return user, {"type": type, "event": self.event_id} | fields

    def pending(self) -> Any:
        """A pending proposal's id."""
        return self.of(i for i, p in self.state["proposals"].items() if p["status"] == "pending")

    def text(self) -> str:
        """A text that no other command has."""
        return f"words of {self.planned.number}"


def _vote(p: Phrasing) -> Words | None:
    proposal = p.pending()
    if proposal is None:
        return None
    held = p.state["proposals"][proposal]
    stances = held.get("terms", {}).get("stances", ["agree"])
    said = {"stance": p.of(stances)} if len(stances) > 1 or p.one_in(40) else {}
    revision = held["revision"] + p.one_in(40)
    return p.say(p.me, "vote.cast", proposal=proposal, revision=revision, **said)


def _retract(p: Phrasing) -> Words | None:
    proposal = p.pending()
    return proposal and p.say(p.me, "vote.retract", proposal=proposal)


def _propose(p: Phrasing) -> Words | None:
    state = p.state
    if sum(each["status"] == "pending" for each in state["proposals"].values()) >= MAX_PENDING:
        return None
    kind = ("assumption", "assumption", "criterion", "conclusion")[p.draw(4)]
    items = state["criteria" if kind != "assumption" else "assumptions"]
    target = p.of(items)
    category = ("create", "update", "update", "delete")[p.draw(4)]
    if kind == "conclusion":
        if target is None:
            return None
        category = "delete" if category == "delete" and "conclusion" in items[target] else "update"
        category = category if "conclusion" in items[target] else "create"
        fields: Json = {"target": target, "base_version": items[target]["conclusion_version"]}
    else:
        full = len(items) >= MAX_ITEMS["assumptions" if kind == "assumption" else "criteria"]
        category = "delete" if category == "create" and full else category
        category = category if target is not None else "create"
        fields = {}
        if category != "create":
            fields = {"target": target, "base_version": items[target]["version"]}
    if category != "delete":
        fields["content"] = p.text()
    return p.say(p.me, "proposal.create", kind=kind, category=category, **fields)


def _comment(p: Phrasing) -> Words | None:
    on = p.of(p.state["proposals"])
    if on is not None:
        return p.say(p.me, "comment.add", proposal=on, content=p.text())
    return p.say(p.me, "comment.add", criterion=p.of(p.state["criteria"]) or "none", content="c")


def _edit_comment(p: Phrasing) -> Words | None:
    id = p.of(p.state["comments"])
    if id is None:
        return None
    held = p.state["comments"][id]
    user = p.me if p.one_in(8) else held["author"]
    return p.say(user, "comment.edit", comment=id, version=held["version"], content=p.text())


def _remove_comment(p: Phrasing) -> Words | None:
    id = p.of(p.state["comments"])
    if id is None:
        return None
    user = p.me if p.one_in(8) else p.state["comments"][id]["author"]
    return p.say(user, "comment.remove", comment=id)


def _decide(type: str) -> Callable[[Phrasing], Words | None]:
    def phrase(p: Phrasing) -> Words | None:
        proposal = p.pending()
        return proposal and p.say(p.admin(), type, proposal=proposal)

    return phrase


def _withdraw(p: Phrasing) -> Words | None:
    proposal = p.pending()
    return proposal and p.say(
        p.state["proposals"][proposal]["author"], "proposal.withdraw", proposal=proposal
    )


def _rebase(p: Phrasing) -> Words | None:
    found = p.of(i for i, each in p.state["proposals"].items() if each.get("stale"))
    if found is None or p.state["proposals"][found]["status"] != "pending":
        return None
    held = p.state["proposals"][found]
    items = p.state["assumptions" if held["kind"] == "assumption" else "criteria"]
    item = items.get(held["target"])
    if item is None:
        return None
    version = item["conclusion_version" if held["kind"] == "conclusion" else "version"]
    return p.say(held["author"], "proposal.rebase", proposal=found, base_version=version)


def _revert(p: Phrasing) -> Words | None:
    found = p.of(i for i, each in p.state["proposals"].items() if each["status"] == "accepted")
    return found and p.say(p.admin(), "proposal.revert", proposal=found)


def _ballot(p: Phrasing) -> Words | None:
    order = sorted(p.state["criteria"])
    turn = p.draw(len(order)) if order else 0
    ranking: Json = {"criterion_order": order[turn:] + order[:turn]}
    options = sorted(p.state["options"])
    first = p.draw(len(options))
    chosen = (options[first:] + options[:first])[: 1 + p.draw(len(options))]
    method = p.state["event"]["policy"].get("ballot", {}).get("method", "single")
    return p.say(
        p.me,
        "ballot.submit",
        **({"option": chosen[0]} if method == "single" else {"options": chosen}),
        **({} if p.one_in(4) else ranking),
        criteria_rev=p.state["event"]["criteria_rev"],
    )


def _leave(p: Phrasing) -> Words | None:
    user = p.of(p.others())
    return user and p.say(user, "membership.leave")


def _remove(p: Phrasing) -> Words | None:
    user = p.of(p.others())
    return user and p.say(p.admin(), "membership.remove", user=user)


def _join(p: Phrasing) -> Words | None:
    user = p.of(p.outside())
    return user and (
        user,
        {"type": "membership.join", "code": p.state["event"]["entrance_code"]},
    )


def _approve(p: Phrasing) -> Words | None:
    user = p.of(p.state["requests"])
    if user is None or p.one_in(3):
        return p.say(p.admin(), "membership.approve_all")
    answer = "membership.reject" if p.one_in(5) else "membership.approve"
    return p.say(p.admin(), answer, user=user)


def _role(role: str) -> Callable[[Phrasing], Words | None]:
    def phrase(p: Phrasing) -> Words | None:
        user = p.of(u for u in p.state["members"] if u != p.maker)
        return user and p.say(p.admin(), "membership.set_role", user=user, role=role)

    return phrase


def _policy(p: Phrasing) -> Words | None:
    patch: Json = (
        {"assumption": {"threshold": 2 + p.draw(3)}},
        {"criterion": {"threshold": 2 + p.draw(3)}},
        {"membership_auto": not p.one_in(3)},
        {"ttl_seconds": (None, 1, 2, 5)[p.draw(4)]},
        {"min_open_seconds": (None, 1)[p.draw(2)]},
        {"quorum_percent": (None, 4)[p.draw(2)]},
        {"proposer_votes": (None, True)[p.draw(2)]},
        {"ballot": {"method": ("ranked", "approval")[p.draw(2)]}},
        {"stances": (None, ["agree", "against"], ["agree", "against", "abstain"])[p.draw(3)]},
        {"tally": (None, "close")[p.draw(2)]},
        {"votes": (None, "named")[p.draw(2)]},
        {"electorate": (None, "opening")[p.draw(2)]},
        {"assumption": {"rule": "share", "share": "1/9", "more_than": p.one_in(2)}},
        {"criterion": {"rule": "count", "threshold": 2}},
        {"decide": "close", "ttl_seconds": 2},
        {"decide": None},
    )[p.draw(16)]
    version = p.state["event"]["policy_version"]
    return p.say(p.admin(), "event.set_policy", policy_version=version, policy=patch)


def _times(p: Phrasing) -> Words | None:
    """A time far in the future by this machine's clock; a pause moves it."""
    end = datetime.now(UTC) + timedelta(days=1 + p.draw(9))
    return p.say(p.admin(), "event.update", ends_at=None if p.one_in(3) else end.isoformat())


def _starts(p: Phrasing) -> Words | None:
    """A start far away, which only an event that has not started takes."""
    start = datetime.now(UTC) + timedelta(days=1)
    return p.say(p.admin(), "event.update", starts_at=start.isoformat())


def _add(p: Phrasing) -> Words | None:
    users = {p.of(p.outside()) for _ in range(1 + p.draw(2))} - {None}
    people: list[Json] = [{"user": user} for user in sorted(users)]
    if people and p.one_in(2):
        people[0]["name"] = p.text()
    return p.say(p.admin(), "membership.add", people=people) if people else None


def _rename(p: Phrasing) -> Words | None:
    return p.say(p.me, "membership.rename", name=p.text())


def _invite(p: Phrasing) -> Words | None:
    people: list[Json] = [{"name": p.text()} for _ in range(1 + p.draw(2))]
    people[0] |= {"ref": f"{p.planned.number}"} if p.one_in(2) else {}
    return p.say(p.admin(), "invitation.create", people=people)


def _uninvite(p: Phrasing) -> Words | None:
    found = p.of(p.state.get("invitations", {}))
    return found and p.say(p.admin(), "invitation.revoke", invitation=found)


def _of_event(type: str) -> Callable[[Phrasing], Words | None]:
    return lambda p: p.say(p.admin(), type)


def _stranger(p: Phrasing) -> Words | None:
    proposal = p.pending()
    user = p.of(u for u in map(user_of, range(USERS)) if u not in p.state["members"])
    if user is None or proposal is None:
        return None
    return p.say(user, "vote.cast", proposal=proposal, revision=1)


_PHRASES: dict[str, Callable[[Phrasing], Words | None]] = {
    "vote": _vote,
    "retract": _retract,
    "propose": _propose,
    "comment": _comment,
    "edit comment": _edit_comment,
    "remove comment": _remove_comment,
    "accept": _decide("proposal.accept"),
    "reject": _decide("proposal.reject"),
    "withdraw": _withdraw,
    "moderate": _decide("proposal.moderate"),
    "rebase": _rebase,
    "revert": _revert,
    "ballot": _ballot,
    "clear ballot": lambda p: p.say(p.me, "ballot.clear"),
    "leave": _leave,
    "join": _join,
    "remove": _remove,
    "approve": _approve,
    "promote": _role("admin"),
    "demote": _role("member"),
    "policy": _policy,
    "times": _times,
    "starts": _starts,
    "add": _add,
    "rename": _rename,
    "invite": _invite,
    "uninvite": _uninvite,
    "organise": _role("organiser"),
    "rotate": _of_event("event.rotate_code"),
    "pause": _of_event("event.pause"),
    "resume": _of_event("event.resume"),
    "stranger": _stranger,
}


def other_words(command: Json) -> Json | None:
    """The same id with another payload for the same event, if there is one."""
    changed = dict(command)
    for field, other in (
        ("subject", "another subject"),
        ("content", "other words"),
        ("revision", command.get("revision", 0) + 1),
        ("reason", "another reason"),
        ("criteria_rev", command.get("criteria_rev", 0) + 1),
        ("role", "admin" if command.get("role") == "member" else "member"),
        ("user", "somebody-else"),
        ("proposal", "another-proposal"),
        ("policy_version", command.get("policy_version", 0) + 1),
    ):
        if field in command:
            return changed | {field: other}
    if command["type"] == "membership.join":
        return None
    return changed | {"type": "ballot.clear"}
