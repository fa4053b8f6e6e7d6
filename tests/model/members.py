"""Members: joining, admitting, roles, leaving, and the records that go with a member."""

from __future__ import annotations

from typing import Any

from tests.model.deciding import OPEN, Refused, Same, named
from tests.model.proposals import Proposals
from tests.model.rows import Row, present


class Members(Proposals):
    """``membership.*``"""

    def membership_join(self, code: str | None = None, invitation: str | None = None) -> Row:
        if invitation is None and code != self.codes[-1]:
            raise Refused("not_found")
        found = self.open_invitation(invitation)
        self.when(*OPEN)
        me = self.members.get(self.user, {"status": None})
        if me["status"] == "accepted" or (me["status"] == "pending" and found is None):
            raise Same(event=self.event["id"], status=me["status"])
        policy = self.event["policy"]
        if self.user.startswith("guest:") and found is None and not policy.get("guests"):
            raise Refused("forbidden")
        if (found or policy["membership_auto"]) and me["status"] != "removed":
            self.spare_seat()
            self.begin()
            self.let_in(self.user, self.name)
            if found:
                found |= {"status": "used", "user": self.user}
            self.look_at_those_of([self.user])
        else:
            most = int(self.event["max_members"]) + self.limits["requests"]
            if len(self.waiting()) >= most:
                raise Refused("limit_reached", limit=most, name="requests")
            self.begin()
            self.asked += 1
            barred = (me["by"], me["at"]) if me["status"] == "removed" else None
            self.stand(
                self.user,
                "pending",
                name=self.name,
                requested_at=self.now,
                barred=barred,
                asked=self.asked,
                position=self.seq,
            )
        return {"event": self.event["id"], "status": self.members[self.user]["status"]}

    def open_invitation(self, named: str | None) -> Row | None:
        """The user's open invitation, if there is one."""
        if named is None and self.user.startswith("invited:"):
            named = "i_" + self.user.removeprefix("invited:")
        if named is None:
            return None
        row = self.invitations.get(named, {"status": "revoked"})
        if row["status"] == "revoked":
            raise Refused("not_found")
        if row["status"] == "used" and row["user"] != self.user:
            raise Refused("invalid_transition")
        return row if row["status"] == "open" else None

    def invitation_create(self, people: list[Row]) -> Row:
        self.admin()
        self.when(*OPEN)
        most = 3 * int(self.event["max_members"]) + self.limits["requests"]
        if len(self.invitations) + len(people) > most:
            raise Refused("limit_reached", limit=most, name="invitations")
        self.begin()
        made = []
        for person in people:
            id = self.ids("invitations")
            made.append({"invitation": id, "name": person["name"]})
            self.invitations[id] = {
                "name": person["name"],
                "ref": person.get("ref"),
                "status": "open",
                "user": None,
                "created_at": self.now,
                "no": len(self.invitations) + 1,
            }
        self.narrow_invitations()
        return {"invitations": made}

    def invitation_revoke(self, invitation: str) -> Row:
        self.admin()
        self.when(*OPEN)
        result = {"invitation": invitation, "status": "revoked"}
        row = named(self.invitations, invitation)
        if row["status"] == "revoked":
            raise Same(**result)
        self.begin()
        row["status"] = "revoked"
        return result

    def membership_cancel(self) -> None:
        row = self.membership()
        if row["status"] != "pending":
            raise Refused("invalid_transition")
        self.begin()
        if row["barred"]:
            by, at = row["barred"]
            row |= {"status": "removed", "by": by, "at": at}
        else:
            del self.members[self.user]
            self.revisions.pop(self.user, None)
            for proposal in self.pending():
                self.votes[proposal["id"]].pop(self.user, None)

    def membership_leave(self, transfer_to: str | None = None) -> Row:
        if self.membership()["status"] == "left":
            raise Same(status="left")
        self.member()
        if transfer_to is None:
            self.keep_an_admin(self.user)
        else:
            self.admin()
            if self.accepted(transfer_to) is self.membership():
                raise Refused("invalid_transition")
        self.begin()
        if transfer_to is not None and transfer_to not in self.admins():
            self.members[transfer_to]["role"] = "admin"
        self.put_out(self.user, "left")
        return {"status": "left"}

    def membership_remove(self, user: str, close_proposals: bool = False) -> Row:
        self.admin()
        self.when(*OPEN)
        theirs = [row for row in self.pending() if row["author"] == user]
        is_out = user in self.members and self.members[user]["status"] != "accepted"
        if close_proposals and is_out:
            result = self.verdict(user) | {"closed": len(theirs)}
            if not theirs:
                raise Same(**result)
            self.begin()
            for row in theirs:
                self.close(row, "deleted", "moderated")
            return result
        self.unless_so(user, "removed")
        self.accepted(user)
        self.keep_an_admin(user)
        self.begin()
        for row in theirs if close_proposals else []:
            self.close(row, "deleted", "moderated")
        self.put_out(user, "removed")
        return self.verdict(user) | ({"closed": len(theirs)} if close_proposals else {})

    def membership_approve(self, user: str) -> Row:
        self.settle(user, "accepted")
        self.spare_seat()
        self.begin()
        self.let_in_all([user])
        return self.verdict(user)

    def membership_reject(self, user: str) -> Row:
        self.settle(user, "rejected")
        self.begin()
        self.stand(user, "rejected", by=self.user)
        return self.verdict(user)

    def settle(self, user: str, goal: str) -> None:
        self.admin()
        self.when(*OPEN)
        self.unless_so(user, goal)
        status = named(self.members, user)["status"]
        if status in ("accepted", "rejected"):
            raise Refused("already_resolved", **self.verdict(user))
        if status != "pending":
            raise Refused("invalid_transition")

    def unless_so(self, user: str, status: str) -> None:
        if user in self.members and self.members[user]["status"] == status:
            raise Same(**self.verdict(user))

    def membership_rename(self, name: str) -> Row:
        self.member()
        self.when(*OPEN)
        if self.membership()["name"] == name:
            raise Same(name=name)
        self.begin()
        self.membership()["name"] = name
        return {"name": name}

    def membership_approve_all(self, upto: int | None = None) -> Row:
        self.admin()
        self.when(*OPEN)
        waiting = self.asked_by(upto)
        if not waiting or self.is_full():
            raise Same(**some("approved", []), **some("waiting", self.waiting()))
        self.begin()
        approved = waiting[: self.event["max_members"] - len(self.insiders())]
        self.let_in_all(approved)
        return some("approved", approved) | some("waiting", self.waiting())

    def membership_reject_all(self, upto: int | None = None) -> Row:
        self.admin()
        self.when(*OPEN)
        rejected = self.asked_by(upto)
        others = [user for user in self.waiting() if user not in rejected]
        result = some("approved", []) | some("waiting", others) | some("rejected", rejected)
        if not rejected:
            raise Same(**result)
        self.begin()
        for user in rejected:
            self.stand(user, "rejected", by=self.user)
        return result

    def membership_set_role(self, user: str, role: str) -> Row:
        self.admin()
        if self.role(user) == role:
            raise Same(user=user, role=role)
        row = self.accepted(user)
        if role == "member":
            self.keep_an_admin(user)
        self.begin()
        had_vote = user in self.eligible()
        row["role"] = role
        if had_vote and role == "organiser":
            self.take_votes(user)
            self.evaluate_all()
        elif role != "organiser" and not had_vote:
            self.look_at_those_of([user])
        return {"user": user, "role": role}

    def membership_add(self, people: list[Row]) -> Row:
        self.admin()
        self.when(*OPEN)
        names: dict[str, str | None] = {}
        if any(person["user"].startswith(("guest:", "invited:")) for person in people):
            raise Refused("bad_request")
        for person in people:
            names.setdefault(person["user"], person.get("name"))
        added = [user for user in names if user not in self.insiders()]
        if not added:
            raise Same(added=[])
        if len(self.insiders()) + len(added) > self.event["max_members"]:
            raise Refused("event_full")
        self.begin()
        for user in added:
            held = self.members.get(user, {}).get("name")
            self.let_in(user, names[user] or held or user, by=self.user)
        self.look_at_those_of(added)
        return {"added": added}

    # --- who they are

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

    def stand(self, user: str, status: str, by: str | None = None, **fields: Any) -> None:
        row = self.members.setdefault(user, {})
        row |= {"status": status, "role": "member", "by": by, "at": self.now, "beyond": False}
        row |= fields

    def let_in(self, user: str, name: str, role: str = "member", by: str | None = None) -> None:
        """Accept a member, who is shown while there is room among those who are not admins."""
        ordinary = self.shown_members() - self.admins()
        self.window_closed |= len(ordinary) >= self.limits["shown_members"]
        self.stand(user, "accepted", by, name=name, role=role, beyond=self.window_closed)

    def let_in_all(self, users: list[str]) -> None:
        """An admin admits these applicants."""
        for user in users:
            self.let_in(user, self.members[user]["name"], by=self.user)
        self.look_at_those_of(users)

    def look_at_those_of(self, users: list[str]) -> None:
        """Look at the proposals with votes of these users, who count for the quorum again."""
        for row in self.pending():
            votes = self.votes[row["id"]]
            if any(user in votes and votes[user]["revision"] == row["revision"] for user in users):
                self.evaluate(row)

    def put_out(self, user: str, status: str) -> None:
        """Votes on pending proposals no longer count, and an uncounted ballot is deleted."""
        self.stand(user, status, by=self.user)
        self.take_votes(user)
        self.evaluate_all()

    def take_votes(self, user: str) -> None:
        if self.event["status"] != "finished":
            self.ballots.pop(user, None)
        for row in self.pending():
            if user in self.votes[row["id"]]:
                self.votes[row["id"]][user]["active"] = False

    def verdict(self, user: str) -> Row:
        """The decision about ``user``: by whom, and when."""
        if self.members[user]["status"] == "pending":
            return {"user": user, "status": "pending"}
        return present(self.members[user], "status", "by", "at", user=user)


def some(word: str, users: list[str]) -> Row:
    """At most 200 users by name, and their whole number."""
    return {word: users[:200], f"{word}_count": len(users)}
