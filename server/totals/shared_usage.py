"""Sockets, streams and queries of a user counted over all nodes, so that more nodes give no more.

Once a second each node *reports* to the others: which users have several sockets or streams there,
and who spent more than their share of a budget for queries. It is one letter, however many there
were. A report counts until its node is silent for a moment, so the counts of a dead node fade.
Without Redis each node counts its own. Nothing is stored there.

The counts are approximate. They lag by a second or two; a user's only socket at a node is in no
report, and of each node only those with the most are. Sockets that came in too many at once at
several nodes are closed again; queries are a debt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from heapq import nlargest
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from persistence.database.periodic import Periodic
from server.bus.letters import decoded, is_timely
from server.bus.living_nodes import LivingNodes, NodeName
from server.bus.port import Bus
from server.limits.connections import Places, UserPlaces
from server.limits.quotas import BURST_MS, MS_PER_SECOND, Quotas

#: Channel of the users' counts, which every node hears.
USAGE_CHANNEL: Final = "usage"
#: Seconds between two letters of a node.
USAGE_INTERVAL_S: Final = 1.0
#: Seconds after which a report counts no more if none follows: one may be lost.
USAGE_TTL_S: Final = 2.5
#: Reports after which one has all counts again, changed or not.
WHOLE_LETTERS: Final = 3
#: Users that one letter names of each kind, those with the most. Some 40 KB.
MAX_NAMED_USERS: Final = 1_000
#: Other nodes whose users are counted, some 200 KB each; those of further ones are not.
MAX_COUNTED_NODES: Final = 128
#: Users whose queries are summed for the next letter; beyond that the newest count here alone.
MAX_SPENDING_USERS: Final = 10_000
#: Seconds after which a letter was surely written when a socket that had ended before was gone.
SETTLE_S: Final = 0.25
#: Longest wait for the word of the nodes that have sockets of a user; then their last one stands.
CONFIRM_TIMEOUT_S: Final = 5.0
#: Seconds by which a letter may be late; a later one is not believed.
MAX_LATENESS_S: Final = 2.0

_Count = Annotated[int, Meta(ge=0, le=1_000_000)]
_Milliseconds = Annotated[float, Meta(ge=0, le=1e9)]


class _Report(msgspec.Struct, array_like=True):
    """A report about the users of ``node``. Its ``number`` is the next one."""

    node: NodeName
    number: int
    at: float
    places: Annotated[list[tuple[str, _Count, _Count]], Meta(max_length=MAX_NAMED_USERS)] | None
    """Users with their sockets and streams; ``None``: as the letter before said."""
    spent: Annotated[list[tuple[str, _Milliseconds]], Meta(max_length=MAX_NAMED_USERS)]
    """Users with the milliseconds of queries since the letter before."""


_decoder = msgspec.msgpack.Decoder(_Report)


class _Peer(NamedTuple):
    """The last report of another node."""

    number: int
    heard_at: float
    """When it had the counts, or said that they had not changed."""
    users: dict[str, Places]


class SharedUsage:
    """The reports between this node and the others."""

    def __init__(
        self,
        bus: Bus,
        nodes: LivingNodes,
        places: UserPlaces,
        quotas: Quotas,
        close_newest: Callable[[str, Places], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``close_newest``: close so many sockets and streams of a user."""
        self._bus = bus
        self._nodes = nodes
        self._places = places
        self._quotas = quotas
        self._close_newest = close_newest
        self._clock = clock
        self._peers: dict[str, _Peer] = {}
        self._spent: dict[str, float] = {}
        self._is_shared = False
        """Whether there are other nodes to report to."""
        self._number = 0
        self._written_at = clock()
        self._reported: list[tuple[str, int, int]] = []
        self._reported_again = 0
        """Letters since ``_reported`` was new."""
        self._over: dict[str, Places] = {}
        """Users with too many at the last look."""
        self._turned = asyncio.Event()
        self.task = Periodic("shared usage", USAGE_INTERVAL_S, self._turn)

    def start(self) -> None:
        """Report to the other nodes, and hear their reports."""
        self._bus.listen(USAGE_CHANNEL, self._on_letter)
        self._places.elsewhere = self.elsewhere
        self._quotas.on_spent = self._on_spent
        self.task.start()

    def elsewhere(self, user: str) -> Places:
        """Return the sockets and streams of ``user`` at the other nodes, by their reports."""
        sockets = streams = 0
        for _, peer in self._counted():
            if (found := peer.users.get(user)) is not None:
                sockets += found.sockets
                streams += found.streams
        return Places(sockets, streams)

    async def confirmed(self, user: str) -> None:
        """Wait until every node with sockets of ``user`` has reported again, or is silent.

        So nobody is refused for what they had at a node that has just ended or let them go.
        """
        asked_at = self._clock() + SETTLE_S
        with suppress(TimeoutError):
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                while any(
                    peer.heard_at < asked_at and user in peer.users for _, peer in self._counted()
                ):
                    await self._turned.wait()

    def _counted(self) -> Iterator[tuple[str, _Peer]]:
        """Return the nodes whose counts are good."""
        latest = self._clock() - USAGE_TTL_S
        for node, peer in self._peers.items():
            if peer.heard_at > latest and self._nodes.lives(node):
                yield node, peer

    def _on_spent(self, user: str, milliseconds: float) -> None:
        spent = self._spent
        if self._is_shared and (user in spent or len(spent) < MAX_SPENDING_USERS):
            spent[user] = spent.get(user, 0.0) + milliseconds

    # Once a second.

    async def _turn(self) -> None:
        now = self._clock()
        for node, peer in list(self._peers.items()):
            if peer.heard_at <= now - USAGE_TTL_S or not self._nodes.lives(node):
                # Its number stays, so that none of its letters is believed twice.
                self._peers[node] = peer._replace(users={})
        self._close_excess()
        self._is_shared = bool(self._nodes.others) and self._bus.is_up
        if self._is_shared:
            self._bus.post(USAGE_CHANNEL, self._write)
        else:
            self._spent.clear()
            self._written_at = now
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    def _close_excess(self) -> None:
        """Close what came in too much at several nodes at once.

        The nodes have an order: those before this one keep theirs, so that not all of them close.
        A user's last one stays. It is done at the second look, when the counts have settled.
        """
        before, self._over = self._over, {}
        if not self._peers:
            return
        counted = list(self._counted())
        earlier = [peer for node, peer in counted if node < self._bus.node]
        for user, own in self._places.several():
            here = Places(*own)
            excess = [
                _excess(
                    here[kind],
                    sum(peer.users[user][kind] for peer in earlier if user in peer.users),
                    sum(peer.users[user][kind] for _, peer in counted if user in peer.users),
                    self._places.most_per_user,
                )
                for kind in (0, 1)
            ]
            if any(excess):
                self._over[user] = Places(*excess)
        for user, now_over in self._over.items():
            last = before.get(user, Places(0, 0))
            least = Places(*map(min, now_over, last))
            if any(least):
                self._close_newest(user, least)

    # Letters.

    def _write(self) -> bytes | None:
        now = self._clock()
        elapsed, self._written_at = now - self._written_at, now
        spent, self._spent = self._spent, {}
        # Who spends no more than this at each node spends no more than one budget in all.
        share = MS_PER_SECOND * elapsed / (1 + len(self._nodes.others))
        most = nlargest(MAX_NAMED_USERS, ((ms, user) for user, ms in spent.items() if ms > share))
        several = ((sockets + streams, user, sockets, streams)
                   for user, (sockets, streams) in self._places.several())  # fmt: skip
        places = sorted((user, s, t) for _, user, s, t in nlargest(MAX_NAMED_USERS, several))
        is_news = places != self._reported
        self._reported_again = 0 if is_news else self._reported_again + 1
        self._reported = places
        if not places and not most and self._reported_again >= WHOLE_LETTERS:
            return None
        self._number += 1
        is_whole = is_news or self._reported_again % WHOLE_LETTERS == 0
        letter = _Report(
            self._bus.node,
            self._number,
            now,
            places if is_whole else None,
            [(user, ms) for ms, user in most],
        )
        return msgspec.msgpack.encode(letter)

    def _on_letter(self, text: bytes | None) -> None:
        found = decoded(_decoder, text)
        if found is None:
            return
        last = self._peers.get(found.node)
        if found.node == self._bus.node or (last is not None and found.number <= last.number):
            return
        if not is_timely(self._nodes, found, MAX_LATENESS_S):
            return
        self._take(found, last)
        for user, milliseconds in found.spent:
            self._quotas.spend_elsewhere(user, min(milliseconds, BURST_MS))

    def _take(self, found: _Report, last: _Peer | None) -> None:
        now = self._clock()
        if last is None:
            self._peers = {n: peer for n, peer in self._peers.items() if self._nodes.lives(n)}
            if len(self._peers) >= MAX_COUNTED_NODES:
                return
            last = _Peer(0, -USAGE_TTL_S, {})
        if found.places is not None:
            users = {user: Places(*counts) for user, *counts in found.places}
            last = _Peer(found.number, now, users)
        elif found.number == last.number + 1:
            last = last._replace(number=found.number, heard_at=now)
        else:
            # What changed was in a letter that is lost: until all of it comes again, the old
            # counts grow old.
            last = last._replace(number=found.number)
        self._peers[found.node] = last


def _excess(here: int, earlier: int, elsewhere: int, most: int) -> int:
    """Return how many of those ``here`` are to be closed."""
    return max(0, min(here - max(1, most - earlier), here + elsewhere - most)) if here else 0
