"""The last steps of a room in memory, and patches that merge them.

Steps of one batch come together. They are merged once, as a *span*: subscribers' positions are at
the ends of spans, since each is sent all there is. So a patch for many steps is made of few.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import orjson

from handlers.audiences import Audience, Patches
from protocol import merge_patch

#: Steps in memory; a client further behind is served from the journal.
MAX_STEPS_IN_MEMORY = 2_048
#: Bytes of encoded steps in memory; beyond that the oldest are dropped, whatever their number.
MAX_STEP_BYTES_IN_MEMORY = 4 * 1024 * 1024
#: Spans in memory; a client further behind has its steps merged one by one. A busy room has some
#: hundred in a second, and nearly all sockets are at one of the last few.
MAX_SPANS = 64


class RoomStep(msgspec.Struct, frozen=True, gc=False):
    """A committed step: its patches, and the same encoded."""

    seq: int
    patches: Patches
    encoded: dict[str, bytes]
    hash: bytes
    """The hash of the event's history up to this step."""


class EncodedStep(msgspec.Struct, frozen=True, gc=False):
    """A step in memory: without its patches as objects, which take ten times as much.

    Thousands of such steps in a busy room would also push everything else out of the processor's
    caches.
    """

    seq: int
    encoded: dict[str, bytes]
    weight: int
    """Bytes of its encoded patches."""

    def patch(self, label: str) -> dict[str, Any]:
        """Return the patch with this label, decoded; empty if the step has none."""
        text = self.encoded.get(label)
        patch: dict[str, Any] = {} if text is None else orjson.loads(text)
        return patch


class Span(NamedTuple):
    """Consecutive steps as one patch for each audience. The patches must not be changed."""

    first: int
    member: dict[str, Any]
    admin: dict[str, Any]
    """Added to ``member``."""
    applicant: dict[str, Any]

    @classmethod
    def of(cls, steps: Sequence[RoomStep]) -> Span:
        """Merge ``steps``, at least one; the patches of a single step are shared."""
        first = steps[0]
        if len(steps) == 1:
            patches = first.patches
            return cls(first.seq, patches.member, patches.admin, patches.applicant)
        member: dict[str, Any] = {}
        admin: dict[str, Any] = {}
        applicant: dict[str, Any] = {}
        for step in steps:
            patches = step.patches
            merge_patch.compose(member, patches.member)
            if patches.admin:
                merge_patch.compose(admin, patches.admin)
            if patches.applicant:
                merge_patch.compose(applicant, patches.applicant)
        return cls(first.seq, member, admin, applicant)


class StepHistory:
    """The last steps, without a gap."""

    def __init__(self) -> None:
        self.steps: deque[EncodedStep] = deque()
        self.weight = 0
        """Bytes of their encoded patches."""
        self._spans: deque[Span] = deque(maxlen=MAX_SPANS)
        """Without a gap, up to the last step."""

    def add(self, steps: Sequence[RoomStep]) -> Span:
        """Add steps that follow on the last one; return them merged."""
        self._keep(steps)
        span = Span.of(steps)
        self._spans.append(span)
        # A span has its steps' values, so it must not outlive them.
        oldest = self.steps[0].seq if self.steps else span.first + 1
        while self._spans and self._spans[0].first < oldest:
            self._spans.popleft()
        return span

    def remember(self, steps: Iterable[RoomStep]) -> None:
        """Add steps that follow on the last one, and merge none: they led to a view."""
        self._spans.clear()
        self._keep(steps)

    def _keep(self, steps: Iterable[RoomStep]) -> None:
        """Add steps, and drop the oldest beyond the limits."""
        kept = self.steps
        for each in steps:
            weight = sum(map(len, each.encoded.values()))
            kept.append(EncodedStep(each.seq, each.encoded, weight))
            self.weight += weight
            while len(kept) > MAX_STEPS_IN_MEMORY or self.weight > MAX_STEP_BYTES_IN_MEMORY:
                self.weight -= kept.popleft().weight

    def clear(self) -> None:
        """Forget all steps."""
        self.steps.clear()
        self._spans.clear()
        self.weight = 0

    def since(self, after: int, top: int) -> list[EncodedStep]:
        """Return the steps after ``after`` up to ``top``, the last; they must be in memory."""
        return [self.steps[index] for index in range(after - top, 0)]

    def merge(self, after: int, top: int, audience: Audience) -> bytes:
        """Return the steps after ``after`` up to ``top``, the last, as one encoded patch."""
        if after == top:
            return b"{}"
        last = self.steps[-1]
        if after == top - 1 and not (audience == "admin" and "admin" in last.encoded):
            label = "applicant" if audience == "applicant" else "member"
            return last.encoded.get(label, b"{}")
        merged: dict[str, Any] = {}
        for span in self._spans_since(after) or map(_alone, self.since(after, top)):
            if audience == "applicant":
                merge_patch.compose(merged, span.applicant)
                continue
            merge_patch.compose(merged, span.member)
            if audience == "admin":
                merge_patch.compose(merged, span.admin)
        return orjson.dumps(merged)

    def _spans_since(self, after: int) -> list[Span]:
        """Return the spans after ``after``; none if it is not at the end of a span."""
        found: list[Span] = []
        for span in reversed(self._spans):
            found.append(span)
            if span.first <= after + 1:
                return found[::-1] if span.first == after + 1 else []
        return []


def _alone(step: EncodedStep) -> Span:
    return Span(step.seq, step.patch("member"), step.patch("admin"), step.patch("applicant"))
