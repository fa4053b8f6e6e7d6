"""Wrong codes counted over all nodes, so that many nodes do not give as many guesses.

Each node names the users who tried a wrong code to the others, which charge their own buckets for
it. The count lags by a message's time: guesses at several nodes in the same moment are charged
later, as a debt. Without Redis each node counts its own. Nothing is stored there.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from server.bus.letters import decoded, is_timely
from server.bus.living_nodes import LivingNodes, NodeName
from server.bus.port import Bus
from server.limits.code_guesses import GUESS_BURST, CodeGuessLimiter

#: Channel of the wrong codes, which every node hears.
GUESSES_CHANNEL: Final = "guesses"
#: Users and networks that one letter names; the rest goes with the next. Some 100 KB.
MAX_NAMED: Final = 1_000
#: Users and networks that wait for a letter; beyond that the newest are counted here alone.
MAX_UNNAMED: Final = 10_000
#: Seconds by which a letter may be late; a later one is not believed.
MAX_LATENESS_S: Final = 5.0


class _Guesses(msgspec.Struct, array_like=True):
    """Wrong codes that ``node`` has seen, by kind of guesser. Its ``number`` is new."""

    node: NodeName
    number: int
    at: float
    tried: list[tuple[str, str, Annotated[int, Meta(ge=1, le=GUESS_BURST)]]]


_decoder = msgspec.msgpack.Decoder(_Guesses)


class SharedGuesses:
    """The wrong codes that the nodes name to each other."""

    def __init__(
        self, bus: Bus, nodes: LivingNodes, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus = bus
        self._nodes = nodes
        self._clock = clock
        self._limiters: dict[str, CodeGuessLimiter] = {}
        self._tried: Counter[tuple[str, str]] = Counter()
        self._number = 0
        self._heard: dict[str, int] = {}
        """The number of the last letter of each living node."""

    def share(self, kind: str, limiter: CodeGuessLimiter) -> None:
        """Count the guesses of ``limiter`` over all nodes, apart from those of other kinds."""
        self._limiters[kind] = limiter
        limiter.on_failed = partial(self._failed, kind)

    def start(self) -> None:
        """Hear of wrong codes at other nodes."""
        self._bus.listen(GUESSES_CHANNEL, self._on_letter)

    def _failed(self, kind: str, guesser: str) -> None:
        if not self._nodes.others or not self._bus.is_up:
            return
        if (kind, guesser) in self._tried or len(self._tried) < MAX_UNNAMED:
            self._tried[kind, guesser] += 1
            self._bus.post(GUESSES_CHANNEL, self._write)

    def _write(self) -> bytes | None:
        named = list(self._tried)[:MAX_NAMED]
        if not named:
            return None
        tried = [(*guesser, min(self._tried.pop(guesser), GUESS_BURST)) for guesser in named]
        if self._tried:
            self._bus.post(GUESSES_CHANNEL, self._write)
        self._number += 1
        return msgspec.msgpack.encode(_Guesses(self._bus.node, self._number, self._clock(), tried))

    def _on_letter(self, text: bytes | None) -> None:
        found = decoded(_decoder, text)
        if found is None:
            return
        if found.node == self._bus.node or found.number <= self._heard.get(found.node, 0):
            return
        if not is_timely(self._nodes, found, MAX_LATENESS_S):
            return
        self._heard = {node: n for node, n in self._heard.items() if self._nodes.lives(node)}
        self._heard[found.node] = found.number
        for kind, guesser, count in found.tried:
            if (limiter := self._limiters.get(kind)) is not None:
                limiter.failed_elsewhere(guesser, count)
