"""The rows of one event as plain dicts, and all that follows from them.

Nothing is kept that can be counted: a tally counts vote rows, staleness compares versions, a
window is a sort. Slow and obvious on purpose; it shares no code with what it is held against.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.model.counting import ranked_results

Row = dict[str, Any]

#: Of the domain, and settings of the server: how many there may be, and how many a room shows.
LIMITS = {
    "options": 20,
    "assumptions": 500,
    "criteria": 100,
    "pending": 1_000,
    "pending_each": 50,
    "withdrawn_each": 50,
    "requests": 3_000,
    "shown_proposals": 200,
    "shown_comments": 200,
    "shown_members": 500,
    "shown_requests": 200,
}

#: What the server calls them, where that is not the same.
LIMIT_NAMES = {
    "pending_proposals": "pending",
    "pending_per_author": "pending_each",
    "withdrawn_per_author": "withdrawn_each",
    "resolved_shown": "shown_proposals",
    "comments_shown": "shown_comments",
    "members_shown": "shown_members",
    "requests_shown": "shown_requests",
}


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
        self.comments: dict[str, Row] = {}

    # --- people

    def insiders(self) -> set[str]:
        return {user for user, row in self.members.items() if row["status"] == "accepted"}

    def eligible(self) -> set[str]:
        """Those who have a vote: organisers have none."""
        return {user for user in self.insiders() if self.members[user]["role"] != "organiser"}

    def admins(self) -> set[str]:
        """Those who may do what admins may."""
        return {user for user in self.insiders() if self.members[user]["role"] != "member"}

    def is_full(self) -> bool:
        return len(self.insiders()) >= int(self.event["max_members"])

    def waiting(self) -> list[str]:
        """Those who wait to be let in, in the order of asking."""
        rows = self.members
        waiting = [user for user in rows if rows[user]["status"] == "pending"]
        return sorted(waiting, key=lambda user: int(rows[user]["asked"]))

    def asked_by(self, upto: int | None) -> list[str]:
        """Those who wait and had asked by position ``upto``; all, if none is given."""
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
        """Whether an active vote of ``user`` is on the words that stand now."""
        row = self.votes[proposal["id"]].get(user)
        return bool(row and row["active"] and row["revision"] == proposal["revision"])

    def agree(self, proposal: Row) -> int:
        return sum(self.standing(proposal, user) for user in self.eligible())

    def voters(self, proposal: Row) -> int:
        rows, people = self.votes[proposal["id"]], self.eligible()
        return sum(rows[user]["revision"] == proposal["revision"] for user in rows.keys() & people)

    def tally(self, proposal: Row) -> Row:
        """agree and eligible: of now, or as they stood when it was decided."""
        if proposal["decision"]:
            return {key: proposal["decision"][key] for key in ("agree", "eligible")}
        return {"agree": self.agree(proposal), "eligible": len(self.eligible())}

    def passes(self, proposal: Row, now: datetime) -> bool:
        policy = self.event["policy"]
        rule, eligible = policy[proposal["kind"]], len(self.eligible())
        opens, expires = proposal["opens_at"], proposal["expires_at"]
        quorum = policy.get("quorum_percent")
        return (
            proposal["status"] == "pending"
            and self.event["status"] == "in_progress"
            and rule["auto"]
            and not self.is_stale(proposal)
            and (opens is None or now >= opens)
            and (expires is None or now < expires)
            and enough(rule["rule"], rule["threshold"], self.agree(proposal), eligible)
            and (quorum is None or self.voters(proposal) * 100 >= quorum * eligible)
        )

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
        """What is left of a ballot's order of criteria."""
        return [id for id in ballot["criterion_order"] if not self.items[id]["deleted"]]

    # --- what a room shows

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
            agree=self.tally(proposal)["agree"],
            stale=self.is_stale(proposal) if is_open else proposal["stale"],
        )

    def you(self, user: str) -> Row:
        """What is ``user``'s alone."""
        me = self.members[user]
        you: Row = {
            "membership": present(me, "status", role=self.role(user)),
            "votes": {
                row["id"]: row["revision"]
                for row in self.shown_proposals()
                if self.standing(row, user)
            },
        }
        if user in self.ballots:
            you["ballot"] = self.ballot(user)
        return you

    def ballot(self, user: str) -> Row:
        """What stands of somebody's ballot."""
        ballot = self.ballots[user]
        return ballot | {"criterion_order": self.ranking(ballot)}

    def role(self, user: str) -> str | None:
        me = self.members.get(user)
        return str(me["role"]) if me and me["status"] == "accepted" else None


def enough(rule: str, threshold: int, agree: int, eligible: int) -> bool:
    """Whether ``agree`` of ``eligible`` reach the threshold, in whole numbers."""
    if rule == "count":
        return agree >= threshold
    return eligible > 0 and agree * 100 >= threshold * eligible


def ranked(name: str, measure: str, counts: dict[str, int], rows: dict[str, Row]) -> list[Row]:
    """The most first, then by position; equal counts share a rank."""
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
