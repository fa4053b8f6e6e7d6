"""Finds what happened between two states of a room."""

from __future__ import annotations

from collections.abc import Iterator

from ayes_client._rooms.counting import decided_of
from ayes_client.happenings import EventFinished, MemberJoined, ProposalDecided
from ayes_client.state import State

#: The names of the callbacks for them.
NAMES = ("decided", "joined", "finished")


def happenings(
    before: State, after: State
) -> Iterator[tuple[str, ProposalDecided | MemberJoined | EventFinished]]:
    """Yield the name and the details of each happening; a first state has none."""
    if before:
        yield from (("decided", found) for found in _decided(before, after))
        yield from (("joined", found) for found in _joined(before, after))
        is_finished = after["event"]["status"] == "finished"
        if is_finished and before["event"]["status"] != "finished":
            yield "finished", EventFinished(after.get("results"))


def _decided(before: State, after: State) -> Iterator[ProposalDecided]:
    old, new = before["proposals"], after["proposals"]
    if old is new:
        return
    # The window may show older ones again: those were decided before.
    last = max((proposal.get("resolved_no", 0) for proposal in old.values()), default=0)
    closed = sorted(
        (proposal.get("resolved_no", 0), id)
        for id, proposal in new.items()
        if proposal["status"] != "pending"
        and (
            old[id]["status"] == "pending"
            if id in old
            else proposal.get("resolved_no", last + 1) > last
        )
    )
    for _, id in closed:
        outcome = decided_of(new[id])
        assert outcome is not None
        yield ProposalDecided(id, outcome)


def _joined(before: State, after: State) -> Iterator[MemberJoined]:
    # An applicant was shown nobody: all of them were members already.
    if before["members"] is after["members"] or "members" not in before["counts"]:
        return
    for user, member in after["members"].items():
        if user not in before["members"]:
            yield MemberJoined(user, member["name"], member["role"])
