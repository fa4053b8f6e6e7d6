"""Limits that were not recorded, inferred from the entries that were decided by them.

An entry from before limits were recorded, or by an older node, does not say which limits applied.
Most of them show: which comment left the window, how many proposals did, whether a member was
shown. A limit that only refuses shows one thing: that it was not reached.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson
from msgspec.structs import replace

from persistence.event.limits import SETTABLE, DomainLimits
from persistence.event.state import EventState

#: Stands for a limit that nothing reaches.
NO_LIMIT = 2**31 - 1
#: The rules of an entry that names none.
FIRST_RULES = 1
_UNLIMITED = DomainLimits(version=0, rules=FIRST_RULES, **dict.fromkeys(SETTABLE, NO_LIMIT))
#: Combinations of item limits tried for one entry; beyond it the entry counts as wrong. They are
#: tried only if a proposal waited for room, and are about as many as the items it added.
MAX_TRIES = 256
_FINAL = frozenset({"accepted", "rejected", "deleted"})

#: Limit → its least and its greatest possible value.
Bounds = dict[str, tuple[int, int]]


class Guess(NamedTuple):
    """Limits by which an entry may have been decided."""

    limits: DomainLimits
    bounds: Bounds
    """Bounds of these limits, as the entry shows them."""


class EntryPatches(NamedTuple):
    """The patches of a journal entry, decoded."""

    member: Mapping[str, Any]
    you: Mapping[str, Any]
    everyone: Mapping[str, Any]

    @classmethod
    def by(cls, patches: Mapping[str, bytes]) -> EntryPatches:
        """Decode the patches of an entry."""
        return cls(*(orjson.loads(patches.get(label, b"{}")) for label in cls._fields))


def guesses(state: EventState, command: str, patches: EntryPatches) -> Iterator[Guess]:
    """Yield the limits by which an entry after ``state`` may have been decided, likely ones first.

    Before the first one is tried, the floor of the resolved proposals is set to where it was then.
    """
    bounds: Bounds = {}
    if state.event_record is not None:
        bounds |= _comments(state, command, patches)
        bounds |= _resolved(state, patches)
        bounds |= _members(state, patches)
    shown = {name: low if high == NO_LIMIT else high for name, (low, high) in bounds.items()}
    limits = replace(_UNLIMITED, **shown)
    if "resolved_shown" in shown:
        event = state.event
        # The first rules counted the window back from the newest proposal, and kept no floor.
        floor = max(event.resolutions - limits.resolved_shown, 0)
        state.event_record = replace(event, resolved_floor=floor)
    yield Guess(limits, bounds)
    if state.event_record is not None:
        yield from _waiting_for_room(state, patches, Guess(limits, bounds))


def _comments(state: EventState, command: str, patches: EntryPatches) -> Bounds:
    """Infer from a new comment: it pushes the oldest one out of a full window."""
    if command != "comment.add":
        return {}
    shown = len(state.comments_shown())
    is_full = None in patches.member.get("comments", {}).values()
    return {"comments_shown": (1, shown) if is_full else (shown + 1, NO_LIMIT)}


def _resolved(state: EventState, patches: EntryPatches) -> Bounds:
    """Infer from closed proposals: each pushes one out of a full window."""
    closed = sum(_is_closed(state, id, change) for id, change in _proposals(patches))
    if not closed:
        return {}
    resolutions = state.event.resolutions + closed
    gone = patches.everyone.get("votes", {})
    if not gone:
        return {"resolved_shown": (resolutions, NO_LIMIT)}
    proposals = (state.proposals.get(id) for id in gone)
    first = min((p.resolved_no for p in proposals if p is not None and p.resolved_no), default=1)
    shown = resolutions - (first + len(gone) - 1)
    return {"resolved_shown": (shown, shown)}


def _proposals(patches: EntryPatches) -> Iterator[tuple[str, Any]]:
    yield from patches.member.get("proposals", {}).items()


def _is_closed(state: EventState, id: str, change: dict[str, Any] | None) -> bool:
    if change is not None:
        return change.get("status") in _FINAL
    # Closed, and pushed out of the window by proposals closed after it.
    proposal = state.proposals.get(id)
    return proposal is not None and proposal.status == "pending"


def _members(state: EventState, patches: EntryPatches) -> Bounds:
    """Infer from new members: they are shown until the window is full, and not afterwards."""
    event = state.event
    let_in = [
        user
        for user, own in patches.you.items()
        if own.get("membership", {}).get("status") == "accepted"
    ]
    if not let_in or event.member_ceiling is not None:
        return {}
    shown = sum(patches.member.get("members", {}).get(user) is not None for user in let_in)
    there = event.accepted - event.admins
    if shown == len(let_in):
        return {"members_shown": (there + shown, NO_LIMIT)}
    return {"members_shown": (there + shown if shown else 1, there + shown)}


def _waiting_for_room(state: EventState, patches: EntryPatches, guess: Guess) -> Iterator[Guess]:
    """Yield item limits at which a proposal would have waited although its votes suffice."""
    choices = []
    for name, kind in (("assumptions", "assumption"), ("criteria", "criterion")):
        live = len(state.live_items(kind))
        changes = patches.member.get(name, {})
        gone = sum(change is None for change in changes.values())
        made = sum(id not in state.items for id in changes)
        choices.append([NO_LIMIT, *range(max(live - gone, 1), live + made + 1)])
    for assumptions, criteria in itertools.islice(itertools.product(*choices), 1, MAX_TRIES):
        tried = {"assumptions": assumptions, "criteria": criteria}
        found = {name: (1, limit) for name, limit in tried.items() if limit != NO_LIMIT}
        yield Guess(replace(guess.limits, **tried), guess.bounds | found)


def at_least(state: EventState, command: str) -> Bounds:
    """Return the limits that only refuse, as far as the accepted ``command`` shows them."""
    reached = {}
    if command in ("event.create", "option.add"):
        reached["options"] = len(state.live_options())
    if command in ("event.create", "assumption.add"):
        reached["assumptions"] = len(state.live_items("assumption"))
    if command in ("event.create", "criterion.add"):
        reached["criteria"] = len(state.live_items("criterion"))
    if command == "proposal.create":
        reached["pending_proposals"] = len(state.pending)
    return {name: (number, NO_LIMIT) for name, number in reached.items() if number}


class Segment(NamedTuple):
    """The possible values of a limit from entry ``since`` on."""

    since: int
    low: int
    high: int


class Consistent:
    """Joins what all entries show of limits that were not recorded."""

    def __init__(self) -> None:
        self.found: dict[str, list[Segment]] = {}

    def note(self, seq: int, bounds: Bounds) -> None:
        """Add what entry ``seq`` shows. If no value fits all entries, the limit changed there."""
        for name, (low, high) in bounds.items():
            segments = self.found.setdefault(name, [Segment(seq, low, high)])
            last = segments[-1]
            both = max(last.low, low), min(last.high, high)
            if both[0] <= both[1]:
                segments[-1] = Segment(last.since, *both)
            else:
                segments.append(Segment(seq, low, high))

    def words(self) -> Iterator[str]:
        """Yield each limit in words."""
        for name in SETTABLE:
            if segments := self.found.get(name):
                first, *others = (_range(segment) for segment in segments)
                later = (
                    f", {words} from line {segment.since} on"
                    for words, segment in zip(others, segments[1:], strict=True)
                )
                yield f"{name} {first}" + "".join(later)


def _range(segment: Segment) -> str:
    low, high = segment.low, segment.high
    if high == NO_LIMIT:
        return f"at least {low}"
    if low == high:
        return str(low)
    return f"at most {high}" if low == 1 else f"{low} to {high}"
