"""A network for one node, whose packets can be late, lost, or cut in one direction.

A network namespace with a pair of virtual interfaces to this machine. Its addresses are of the
range reserved for benchmarks (RFC 2544), so no real network is touched.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Literal

from tests.campaign.running import run_program

Way = Literal["to the node", "from the node"]

#: Delay of delayed packets, give or take the half.
LATE_MS = 200
#: If the kernel has no netem: a token bucket this narrow, in whose queue packets wait.
NARROW = ("rate", "2mbit", "burst", "8kb", "latency", "400ms")
#: Of a hundred packets, how many are lost.
LOST_PERCENT = 15
_CHAINS: dict[Way, str] = {"to the node": "inward", "from the node": "outward"}


class Network:
    """``within`` runs a command in it; the node is at ``node``, this machine at ``here``."""

    def __init__(self) -> None:
        self.name = f"ayes-{os.getpid()}"
        third = os.getpid() % 250
        fourth = os.getpid() // 250 % 60 * 4
        self.here, self.node = f"198.18.{third}.{fourth + 1}", f"198.18.{third}.{fourth + 2}"
        self.delays_by = ""
        """The tool that delays packets: ``netem`` or ``tbf``."""
        self._outer, self._inner = f"ayo{os.getpid()}", f"ayi{os.getpid()}"

    @property
    def within(self) -> tuple[str, ...]:
        """The prefix of a command that runs in this network."""
        return ("ip", "netns", "exec", self.name)

    async def begin(self) -> None:
        """Create the network."""
        await run_program("ip", "netns", "add", self.name)
        pair = ("type", "veth", "peer", "name", self._inner, "netns", self.name)
        await run_program("ip", "link", "add", self._outer, *pair)
        await run_program("ip", "addr", "add", f"{self.here}/30", "dev", self._outer)
        await run_program("ip", "link", "set", self._outer, "up")
        inside = ("-n", self.name)
        await run_program("ip", *inside, "addr", "add", f"{self.node}/30", "dev", self._inner)
        for link in ("lo", self._inner):
            await run_program("ip", *inside, "link", "set", link, "up")
        await self._nft("add", "table", "inet", "faults")
        for chain, hook in (("inward", "input"), ("outward", "output")):
            rule = f"{{ type filter hook {hook} priority 0; }}"
            await self._nft("add", "chain", "inet", "faults", chain, rule)
        try:
            await self._queue("add", "netem", "delay", "0ms")
            self.delays_by = "netem"
        except OSError:
            self.delays_by = "tbf"
        await self.heal()

    async def end(self) -> None:
        """Remove the network with its interfaces."""
        await run_program("ip", "netns", "delete", self.name)

    async def make_late(self) -> None:
        """Delay packets in both directions."""
        if self.delays_by == "netem":
            await self._queue("replace", "netem", "delay", f"{LATE_MS}ms", f"{LATE_MS // 2}ms")
        else:
            await self._queue("replace", "tbf", *NARROW)

    async def lose(self) -> None:
        """Lose packets in both directions."""
        for chain in _CHAINS.values():
            # One argument, so that nft parses the comparison, not a shell.
            rule = f"numgen random mod 100 < {LOST_PERCENT} drop"
            await self._nft("add", "rule", "inet", "faults", chain, rule)

    async def cut(self, way: Way, port: int | None = None) -> None:
        """Lose every packet of one direction; with ``port``, only of connections to that port."""
        match = "" if port is None else f"tcp {{}} {port} "
        side = {"to the node": "sport", "from the node": "dport"}[way]
        await self._nft("add", "rule", "inet", "faults", _CHAINS[way], match.format(side) + "drop")

    async def heal(self) -> None:
        """Let every packet pass."""
        await self._nft("flush", "table", "inet", "faults")
        with suppress(OSError):
            # Fails if no rule was there.
            await self._queue("delete")

    async def _queue(self, verb: str, *kind: str) -> None:
        """Change the packet queue at both ends of the pair."""
        outer = ("qdisc", verb, "dev", self._outer, "root", *kind)
        inner = ("-n", self.name, "qdisc", verb, "dev", self._inner, "root", *kind)
        await asyncio.gather(run_program("tc", *outer), run_program("tc", *inner))

    async def _nft(self, *words: str) -> None:
        await run_program("ip", "netns", "exec", self.name, "nft", *words)
