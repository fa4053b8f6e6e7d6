"""The messages of a room on one connection, folded as a client does and compared with the model.

A stream falls into parts, each begun by a ``snapshot`` or ``resumed``. Within a part the room
(diffs) and the reader's own data (``you``) move independently. Each message is compared when the
replay reaches the message's ``seq``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from tests.model.difference import difference
from tests.model.history import Json, Stream, Violation
from tests.model.reference import Model, merge

#: States are compared at the ends of a part, and at every n-th message between.
EVERY = 16
RANK = {"applicant": 1, "member": 2, "admin": 3}


class Moment:
    """The model at one position; its documents are made once for all readers there."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.seq = model.seq
        self._states: dict[str, Json] = {}

    def state(self, audience: str) -> Json:
        if audience not in self._states:
            self._states[audience] = self.model.state(audience)
        return self._states[audience]

    def you(self, user: str) -> Json:
        return self.model.you(user) if user in self.model.members else {}

    def audience(self, user: str) -> str | None:
        """The audience of ``user`` in the room now."""
        me = self.model.members.get(user)
        if me and me["status"] == "pending":
            return "applicant"
        role = self.model.role(user)
        return "admin" if role == "organiser" else role


Meeting = tuple[int, Callable[[Moment], Iterator[Violation]]]


class Part:
    """The messages from one ``snapshot`` or ``resumed`` to the one that ends its part."""

    def __init__(self, stream: Stream, first: Json) -> None:
        self.user, self.socket, self.first = stream.user, stream.socket, first
        self.diffs: list[Json] = []
        self.yous: list[Json] = []
        self.audience: str | None = None
        self.room: Json = {}
        self.you: Json = {}
        self.is_last = False
        """Whether the stream was live on this part at the end of the run."""

    def meetings(self) -> Iterator[Meeting]:
        """(position, check at that position), in order."""
        if self.first["type"] == "snapshot":
            yield self.first["seq"], self._snapshot
        else:
            yield self.first["from"], self._before_resumed
            yield self.first["seq"], self._resumed
        for number, diff in enumerate(self.diffs, 1):
            compare = number % EVERY == 0 or number == len(self.diffs)
            yield diff["seq"], partial(self._diff, diff, compare)
        for you in self.yous:
            yield you["seq"], partial(self._you, you)

    def gaps(self) -> Iterator[Violation]:
        """8: each diff begins at the end of the one before it."""
        seq = self.first["seq"]
        for diff in self.diffs:
            if diff["from"] != seq or diff["seq"] <= seq:
                what = f"{self.socket} stood at {seq} and got {diff['from']}…{diff['seq']}"
                yield Violation(8, diff["seq"], what)
                return
            seq = diff["seq"]

    def end(self, top: Moment) -> Iterator[Violation]:
        """8: each remaining client has reached the top, and knows its own records."""
        if not self.is_last:
            return
        seq = (self.diffs[-1] if self.diffs else self.first)["seq"]
        if seq != top.seq:
            yield Violation(8, seq, f"{self.socket} stayed at {seq} of {top.seq}")
        elif differs := difference(top.you(self.user), self.you):
            yield Violation(8, seq, f"{self.socket}: you at the end: {differs}")

    def _snapshot(self, now: Moment) -> Iterator[Violation]:
        state = self.first["state"]
        self.audience = (
            "admin" if "requests" in state else "member" if state["counts"] else "applicant"
        )
        self.room, self.you = state, self.first["you"]
        yield from self._may_see(now)
        yield from self._compare(now, 7)
        yield from self._compare_you(now, 7)

    def _before_resumed(self, now: Moment) -> Iterator[Violation]:
        self.audience = now.audience(self.user)
        if self.audience is not None:
            self.room = now.state(self.audience)
        yield from ()

    def _resumed(self, now: Moment) -> Iterator[Violation]:
        self.room, self.you = merge(self.room, self.first["patch"]), self.first["you"]
        yield from self._may_see(now)
        yield from self._compare(now, 8)
        yield from self._compare_you(now, 8)

    def _diff(self, diff: Json, compare: bool, now: Moment) -> Iterator[Violation]:
        self.room = merge(self.room, diff["patch"])
        yield from self._may_see(now)
        if compare:
            yield from self._compare(now, 8)

    def _you(self, you: Json, now: Moment) -> Iterator[Violation]:
        self.you = merge(self.you, you["patch"])
        yield from ()

    def _may_see(self, now: Moment) -> Iterator[Violation]:
        entitled = now.audience(self.user)
        if entitled is None or self.audience is None or RANK[self.audience] > RANK[entitled]:
            what = f"{self.socket} of {self.user} heard as {self.audience}, being {entitled}"
            yield Violation(13, now.seq, what)

    def _compare(self, now: Moment, invariant: int) -> Iterator[Violation]:
        if self.audience is None:
            return
        if differs := difference(now.state(self.audience), self.room):
            yield Violation(invariant, now.seq, f"{self.socket} as {self.audience}: {differs}")

    def _compare_you(self, now: Moment, invariant: int) -> Iterator[Violation]:
        if differs := difference(now.you(self.user), self.you):
            yield Violation(invariant, now.seq, f"{self.socket}: you: {differs}")


def parts_of(stream: Stream) -> tuple[list[Part], list[Violation]]:
    """The parts of a stream, and the messages outside of any part."""
    parts: list[Part] = []
    strays: list[Violation] = []
    part: Part | None = None
    ended = False
    for message in stream.messages:
        kind = message["type"]
        if kind in ("snapshot", "resumed"):
            part = Part(stream, message)
            parts.append(part)
        elif kind == "unsubscribed":
            part, ended = None, True
        elif part is None:
            what = f"{stream.socket} got {kind} {'after unsubscribed' if ended else 'unasked'}"
            strays.append(Violation(13 if ended else 8, message["seq"], what))
        else:
            (part.diffs if kind == "diff" else part.yous).append(message)
    if part is not None:
        part.is_last = stream.live
    elif stream.live:
        strays.append(Violation(8, None, f"{stream.socket} is live without a snapshot"))
    return parts, strays
