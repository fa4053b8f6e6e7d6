"""Connections that wait for their peer: silent ones, idle ones, sockets without a good hello."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Protocol

from uvicorn.server import ServerState

from server.limits.addresses import network_of
from server.limits.places import Places


class Guest(Hashable, Protocol):
    """A connection in the lobby."""

    client: tuple[str, int] | None

    def give_way(self) -> None:
        """End now: somebody else needs the place. Must not raise."""


class Lobby:
    """The connections of one server whose peer has the next move, by network.

    A connection leaves it while the server works on its request, and for good once its socket has
    said who it is. If the server has as many connections as it may have, one of these gives way:
    the oldest of the network that has most.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._places: Places[Guest] = Places()

    def make_place(self, newcomer: Guest) -> bool:
        """End a connection for ``newcomer``, which is not in yet; ``False`` if there is none."""
        found = self._places.one_to_give_way(_network(newcomer), self._loop.time())
        if found is None:
            return False
        self._places.leave(found)
        found.give_way()
        return True

    def enter(self, guest: Guest) -> None:
        """``guest`` waits for its peer; it is the newest again each time it begins to wait."""
        if guest not in self._places:
            self._places.enter(guest, _network(guest), self._loop.time())

    def leave(self, guest: Guest) -> None:
        """``guest`` does not wait for its peer any more, or is gone."""
        self._places.leave(guest)


def _network(guest: Guest) -> str:
    return network_of(guest.client[0]) if guest.client else ""


def shared_lobby(state: ServerState, loop: asyncio.AbstractEventLoop) -> Lobby:
    """The lobby of all connections of one server."""
    found = getattr(state, "ayes_lobby", None)
    if not isinstance(found, Lobby):
        found = Lobby(loop)
        state.ayes_lobby = found  # type: ignore[attr-defined]  # ours, on uvicorn's object
    return found
