"""Connections that wait for their client: silent ones, idle ones, sockets without a valid hello."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import Protocol

from server.limits.addresses import network_of
from server.limits.fair_slots import FairSlots


class Guest(Hashable, Protocol):
    """A connection in the lobby."""

    client: tuple[str, int] | None

    def give_way(self) -> None:
        """End now, because another connection needs the place. Must not raise."""


class Lobby:
    """The connections of one server whose client has the next move, by network.

    A connection leaves the lobby while the server works on its request. A socket leaves it for good
    once its client is identified. If the server is at its limit of connections, one in the lobby
    gives way: the oldest of the network that has most.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._places: FairSlots[Guest] = FairSlots()

    def make_place(self, newcomer: Guest) -> bool:
        """End one connection in favour of ``newcomer``. Return ``False`` if the lobby is empty."""
        found = self._places.one_to_give_way(_network(newcomer), self._loop.time())
        if found is None:
            return False
        self._places.leave(found)
        found.give_way()
        return True

    def enter(self, guest: Guest) -> None:
        """Add ``guest`` as the newest, each time it begins to wait for its client."""
        if guest not in self._places:
            self._places.enter(guest, _network(guest), self._loop.time())

    def leave(self, guest: Guest) -> None:
        """Remove ``guest``: it has ended, or no longer waits for its client."""
        self._places.leave(guest)


def _network(guest: Guest) -> str:
    return network_of(guest.client[0]) if guest.client else ""
