"""What becomes of a proposal, and what acceptance does to the event, all in the same step."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from handlers.rules.auto_acceptance import passes
from handlers.step import Step, derived_id, too_many
from persistence.event.records import (
    Item,
    ItemVersion,
    Part,
    Proposal,
)
from protocol.answers import timestamp
from protocol.errors import ErrorCode, FinalError
from protocol.policy import ProposalKind
from protocol.state import ProposalStatus, Resolution


def evaluate_all(step: Step) -> list[str]:
    """Accept every pending proposal that passes now, oldest first; their ids.

    One that makes a later one stale stops it: each is looked at as the ones before it left it.
    """
    return evaluate_each(step, [proposal.id for proposal in step.state.pending_proposals()])


def evaluate_each(step: Step, candidates: list[str]) -> list[str]:
    """Accept those of the pending ``candidates`` that pass now, in this order; their ids.

    One that is accepted may make room for another, which is then accepted by the same look.
    """
    for id in candidates:
        evaluate(step, step.proposal(id))
    return accepted_of(step, candidates)


def accepted_of(step: Step, candidates: list[str]) -> list[str]:
    """Those of ``candidates`` that are accepted now, in the order in which they were."""
    accepted = (found for id in candidates if (found := step.proposal(id)).status == "accepted")
    return [found.id for found in sorted(accepted, key=lambda found: found.resolved_no or 0)]


def evaluate(step: Step, proposal: Proposal) -> Proposal:
    """Accept ``proposal`` if its votes carry it now. An item too many makes it wait."""
    if passes(proposal, step.event, step.event.policy, step.now) and has_room(step, proposal):
        return accept(step, proposal, "auto_votes")
    return proposal


def has_room(step: Step, proposal: Proposal) -> bool:
    """Whether the event may hold the item that ``proposal`` would create."""
    if proposal.category != "create" or proposal.kind == "conclusion":
        return True
    return len(step.state.live_items(proposal.kind)) < most_items(step, proposal.kind)


def items_limit(kind: str) -> str:
    """The name of the limit on live items of ``kind``."""
    return "assumptions" if kind == "assumption" else "criteria"


def most_items(step: Step, kind: str) -> int:
    """How many live items of ``kind`` an event may have."""
    limit: int = getattr(step.limits, items_limit(kind))
    return limit


def accept(step: Step, proposal: Proposal, resolution: Resolution) -> Proposal:
    """Accept ``proposal`` and do what it says; raises ``target_gone`` or ``limit_reached``."""
    if not has_room(step, proposal):
        raise too_many(items_limit(proposal.kind), most_items(step, proposal.kind))
    item_id, version = _apply(step, proposal)
    # The effect may have touched the row itself (never: its own rivals exclude it), so re-read.
    current = step.proposal(proposal.id)
    closed = close(
        step,
        replace(current, item_id=item_id, item_version=version),
        status="accepted",
        resolution=resolution,
    )
    if closed.category == "delete" and step.limits.rules >= 3:
        _fill_room(step, closed.kind)
    return closed


def _fill_room(step: Step, kind: ProposalKind) -> None:
    """An item of ``kind`` is gone: those that waited for room are looked at, oldest first."""
    if kind != "conclusion":
        waiting = [
            proposal.id
            for proposal in step.state.pending_proposals()
            if proposal.category == "create" and proposal.kind == kind
        ]
        evaluate_each(step, waiting)


def close(
    step: Step,
    proposal: Proposal,
    *,
    status: ProposalStatus,
    resolution: Resolution,
    reason: str | None = None,
) -> Proposal:
    """Give ``proposal`` its final status; what leaves the room's window goes in the same step."""
    event = step.event
    number = event.resolutions + 1
    rule = event.policy.of(proposal.kind)
    closed = replace(
        proposal,
        status=status,
        resolution=resolution,
        resolution_reason=reason,
        resolved_by=step.user or None,
        resolved_at=step.now,
        resolved_seq=step.seq,
        resolved_no=number,
        decision={
            "agree": proposal.agree,
            "eligible": event.members,
            "rule": rule.rule,
            "threshold": rule.threshold,
            "policy_version": event.policy_version,
        },
    )
    step.put(closed)
    floor = move_floor(step, number)
    step.change_event(resolutions=number, pending=event.pending - 1, resolved_floor=floor)
    return closed


def move_floor(step: Step, resolutions: int) -> int:
    """The floor of a window of which ``resolutions`` were resolved; what is below it leaves."""
    previous = step.event.resolved_floor
    floor = max(previous, resolutions - step.limits.resolved_shown)
    for leaving in step.state.resolved(previous + 1, floor):
        step.touch(leaving)
        forget_votes(step, leaving.id)
    return floor


def forget_votes(step: Step, proposal: str) -> None:
    """Nobody's ``you`` shows a vote on ``proposal`` any more; harmless to who had none."""
    step.everyone.setdefault("votes", {})[proposal] = None


def _apply(step: Step, proposal: Proposal) -> tuple[str, int]:
    """The effect on the event; the item it concerned and the version it left there."""
    if proposal.kind == "conclusion":
        return _conclude(step, proposal)
    if proposal.category == "create":
        return _create(step, proposal)
    assert proposal.target is not None
    item = live_item(step, proposal.target, proposal.kind)
    if proposal.category == "update":
        assert proposal.content is not None
        changed = replace(item, content=proposal.content, version=item.version + 1)
        write_item(step, changed, "content", proposal.id)
        _make_stale(step, proposal)
        return changed.id, changed.version
    changed = replace(item, version=item.version + 1, deleted=True)
    write_item(step, changed, "content", proposal.id)
    for rival in step.state.pending_proposals():
        if rival.target == item.id and rival.id != proposal.id:
            close(step, rival, status="deleted", resolution="target_deleted")
    if item.kind == "criterion":
        criteria_changed(step)
    return changed.id, changed.version


def _create(step: Step, proposal: Proposal) -> tuple[str, int]:
    assert proposal.content is not None
    assert proposal.kind != "conclusion"
    item = Item(
        id=derived_id(proposal.kind[0], step.state.id, proposal.id),
        kind=proposal.kind,
        content=proposal.content,
        position=next_position(step),
    )
    write_item(step, item, "content", proposal.id)
    if item.kind == "criterion":
        criteria_changed(step)
    return item.id, item.version


def _conclude(step: Step, proposal: Proposal) -> tuple[str, int]:
    assert proposal.target is not None
    criterion = live_item(step, proposal.target, "criterion")
    changed = replace(
        criterion,
        conclusion=proposal.content,
        conclusion_version=criterion.conclusion_version + 1,
    )
    write_item(step, changed, "conclusion", proposal.id)
    _make_stale(step, proposal)
    return changed.id, changed.conclusion_version


def _make_stale(step: Step, accepted: Proposal) -> None:
    """Rivals were made for the words that ``accepted`` replaced."""
    for rival in step.state.pending_proposals():
        if (
            rival.target == accepted.target
            and (rival.kind == "conclusion") == (accepted.kind == "conclusion")
            and rival.id != accepted.id
            and not rival.stale
        ):
            step.put(replace(rival, stale=True))


def live_item(step: Step, id: str, kind: str, field: str = "target") -> Item:
    """The assumption or criterion ``id``; raises ``not_found`` or ``target_gone``."""
    item = step.state.item(id)
    if item is None or item.kind != kind:
        raise FinalError(ErrorCode.NOT_FOUND, f"no such {kind}", details={"path": field})
    if item.deleted:
        raise FinalError(ErrorCode.TARGET_GONE, details={"path": field})
    return item


def write_item(step: Step, item: Item, part: Part, proposal: str | None = None) -> None:
    """Put ``item`` and a line in its history; a deletion is a version without words."""
    step.put(item)
    step.put(
        ItemVersion(
            item_id=item.id,
            part=part,
            version=item.version if part == "content" else item.conclusion_version,
            content=(None if item.deleted else item.content)
            if part == "content"
            else item.conclusion,
            proposal_id=proposal,
            user_id=step.user,
            at=step.now,
            seq=step.seq,
        )
    )


def next_position(step: Step) -> int:
    """The place of a new option, assumption or criterion, from 0."""
    position = step.event.items
    step.change_event(items=position + 1)
    return position


def criteria_changed(step: Step) -> None:
    """A criterion came or went: ballots given before rank what is left, and say so."""
    step.change_event(criteria_rev=step.event.criteria_rev + 1)
    if not step.event.ballots:
        return
    live = {criterion.id for criterion in step.state.live_items("criterion")}
    for ballot in step.state.all_ballots():
        left = [id for id in ballot.criterion_order if id in live]
        if left != ballot.criterion_order:
            step.put(msgspec.structs.replace(ballot, criterion_order=left))
        else:
            step.touch(ballot)


def summary(proposal: Proposal) -> dict[str, Any]:
    """Status, resolution, by whom, when and at which position: what closed it."""
    fields = {
        "status": proposal.status,
        "resolution": proposal.resolution,
        "by": proposal.resolved_by,
        "at": proposal.resolved_at and timestamp(proposal.resolved_at),
        "seq": proposal.resolved_seq,
    }
    return {key: value for key, value in fields.items() if value is not None}
