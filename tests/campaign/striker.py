"""Carries out the plan's faults: faults of one part take turns, each is timed and counted."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from contextlib import AsyncExitStack

from tests.campaign.attendance import Span
from tests.campaign.fault import LINK, NETWORK, ONE_NODE, POSTGRES, Scene, node_of
from tests.campaign.faults import FAULTS
from tests.campaign.nodes import NodeError
from tests.campaign.plan import Strike


class Striker:
    """Makes the faults happen, and counts them."""

    def __init__(self, scene: Scene | None = None) -> None:
        self.scene = scene
        self.struck: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        """Faults that found nothing to strike."""
        self.took: defaultdict[str, float] = defaultdict(float)
        """Seconds from a fault's turn until it was healed, by fault."""
        self.wrong: list[str] = []
        """Faults that could not be healed, and why."""
        self.resting = False
        """Whether faults that still wait for their turn are dropped."""
        self._turns: dict[str, asyncio.Lock] = {}
        self._spans: defaultdict[str, list[Span]] = defaultdict(list)
        self._running: dict[int, tuple[list[str], float]] = {}

    def struck_at(self, node: str) -> list[Span]:
        """The times of the faults that struck ``node``, present ones included."""
        now = time.monotonic()
        running = [Span(begun, now) for parts, begun in self._running.values() if node in parts]
        return self._spans[node] + running

    async def fire(self, strike: Strike) -> None:
        """Carry out one fault, when it is its part's turn."""
        assert self.scene is not None
        fault = FAULTS[strike.fault]
        async with AsyncExitStack() as stack:
            parts, befallen = self._parts(fault.parts, strike)
            for part in parts:
                await stack.enter_async_context(self._turns.setdefault(part, asyncio.Lock()))
            if self.resting:
                return
            begun = time.monotonic()
            self._running[id(strike)] = befallen, begun
            try:
                struck = await fault.strike(self.scene, random.Random(strike.draw))
            except TimeoutError:
                struck = False
            except Exception as err:
                # A fault that cannot be healed is reported, and does not end the run.
                struck = True
                self.wrong.append(f"{strike.fault}: {err!r}")
                await self._bring_back(befallen)
            finally:
                del self._running[id(strike)]
                ended = time.monotonic()
                self.took[strike.fault] += ended - begun
                for node in befallen:
                    self._spans[node].append(Span(begun, ended))
        (self.struck if struck else self.missed)[strike.fault] += 1

    async def _bring_back(self, names: list[str]) -> None:
        """Start the nodes that a fault has left down."""
        assert self.scene is not None
        for node in self.scene.venue.nodes:
            if node.name in names and not node.up.is_set():
                try:
                    await node.start()
                except NodeError as err:
                    self.wrong.append(str(err))

    def _parts(self, wanted: tuple[str, ...], strike: Strike) -> tuple[list[str], list[str]]:
        """The parts whose turns it needs, in the order of all faults, and the nodes it affects."""
        assert self.scene is not None
        nodes = self.scene.venue.nodes
        parts, befallen = set(wanted), set()
        drawn = node_of(self.scene, random.Random(strike.draw)).name
        if ONE_NODE in parts:
            parts = parts - {ONE_NODE} | {drawn}
            befallen.add(drawn)
        if LINK in parts:
            parts = parts - {LINK} | {f"link of {drawn}"}
            befallen.add(drawn)
        if NETWORK in parts:
            # The last node has a network of its own.
            parts |= {nodes[-1].name}
            befallen.add(nodes[-1].name)
        if POSTGRES in parts:
            parts |= {node.name for node in nodes}
            befallen |= {node.name for node in nodes}
        return sorted(parts), sorted(befallen)
