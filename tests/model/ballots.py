"""The final ballot, and the times at which an event starts and ends."""

from __future__ import annotations

from typing import Any

from tests.model.deciding import KEEP, RUNNING, Deciding, Refused, Same, named
from tests.model.rows import Row


class Ballots(Deciding):
    """``ballot.*`` and the schedule."""

    def ballot_submit(
        self,
        option: str | None = None,
        options: list[str] | None = None,
        criterion_order: list[str] | None = None,
        criteria_rev: int = 0,
        base: int | None = None,
    ) -> None:
        self.voter()
        self.when(*RUNNING)
        method = self.ballot_policy()["method"]
        order = criterion_order if criterion_order is not None else []
        wish: Row = {"criterion_order": order, "criteria_rev": criteria_rev}
        wish |= {"option": option} if option is not None else {"options": options}
        is_current = criteria_rev == self.event["criteria_rev"]
        held = self.ballot(self.user) if self.user in self.ballots else {"revision": 0}
        if not is_current:
            raise Refused("stale_criteria", current=self.event["criteria_rev"])
        if (option is not None) != (method == "single"):
            raise Refused("bad_request", path="options" if option is None else "option")
        for index, id in enumerate(options or [str(option)]):
            path = "option" if options is None else f"options[{index}]"
            if id not in self.options:
                raise Refused("not_found", path=path)
            if named(self.options, id)["deleted"]:
                raise Refused("target_gone", path=path)
        if criterion_order is not None and sorted(order) != sorted(self.live("criterion")):
            raise Refused("bad_request", path="criterion_order")
        if self.says_the_same(held, wish, method):
            raise Same
        if base not in (None, held["revision"]):
            raise Refused("version_conflict", current=held["revision"])
        self.begin()
        self.event["ballot_fixed"] = True
        # Goes on after a ballot that is gone.
        self.revisions[self.user] = self.revisions.get(self.user, 0) + 1
        self.ballots[self.user] = wish | {"revision": self.revisions[self.user]}

    def says_the_same(self, held: Row, wish: Row, method: str) -> bool:
        if method == "approval" and {"options"} <= held.keys() & wish.keys():
            held = held | {"options": sorted(held["options"])}
            wish = wish | {"options": sorted(wish["options"])}
        return wish | {"revision": held["revision"]} == held

    def ballot_clear(self) -> None:
        self.voter()
        self.when(*RUNNING)
        if self.user not in self.ballots:
            raise Same
        self.begin()
        del self.ballots[self.user]

    def times(self, **wished: Any) -> Row:
        """Set ``starts_at`` and ``ends_at``."""
        held = {name: self.event.get(name) for name in wished}
        changes = {
            name: value for name, value in wished.items() if value != KEEP and value != held[name]
        }
        if "starts_at" in changes and self.event.get("status", "not_started") != "not_started":
            raise Refused("invalid_transition", path="starts_at")
        for name, value in changes.items():
            if value is not None and value <= self.now:
                raise Refused("bad_request", path=name)
        start, end = (held | changes)["starts_at"], (held | changes)["ends_at"]
        if changes and start is not None and end is not None and end <= start:
            raise Refused("bad_request", path="ends_at" if "ends_at" in changes else "starts_at")
        if changes.get("ends_at") is not None:
            changes["ends_set_at"] = self.now
        return changes

    def is_over(self) -> bool:
        return self.event["ends_at"] is not None and bool(self.now >= self.event["ends_at"])

    def end_moves(self) -> None:
        """Move an end that was set before the pause, and lies after its start, by its length."""
        event = self.event
        end, paused = event["ends_at"], event["paused_at"]
        if end is not None and end > paused and event["ends_set_at"] <= paused:
            event["ends_at"] = end + (self.now - paused)
