"""Resolve proposals, and apply accepted ones to the event, all in the same step."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from handlers.rules import electorate
from handlers.rules.auto_acceptance import base_of, passes
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
    """Accept every pending proposal that passes now, oldest first; return their ids.

    Each is evaluated in the state that the ones before it left: an acceptance can make a later one
    stale.
    """
    return evaluate_each(step, [proposal.id for proposal in step.state.pending_proposals()])


def evaluate_each(step: Step, candidates: list[str]) -> list[str]:
    """Accept those of the pending ``candidates`` that pass now, in this order; return their ids.

    An acceptance can make room for another candidate, which is then accepted in the same pass.
    """
    for id in candidates:
        evaluate(step, step.proposal(id))
    return accepted_of(step, candidates)


def accepted_of(step: Step, candidates: list[str]) -> list[str]:
    """Return those of ``candidates`` that are accepted, in the order of their acceptance."""
    accepted = (found for id in candidates if (found := step.proposal(id)).status == "accepted")
    return [found.id for found in sorted(accepted, key=lambda found: found.resolved_no or 0)]


def evaluate(step: Step, proposal: Proposal, *, closing: bool = False) -> Proposal:
    """Accept ``proposal`` if its votes suffice now and the event has room for its item."""
    event = step.event
    suffice = passes(proposal, event, event.policy, step.now, closing=closing)
    if suffice and has_room(step, proposal):
        return accept(step, proposal, "auto_votes")
    return proposal


def has_room(step: Step, proposal: Proposal) -> bool:
    """Whether the event has room for the item that ``proposal`` would create."""
    if proposal.category != "create" or proposal.kind == "conclusion":
        return True
    return len(step.state.live_items(proposal.kind)) < most_items(step, proposal.kind)


def items_limit(kind: str) -> str:
    """Return the name of the limit on live items of ``kind``."""
    return "assumptions" if kind == "assumption" else "criteria"


def most_items(step: Step, kind: str) -> int:
    """Return how many live items of ``kind`` the event may have."""
    limit: int = getattr(step.limits, items_limit(kind))
    return limit


def accept(step: Step, proposal: Proposal, resolution: Resolution) -> Proposal:
    """Accept ``proposal`` and apply it; raise ``target_gone`` or ``limit_reached``."""
    if not has_room(step, proposal):
        raise too_many(items_limit(proposal.kind), most_items(step, proposal.kind))
    item_id, version = _apply(step, proposal)
    # Read again: applying a proposal can change pending ones.
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
    """Evaluate the proposals that waited for room, oldest first, after a deletion of ``kind``."""
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
    """Give ``proposal`` its final status; move the window in the same step."""
    event = step.event
    number = event.resolutions + 1
    closed = replace(
        proposal,
        status=status,
        resolution=resolution,
        resolution_reason=reason,
        resolved_by=None if _by_votes(step, resolution) else step.user or None,
        resolved_at=step.now,
        resolved_seq=step.seq,
        resolved_no=number,
        decision=_decision(step, proposal),
    )
    step.put(closed)
    floor = move_floor(step, number)
    step.change_event(resolutions=number, pending=event.pending - 1, resolved_floor=floor)
    return closed


def _decision(step: Step, proposal: Proposal) -> dict[str, Any]:
    """Return the tally and the rule by which ``proposal`` is closed now."""
    event, terms = step.event, proposal.terms
    rule = event.policy.of(proposal.kind)
    decision: dict[str, Any] = {"agree": proposal.agree}
    decision |= {name: getattr(proposal, name) for name in terms.stances[1:]}
    decision |= {"eligible": electorate.size(event, proposal), "rule": rule.rule}
    if rule.rule == "share":
        decision |= {"share": rule.share, "more_than": rule.more_than, "of": base_of(rule, terms)}
    else:
        decision["threshold"] = rule.threshold
    return decision | {"policy_version": event.policy_version}


def _by_votes(step: Step, resolution: Resolution) -> bool:
    """Whether the votes closed it: the one whose step it was may be who gave a secret vote."""
    return resolution == "auto_votes" and step.limits.rules >= 4


def move_floor(step: Step, resolutions: int) -> int:
    """Move the window of the ``resolutions`` resolved proposals; return its new floor."""
    previous = step.event.resolved_floor
    floor = max(previous, resolutions - step.limits.resolved_shown)
    for leaving in step.state.resolved(previous + 1, floor):
        step.touch(leaving)
        forget_votes(step, leaving)
    return floor


def forget_votes(step: Step, proposal: Proposal) -> None:
    """Remove votes on ``proposal`` from every user's ``you``; users without one are unaffected."""
    step.everyone.setdefault("votes", {})[proposal.id] = None
    if proposal.terms.has_choice:
        step.everyone.setdefault("stances", {})[proposal.id] = None


def _apply(step: Step, proposal: Proposal) -> tuple[str, int]:
    """Apply ``proposal`` to the event; return the item and the version that it now has."""
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
    """Mark as stale the rivals of ``accepted``: they were written for the text it replaced."""
    for rival in step.state.pending_proposals():
        if (
            rival.target == accepted.target
            and (rival.kind == "conclusion") == (accepted.kind == "conclusion")
            and rival.id != accepted.id
            and not rival.stale
        ):
            step.put(replace(rival, stale=True))


def live_item(step: Step, id: str, kind: str, field: str = "target") -> Item:
    """Return the assumption or criterion ``id``; raise ``not_found`` or ``target_gone``."""
    item = step.state.item(id)
    if item is None or item.kind != kind:
        raise FinalError(ErrorCode.NOT_FOUND, f"no such {kind}", details={"path": field})
    if item.deleted:
        raise FinalError(ErrorCode.TARGET_GONE, details={"path": field})
    return item


def write_item(step: Step, item: Item, part: Part, proposal: str | None = None) -> None:
    """Put ``item`` and its version; the version of a deletion has no text."""
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
    """Return the position of a new option, assumption or criterion, from 0."""
    position = step.event.items
    step.change_event(items=position + 1)
    return position


def criteria_changed(step: Step) -> None:
    """Raise ``criteria_rev``, and drop deleted criteria from all ballots."""
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
    """Return how ``proposal`` was closed: status, resolution, by whom, when, at which position."""
    fields = {
        "status": proposal.status,
        "resolution": proposal.resolution,
        "by": proposal.resolved_by,
        "at": proposal.resolved_at and timestamp(proposal.resolved_at),
        "seq": proposal.resolved_seq,
    }
    return {key: value for key, value in fields.items() if value is not None}
