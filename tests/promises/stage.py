"""An event in the middle of its life, for promises that hold after any next command."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.promises.client import Client, Message, Room
from tests.promises.running import Address
from tests.promises.scenes import BY_HAND, Scene, by_count, fresh, gathering


class Stage:
    """Two admins, members, an applicant; items, proposals, votes, ballots, comments."""

    scene: Scene
    deputy: Client
    """The second admin."""
    applicant: Client
    options: list[str]
    assumptions: list[str]
    criteria: list[str]
    proposals: dict[str, str]
    comment: str
    """By the first member."""
    rooms: list[Room]
    """Of the admin, the deputy, the members and the applicant."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.event = scene.event
        self.admin = scene.admin
        self.members = scene.members
        self.proposals = {}
        self._last = 0

    async def act(self, by: Client, type: str, **fields: Any) -> Message:
        """Send a command that must succeed; return its result."""
        ack = await by.ack(type, event=self.event, **fields)
        self._last = max(self._last, ack["seq"])
        result: Message = ack["result"]
        return result

    async def do(self, type: str, **fields: Any) -> Message:
        """Send a command of the admin that must succeed; return its result."""
        return await self.act(self.admin, type, **fields)

    async def propose(self, by: Client, **fields: Any) -> str:
        """A new pending proposal."""
        given = {"kind": "assumption", "category": "create"} | fields
        if given["category"] != "delete":
            given.setdefault("content", fresh("words"))
        result = await self.act(by, "proposal.create", **given)
        made: str = result["proposal"]
        return made

    async def vote(self, by: Client, proposal: str, revision: int = 1) -> Message:
        """Send a vote that must succeed."""
        return await self.act(by, "vote.cast", proposal=proposal, revision=revision)

    async def join(self, client: Client, **by: str) -> str:
        """``client`` asks to join, by the code or an invitation; return its new status."""
        ack = await client.ack("membership.join", **(by or {"code": self.scene.code}))
        self._last = max(self._last, ack["seq"])
        status: str = ack["result"]["status"]
        return status

    @property
    def everyone(self) -> list[Client]:
        """Everybody with a membership in the event."""
        return [self.admin, self.deputy, *self.members, self.applicant]

    async def settled(self) -> list[Room]:
        """The open rooms, all at the last step."""
        left = [room for room in self.rooms if room.open]
        await asyncio.gather(*(self._at_the_end(room) for room in left))
        return [room for room in left if room.open]

    async def _at_the_end(self, room: Room) -> None:
        # A snapshot for a new role, or the end of a subscription, may still be on its way.
        await room.client.until(
            lambda: room.seq >= self._last or not room.open, f"step {self._last}"
        )


async def stage(server: Address, *, started: bool = True) -> Stage:
    """The stage, watched by all its people."""
    scene = await gathering(
        server,
        4,
        started=False,
        policy=by_count(2) | {"ttl_seconds": 3_600, "quorum_percent": 10},
        options=["pizza", "soup"],
        assumptions=["It rains", "We are hungry", "It is late"],
        criteria=["price", "distance", "taste"],
    )
    made = Stage(scene)
    await made.do("event.set_policy", policy_version=1, policy={"membership_auto": False})
    made.deputy = scene.members.pop()
    await made.do("membership.set_role", user=made.deputy.user, role="admin")
    made.applicant = await scene.newcomer(fresh("applicant"))
    await made.join(made.applicant)
    state = await scene.state()
    for name in ("options", "assumptions", "criteria"):
        found = state[name]
        setattr(made, name, sorted(found, key=lambda id, f=found: f[id]["position"]))  # type: ignore[misc]
    if started:
        await _begin(made)
    made.rooms = list(await scene.watch(*made.everyone))
    return made


async def _begin(made: Stage) -> None:
    """Some discussion, without a decision yet."""
    first, second, third = made.members
    await made.do("event.start")
    item, other, _ = made.assumptions
    criterion, gone, _ = made.criteria
    wanted: dict[str, tuple[Client, Message]] = {
        "new": (first, {}),
        "new criterion": (second, {"kind": "criterion", "reason": "it matters"}),
        "update": (first, {"category": "update", "target": item, "base_version": 1}),
        "rival": (second, {"category": "update", "target": item, "base_version": 1}),
        "delete": (
            second,
            {"category": "delete", "kind": "criterion", "target": gone, "base_version": 1},
        ),
        "of the gone": (
            third,
            {"kind": "conclusion", "target": gone, "base_version": 0},
        ),
        "conclusion": (
            first,
            {"kind": "conclusion", "target": criterion, "base_version": 0},
        ),
        "rival conclusion": (
            second,
            {"kind": "conclusion", "target": criterion, "base_version": 0},
        ),
        "delete item": (
            third,
            {"category": "delete", "target": other, "base_version": 1},
        ),
    }
    for name, (author, fields) in wanted.items():
        made.proposals[name] = await made.propose(author, **fields)
        await made.vote(first, made.proposals[name])
    for voter, order in ((first, made.criteria), (second, made.criteria[::-1])):
        await made.act(
            voter,
            "ballot.submit",
            option=made.options[0],
            criterion_order=order,
            criteria_rev=1,
        )
    made.comment = (
        await made.act(
            first, "comment.add", proposal=made.proposals["update"], content="I doubt it"
        )
    )["comment"]
    await made.act(second, "comment.add", criterion=criterion, content="Cheap is good")


__all__ = ["BY_HAND", "Stage", "stage"]
