"""Events for tests, made by the commands that any client would send."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.promises.client import Client, Message, Room
from tests.promises.running import Address

#: No proposal passes by itself; a test names the policy it wants.
BY_HAND: Message = {
    kind: {"auto": False, "rule": "count", "threshold": 1}
    for kind in ("assumption", "criterion", "conclusion")
}


def by_count(threshold: int) -> Message:
    """A policy: this number of votes accepts."""
    return {
        kind: {"auto": True, "rule": "count", "threshold": threshold}
        for kind in ("assumption", "criterion", "conclusion")
    }


class Scene:
    """An event and its people, each with a socket."""

    def __init__(self, server: Address, event: str, code: str, admin: Client) -> None:
        self.server = server
        self.event = event
        self.code = code
        self.admin = admin
        self.members: list[Client] = []
        """Accepted members who are not admins."""

    @property
    def everyone(self) -> list[Client]:
        """The admin and the members."""
        return [self.admin, *self.members]

    async def do(self, type: str, **fields: Any) -> Message:
        """Send a command of the admin that must succeed; return its result."""
        return await self.admin.result(type, event=self.event, **fields)

    async def newcomer(self, user: str | None = None) -> Client:
        """A user with a socket, and without a membership in the event."""
        return await self.server.connect(user or fresh("stranger"))

    async def join(self, client: Client) -> Message:
        """``client`` asks to join; must succeed."""
        return await client.ack("membership.join", code=self.code)

    async def member(self, user: str | None = None) -> Client:
        """Add another accepted member."""
        client = await self.newcomer(user or fresh("member"))
        ack = await self.join(client)
        if ack["result"]["status"] == "pending":
            await self.do("membership.approve", user=client.user)
        self.members.append(client)
        return client

    async def propose(self, by: Client | None = None, **fields: Any) -> str:
        """Make a pending proposal; return its id."""
        given = {"kind": "assumption", "category": "create"} | fields
        if given["category"] != "delete":
            given.setdefault("content", fresh("words"))
        result = await (by or self.admin).result("proposal.create", event=self.event, **given)
        proposal: str = result["proposal"]
        return proposal

    async def vote(self, by: Client, proposal: str, revision: int = 1) -> Message:
        """Vote; return the answer."""
        return await by.send("vote.cast", event=self.event, proposal=proposal, revision=revision)

    async def watch(self, *clients: Client) -> list[Room]:
        """Subscribe all at once; return their rooms."""
        return list(await asyncio.gather(*(c.subscribe(self.event) for c in clients)))

    async def state(self) -> Message:
        """The state that an admin's new socket gets."""
        reader = await self.server.connect(self.admin.user)
        room = await reader.subscribe(self.event)
        await reader.leave()
        return room.state

    async def item(self, kind: str, content: str | None = None) -> str:
        """Add an accepted assumption or criterion; return its id."""
        proposal = await self.propose(kind=kind, content=content or fresh(kind))
        before = set((await self.state())[plural(kind)])
        await self.do("proposal.accept", proposal=proposal)
        made: set[str] = set((await self.state())[plural(kind)]) - before
        return made.pop()


_made = 0


def fresh(what: str) -> str:
    """A text that was not used before."""
    global _made
    _made += 1
    return f"{what} {_made}" if what == "words" else f"{what}-{_made}"


def plural(kind: str) -> str:
    """The collection of an item."""
    return "criteria" if kind == "criterion" else f"{kind}s"


async def gathering(
    server: Address,
    members: int = 0,
    *,
    policy: Message | None = None,
    started: bool = True,
    joins: bool = True,
    **fields: Any,
) -> Scene:
    """An event with an admin and ``members`` others, in progress by default.

    ``joins``: a user with the code becomes a member at once (``membership_auto``).
    """
    admin = await server.connect(fresh("admin"))
    made = await admin.result(
        "event.create",
        **{"subject": "Where do we eat?"}
        | fields
        | {"policy": BY_HAND | {"membership_auto": joins} | (policy or {})},
    )
    scene = Scene(server, made["event"], made["entrance_code"], admin)
    if started:
        await scene.do("event.start")
    await asyncio.gather(*(scene.member() for _ in range(members)))
    return scene
