"""The fixture ``ayes``: users, clients and decisions of one test, on a real server."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Any

from ayes_client._rooms.room import Room
from ayes_client._typed.args import PolicyPatch
from ayes_client.client import Client
from ayes_client.state import Stance
from ayes_client.testing.server import AyesServer

#: Waits between two attempts to connect, so that a test need not wait.
_SOON = (0.02, 0.2)
#: Seconds until a client of a test must be connected.
OPEN_TIMEOUT_S = 30.0
_numbers = itertools.count(1)


class Ayes:
    """A server and this test's clients on it, which end with the test."""

    def __init__(self, server: AyesServer) -> None:
        self.server = server
        self._clients: dict[str, Client] = {}
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """The server's address."""
        return self.server.url

    def token(self, user: str, name: str | None = None, *, seconds: float = 3_600) -> str:
        """Make a token for ``user``, valid for ``seconds``."""
        return self.server.token(user, name, seconds=seconds)

    def user(self, name: str = "user") -> str:
        """Return the id of a user whom no other test has."""
        return f"{name}-{next(_numbers)}-{secrets.token_hex(3)}"

    async def client(self, user: str, **options: Any) -> Client:
        """Return this test's client of ``user``, connected; the same one each time.

        ``options`` are those of ``Client``. Raises ``Unreachable`` after ``OPEN_TIMEOUT_S``.
        """
        if user not in self._clients:
            given: dict[str, Any] = {"open_timeout": OPEN_TIMEOUT_S, "backoff": _SOON} | options
            client = Client(self.url, lambda: self.token(user, user.title()), **given)
            self._clients[user] = await self._stack.enter_async_context(client)
        return self._clients[user]

    async def decision(
        self,
        subject: str = "A decision",
        *,
        members: Iterable[str] = (),
        options: Iterable[str] = (),
        policy: PolicyPatch | None = None,
        start: bool = True,
    ) -> Room:
        """Make an event with these members; return the room of its organiser, who has no vote."""
        organiser = await self.client(self.user("organiser"))
        room = await organiser.create_event(subject, options=options, policy=policy, organiser=True)
        if people := list(members):
            ack = await room.add_members((user, user.title()) for user in people)
            await room.reached(ack.seq)
        if start:
            await room.reached((await room.start()).seq)
        return room

    async def room(self, of: Room, user: str) -> Room:
        """Return the room of the same event as ``user`` sees it."""
        client = await self.client(user)
        return await client.subscribe(of.event)

    async def vote(self, room: Room, proposal: str, *users: str, stance: Stance = "agree") -> None:
        """Let ``users`` vote, one after the other; return once ``room`` shows it."""
        for user in users:
            theirs = await self.room(room, user)
            await theirs.until(lambda seen: proposal in seen.state["proposals"])
            ack = await theirs.vote(proposal, stance)
            await room.reached(ack.seq)

    async def advance(self, seconds: float) -> None:
        """Move the server's clock ahead; see ``AyesServer.advance``."""
        await asyncio.to_thread(self.server.advance, seconds)

    async def close(self) -> None:
        """Stop the clients of this test."""
        await asyncio.gather(*(client.stop() for client in self._clients.values()))
        await self._stack.aclose()
