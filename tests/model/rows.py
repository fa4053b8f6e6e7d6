"""The rows of one event as plain dicts, and everything that follows from them.

No number is kept that can be counted: a tally counts vote rows, staleness compares versions, a
window is a sort. Slow and obvious on purpose; it shares no code with the server that it is compared
with.
"""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Any

from tests.model.counting import ranked_results
from tests.model.terms import LIMITS, TERMS

Row = dict[str, Any]


class Rows:
    """The tables of one event; reads only."""

    def __init__(self, **limits: int) -> None:
        self.limits = LIMITS | limits
        self.limits_version = 1
        self.floor = 0  # resolved proposals up to this number have left the window for good
        self.seq = 0
        self.event: Row = {}
        self.window_closed = False  # whether members who join now are shown only as admins
        self.codes: list[str] = []  # the present one is the last
        self.asked = 0  # requests to join ever made
        self.members: dict[str, Row] = {}
        self.options: dict[str, Row] = {}
        self.items: dict[str, Row] = {}  # assumptions and criteria
        self.said: dict[tuple[str, str], list[str | None]] = {}  # (item, part) -> by version
        self.proposals: dict[str, Row] = {}
        self.votes: dict[str, dict[str, Row]] = {}  # proposal -> user
        self.ballots: dict[str, Row] = {}
        self.revisions: dict[str, int] = {}  # user -> of the latest ballot, there or gone
        self.comments: dict[str, Row] = {}
        self.invitations: dict[str, Row] = {}
        self.invitation_floor = 0  # invitations up to this number have left the window for good

    # --- people

    def insiders(self) -> set[str]:
        return {user for user, row in self.members.items() if row["status"] == "accepted"}

    def eligible(self) -> set[str]:
        """Members who may vote: all but organisers."""
        return {user for user in self.insiders() if self.members[user]["role"] != "organiser"}

    def admins(self) -> set[str]:
        """Members who may do what admins may, organisers included."""
        return {user for user in self.insiders() if self.members[user]["role"] != "member"}

    def is_full(self) -> bool:
        return len(self.insiders()) >= int(self.event["max_members"])

    def waiting(self) -> list[str]:
        """Applicants, in the order of their requests."""
        rows = self.members
        waiting = [user for user in rows if rows[user]["status"] == "pending"]
        return sorted(waiting, key=lambda user: int(rows[user]["asked"]))

    def asked_by(self, upto: int | None) -> list[str]:
        """Applicants whose request has a position up to ``upto``; all of them, if none is given."""
        rows = self.members
        return [user for user in self.waiting() if upto is None or rows[user]["position"] <= upto]

    # --- items

    def live(self, kind: str) -> list[str]:
        return [id for id, row in self.items.items() if row["kind"] == kind and not row["deleted"]]

    def made(self) -> int:
        """Options, assumptions and criteria ever made: the next position."""
        return len(self.options) + len(self.items)

    # --- proposals

    def pending(self) -> list[Row]:
        return [row for row in self.proposals.values() if row["status"] == "pending"]

    def version(self, proposal: Row) -> int | None:
        """The present version of what ``proposal`` wants to change."""
        if proposal["target"] is None:
            return None
        part = "conclusion_version" if proposal["kind"] == "conclusion" else "version"
        return int(self.items[proposal["target"]][part])

    def is_stale(self, proposal: Row) -> bool:
        return bool(self.version(proposal) != proposal["base_version"])

    def standing(self, proposal: Row, user: str) -> bool:
        """Whether an active vote of ``user`` is for the present revision."""
        row = self.votes[proposal["id"]].get(user)
        return bool(row and row["active"] and row["revision"] == proposal["revision"])

    def terms(self, proposal: Row) -> Row:
        """The terms of its votes, defaults included."""
        terms: Row = TERMS | proposal["terms"]
        return terms

    def electorate(self, proposal: Row) -> set[str]:
        """Users who may vote on it: members of now, or of the time when it was made or rebased."""
        if self.terms(proposal)["electorate"] == "opening":
            return set(proposal["electorate"])
        return self.eligible()

    def count(self, proposal: Row, stance: str) -> int:
        rows = self.votes[proposal["id"]]
        people = self.eligible() & self.electorate(proposal)
        return sum(self.standing(proposal, u) and rows[u]["stance"] == stance for u in people)

    def voters(self, proposal: Row) -> int:
        rows, people = self.votes[proposal["id"]], self.eligible()
        return sum(rows[user]["revision"] == proposal["revision"] for user in rows.keys() & people)

    def tally(self, proposal: Row) -> Row:
        """The counts of its stances, and its electorate: of now, or as it was decided."""
        stances = self.terms(proposal)["stances"]
        if proposal["decision"]:
            return {key: proposal["decision"][key] for key in (*stances, "eligible")}
        counts = {stance: self.count(proposal, stance) for stance in stances}
        return counts | {"eligible": len(self.electorate(proposal))}

    def told(self, proposal: Row) -> Row:
        """The part of the tally in an answer to a voter."""
        terms, tally = self.terms(proposal), self.tally(proposal)
        if terms["tally"] == "live":
            return tally
        voters = {"voters": self.took_part(proposal)} if len(terms["stances"]) > 1 else {}
        return voters | {"eligible": tally["eligible"]}

    def took_part(self, proposal: Row) -> int:
        """The number of voters, or what it was when the proposal was closed."""
        is_open = proposal["status"] == "pending"
        return self.voters(proposal) if is_open else int(proposal["voters"])

    def passes(self, proposal: Row, now: datetime, closing: bool = False) -> bool:
        policy, terms = self.event["policy"], self.terms(proposal)
        eligible = len(self.electorate(proposal))
        opens, expires = proposal["opens_at"], proposal["expires_at"]
        quorum = policy.get("quorum_percent")
        if terms["decide"] == "close":
            in_time = closing and (opens is None or opens <= expires)
        else:
            in_time = (opens is None or now >= opens) and (expires is None or now < expires)
        return (
            proposal["status"] == "pending"
            and self.event["status"] == "in_progress"
            and policy[proposal["kind"]]["auto"]
            and not self.is_stale(proposal)
            and in_time
            and self.suffices(proposal)
            and (quorum is None or self.voters(proposal) * 100 >= quorum * eligible)
        )

    def suffices(self, proposal: Row) -> bool:
        """Whether the votes meet the rule, in exact fractions."""
        rule = self.event["policy"][proposal["kind"]]
        agree = self.count(proposal, "agree")
        base = len(self.electorate(proposal))
        if rule["rule"] != "share":
            return enough(rule["rule"], rule["threshold"], agree, base)
        if self.base(proposal) == "votes":
            base = agree + self.count(proposal, "against")
        return is_share(rule, agree, base)

    def base(self, proposal: Row) -> str:
        """The base of a share: the votes, only if the proposal is decided at its close."""
        closes = self.terms(proposal)["decide"] == "close"
        of: str = self.event["policy"][proposal["kind"]]["of"]
        return of if closes else "members"

    def results(self) -> Row:
        """The final count: options by the method, the live criteria by the ballots' points."""
        method = self.ballot_policy()["method"]
        votes = {id: 0 for id, row in self.options.items() if not row["deleted"]}
        points = dict.fromkeys(self.live("criterion"), 0)
        for ballot in self.ballots.values():
            for option in ballot.get("options", [ballot.get("option")]):
                votes[option] += 1
            for criterion, worth in zip(self.ranking(ballot), (3, 2, 1), strict=False):
                points[criterion] += worth
        counted: Row = {
            "ballots": len(self.ballots),
            "eligible": len(self.eligible()),
            "criteria": ranked("criterion", "points", points, self.items),
        }
        if method == "ranked":
            return counted | ranked_results(
                sorted(votes, key=lambda id: int(self.options[id]["position"])),
                [ballot["options"] for ballot in self.ballots.values()],
            )
        counted["options"] = ranked("option", "votes", votes, self.options)
        return counted if method == "single" else counted | {"method": method}

    def ballot_policy(self) -> Row:
        said: Row = self.event["policy"].get("ballot", {})
        return {"method": "single", "named": False} | said

    def ranking(self, ballot: Row) -> list[str]:
        """The criteria of a ballot that still exist, in its order."""
        return [id for id in ballot["criterion_order"] if not self.items[id]["deleted"]]

    # --- a room's view

    def shown_proposals(self) -> list[Row]:
        resolved = [row for row in self.proposals.values() if row["status"] != "pending"]
        resolved.sort(key=lambda row: int(row["resolved_no"]))
        return self.pending() + resolved[self.resolved_floor() :]

    def resolved_floor(self) -> int:
        resolved = sum(row["status"] != "pending" for row in self.proposals.values())
        floor: int = max(self.floor, resolved - self.limits["shown_proposals"])
        return floor

    def shown_comments(self) -> dict[str, Row]:
        return {
            id: row
            for id, row in self.comments.items()
            if not row["deleted"] and not row["left_window"]
        }

    def shown_members(self) -> set[str]:
        late = {user for user in self.insiders() if self.members[user]["beyond"]}
        return self.insiders() - late | self.admins()

    def state(self, audience: str) -> Row:
        """The state document of ``member``, ``admin`` or ``applicant``."""
        event = self.event
        collections = ("options", "assumptions", "criteria", "proposals", "comments", "members")
        if audience == "applicant":
            about = {key: event[key] for key in ("id", "subject", "status")}
            return {"event": about, "counts": {}} | {name: {} for name in collections}
        state: Row = {
            "event": present(
                event,
                *("id", "subject", "status", "max_members", "policy", "policy_version"),
                *("criteria_rev", "created_at", "starts_at", "ends_at"),
                entrance_code=self.codes[-1],
            ),
            "options": {
                id: present(row, "content", "position")
                for id, row in self.options.items()
                if not row["deleted"]
            },
            "assumptions": {
                id: present(self.items[id], "content", "version", "position")
                for id in self.live("assumption")
            },
            "criteria": {
                id: present(
                    self.items[id],
                    *("content", "version", "position", "conclusion", "conclusion_version"),
                )
                for id in self.live("criterion")
            },
            "proposals": {row["id"]: self.shown(row) for row in self.shown_proposals()},
            "comments": {
                id: present(
                    row,
                    *("proposal", "criterion", "author", "content", "version", "created_at"),
                    no=list(self.comments).index(id) + 1,
                )
                for id, row in self.shown_comments().items()
            },
            "members": {
                user: present(self.members[user], "name", "role") for user in self.shown_members()
            },
            "counts": {
                "members": len(self.eligible()),
                "ballots": len(self.ballots),
                "proposals": len(self.proposals),
                "comments": sum(not row["deleted"] for row in self.comments.values()),
            },
        }
        if event["results"] is not None:
            state["results"] = event["results"]
        if audience == "admin":
            waiting = self.waiting()
            state["counts"]["requests"] = len(waiting)
            state["requests"] = {
                user: present(self.members[user], "name", "requested_at", "position")
                for user in waiting[: self.limits["shown_requests"]]
            }
            state["counts"]["invitations"] = len(self.invitations)
            state["invitations"] = {
                id: present(row, "name", "ref", "status", "user", "created_at", "no")
                for id, row in self.invitations.items()
                if row["no"] > self.invitation_floor
            }
        return state

    def shown(self, proposal: Row) -> Row:
        is_open = proposal["status"] == "pending"
        return present(
            proposal,
            *("kind", "category", "target", "base_version", "content", "reason", "author"),
            *("status", "resolution", "resolution_reason", "resolved_by", "resolved_at"),
            *("decision", "revision", "opens_at", "expires_at", "created_at"),
            *("reverts", "reverted_by", "resolved_no"),
            no=list(self.proposals).index(proposal["id"]) + 1,
            terms=proposal["terms"] or None,
            **self.shown_tally(proposal),
            stale=self.is_stale(proposal) if is_open else proposal["stale"],
        )

    def shown_tally(self, proposal: Row) -> Row:
        """The tally that every member is shown."""
        terms, tally = self.terms(proposal), self.tally(proposal)
        eligible, is_open = tally.pop("eligible"), proposal["status"] == "pending"
        shown = {} if is_open and terms["tally"] == "close" else tally
        if len(terms["stances"]) > 1:
            shown |= {"voters": self.took_part(proposal)}
        if terms["electorate"] == "opening":
            shown |= {"eligible": eligible}
        return shown

    def you(self, user: str) -> Row:
        """The data of ``user`` alone."""
        me = self.members[user]
        you: Row = {
            "membership": present(me, "status", role=self.role(user)),
            "votes": {
                row["id"]: row["revision"]
                for row in self.shown_proposals()
                if self.standing(row, user)
            },
            "stances": {
                row["id"]: self.votes[row["id"]][user]["stance"]
                for row in self.shown_proposals()
                if self.standing(row, user) and self.votes[row["id"]][user]["stance"] != "agree"
            },
        }
        if user in self.ballots:
            you["ballot"] = self.ballot(user)
        return you

    def ballot(self, user: str) -> Row:
        """The present parts of a user's ballot."""
        ballot = self.ballots[user]
        return ballot | {"criterion_order": self.ranking(ballot)}

    def narrow_invitations(self) -> None:
        """The window's floor after new records, or after a change of the limit."""
        fits = len(self.invitations) - self.limits["shown_invitations"]
        self.invitation_floor = max(self.invitation_floor, fits)

    def role(self, user: str) -> str | None:
        me = self.members.get(user)
        return str(me["role"]) if me and me["status"] == "accepted" else None


def enough(rule: str, threshold: int, agree: int, eligible: int) -> bool:
    """Whether ``agree`` of ``eligible`` reach the threshold, in whole numbers."""
    if rule == "count":
        return agree >= threshold
    return eligible > 0 and agree * 100 >= threshold * eligible


def is_share(rule: Row, agree: int, base: int) -> bool:
    """Whether ``agree`` are the share of ``base`` that ``rule`` asks, in exact fractions."""
    if base == 0:
        return False
    part, share = Fraction(agree, base), Fraction(rule["share"])
    return bool(part > share if rule["more_than"] else part >= share)


def ranked(name: str, measure: str, counts: dict[str, int], rows: dict[str, Row]) -> list[Row]:
    """The largest count first, then by position; equal counts share a rank."""
    order = sorted(counts, key=lambda id: (-counts[id], rows[id]["position"]))
    rank = {id: 1 + sum(other > counts[id] for other in counts.values()) for id in order}
    return [{name: id, measure: counts[id], "rank": rank[id]} for id in order]


def present(row: Row, *fields: str, **computed: Any) -> Row:
    """The fields that have a value, times as the wire writes them."""
    values = [(field, row[field]) for field in fields] + list(computed.items())
    return {field: plain(value) for field, value in values if value is not None}


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    return value
