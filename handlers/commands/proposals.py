"""``proposal.*``: create, withdraw and rebase proposals, and the decisions of admins about them."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from handlers.commands.votes import open_proposal
from handlers.rules import electorate, tallies
from handlers.rules.resolution import (
    accept,
    close,
    evaluate,
    forget_votes,
    live_item,
    summary,
    write_item,
)
from handlers.step import Outcome, Step, too_many
from persistence.event.limits import RESTORED_CONCLUSION_RULES
from persistence.event.records import Item, Part, Proposal
from protocol import commands as c
from protocol.errors import ErrorCode, FinalError
from protocol.state import Resolution


def create(step: Step, command: c.ProposalCreate) -> Outcome:
    """Propose a change to an assumption, a criterion or a conclusion.

    Raises ``limit_reached``, ``stale`` for another version of the target, and
    ``invalid_transition`` for a conclusion that is there already, or is missing.
    """
    if command.target is not None:
        target_kind = "criterion" if command.kind == "conclusion" else command.kind
        _check_base(step, live_item(step, command.target, target_kind), command)
    pending = step.state.pending_proposals()
    if command.target is not None and any(
        other.author == step.user and other.target == command.target for other in pending
    ):
        raise FinalError(
            ErrorCode.LIMIT_REACHED,
            "you have a pending proposal on this already",
            details={"path": "target"},
        )
    if len(pending) >= step.limits.pending_proposals:
        raise too_many("pending_proposals", step.limits.pending_proposals, "pending proposals")
    if step.limits.rules >= 3:
        _check_share(step, sum(other.author == step.user for other in pending))
    event = step.event
    opens = event.policy.min_open_seconds
    lives = event.policy.ttl_seconds
    proposal = Proposal(
        id=step.new_id("p"),
        number=event.proposals + 1,
        kind=command.kind,
        category=command.category,
        target=command.target,
        base_version=command.base_version,
        content=command.content,
        reason=command.reason or None,
        author=step.user,
        created_at=step.now,
        opens_at=step.now + timedelta(seconds=opens) if opens else None,
        expires_at=step.now + timedelta(seconds=lives) if lives else None,
        terms=event.policy.terms(),
    )
    proposal = replace(proposal, **electorate.opening(event, proposal))
    step.put(proposal)
    step.change_event(proposals=proposal.number, pending=event.pending + 1)
    own = step.member(step.user)
    if event.policy.proposer_votes and own.has_vote:
        proposal = evaluate(step, tallies.cast(step, proposal, step.user, None))
    result = {"proposal": proposal.id, "revision": proposal.revision, "status": proposal.status}
    return Outcome(result)


def _check_share(step: Step, pending: int) -> None:
    """Raise ``limit_reached`` if one author has too many pending or withdrawn proposals."""
    limits, event = step.limits, step.event
    if pending >= limits.pending_per_author:
        raise too_many(
            "pending_per_author", limits.pending_per_author, "pending proposals of yours"
        )
    # The window shows fewer than one author may have withdrawn, so the count cannot be too high.
    if event.resolutions - event.resolved_floor < limits.withdrawn_per_author:
        return
    if len(step.state.withdrawn_by(step.user)) >= limits.withdrawn_per_author:
        raise too_many(
            "withdrawn_per_author", limits.withdrawn_per_author, "withdrawn proposals of yours"
        )


def _check_base(step: Step, item: Item, command: c.ProposalCreate | c.ProposalRebase) -> None:
    """Raise ``stale`` unless the base version is current; check a conclusion's category."""
    concluding = isinstance(command, c.ProposalCreate) and command.kind == "conclusion"
    current = item.conclusion_version if concluding else item.version
    if command.base_version != current:
        raise FinalError(ErrorCode.STALE, details={"path": "base_version", "current": current})
    if concluding:
        assert isinstance(command, c.ProposalCreate)
        if command.category == "create" and item.conclusion is not None:
            raise FinalError(ErrorCode.INVALID_TRANSITION, "the criterion has a conclusion already")
        if command.category != "create" and item.conclusion is None:
            raise FinalError(
                ErrorCode.TARGET_GONE,
                "the criterion has no conclusion",
                details={"path": "target"},
            )


def withdraw(step: Step, command: c.ProposalWithdraw) -> Outcome:
    """Withdraw the actor's own proposal."""
    return _take_away(step, command, "withdrawn")


def moderate(step: Step, command: c.ProposalModerate) -> Outcome:
    """Remove a proposal from the discussion, as an admin."""
    return _take_away(step, command, "moderated")


def _take_away(
    step: Step, command: c.ProposalWithdraw | c.ProposalModerate, resolution: Resolution
) -> Outcome:
    proposal = step.proposal(command.proposal)
    own = resolution == "withdrawn"
    if own and proposal.author != step.user:
        raise FinalError(ErrorCode.FORBIDDEN, "only its author can withdraw a proposal")
    if proposal.resolution == resolution:
        return Outcome(summary(proposal), applied=False)
    if proposal.status != "pending":
        code = ErrorCode.PROPOSAL_CLOSED if own else ErrorCode.ALREADY_RESOLVED
        raise FinalError(code, details=summary(proposal))
    closed = close(
        step, proposal, status="deleted", resolution=resolution, reason=command.reason or None
    )
    return Outcome(summary(closed))


def reject(step: Step, command: c.ProposalReject) -> Outcome:
    """Reject a proposal, as an admin.

    Raises ``already_resolved`` if it is closed in another way.
    """
    proposal = step.proposal(command.proposal)
    if proposal.status == "rejected" and proposal.resolution == "admin":
        return Outcome(summary(proposal), applied=False)
    if proposal.status != "pending":
        raise FinalError(ErrorCode.ALREADY_RESOLVED, details=summary(proposal))
    closed = close(
        step, proposal, status="rejected", resolution="admin", reason=command.reason or None
    )
    return Outcome(summary(closed))


def accept_by_admin(step: Step, command: c.ProposalAccept) -> Outcome:
    """Accept a proposal, as an admin; this is no vote.

    Raises ``already_resolved``, and ``stale`` without ``allow_stale``.
    """
    proposal = step.proposal(command.proposal)
    if proposal.status == "accepted":
        return Outcome(summary(proposal), applied=False)
    if proposal.status != "pending":
        raise FinalError(ErrorCode.ALREADY_RESOLVED, details=summary(proposal))
    if proposal.stale and not command.allow_stale:
        raise FinalError(ErrorCode.STALE, details={"current": _present_version(step, proposal)})
    return Outcome(summary(accept(step, proposal, "admin")))


def _present_version(step: Step, proposal: Proposal) -> int:
    assert proposal.target is not None
    if proposal.kind == "conclusion":
        return live_item(step, proposal.target, "criterion").conclusion_version
    return live_item(step, proposal.target, proposal.kind).version


def rebase(step: Step, command: c.ProposalRebase) -> Outcome:
    """Move the actor's proposal to the current version, with the same or a new text; votes are
    cleared.

    Raises ``forbidden``, ``stale`` for another version, ``invalid_transition`` for a proposal
    without a target.
    """
    proposal = step.proposal(command.proposal)
    if proposal.author != step.user:
        raise FinalError(ErrorCode.FORBIDDEN, "only its author can rebase a proposal")
    proposal = open_proposal(step, command.proposal)
    if proposal.target is None:
        raise FinalError(ErrorCode.INVALID_TRANSITION, "what is newly proposed has no version")
    if command.content is not None and proposal.category == "delete":
        raise FinalError(
            ErrorCode.BAD_REQUEST, "a deletion has no content", details={"path": "content"}
        )
    current = _present_version(step, proposal)
    if command.base_version != current:
        raise FinalError(ErrorCode.STALE, details={"path": "base_version", "current": current})
    content = command.content if command.content is not None else proposal.content
    if proposal.base_version == current and content == proposal.content:
        return Outcome({"revision": proposal.revision}, applied=False)
    opens = step.event.policy.min_open_seconds
    changed = replace(
        proposal,
        base_version=current,
        content=content,
        revision=proposal.revision + 1,
        agree=0,
        against=0,
        abstain=0,
        voters=0,
        stale=False,
        opens_at=step.now + timedelta(seconds=opens) if opens else None,
        **electorate.opening(step.event, proposal),
    )
    step.put(changed)
    forget_votes(step, proposal)
    return Outcome({"revision": changed.revision})


def revert(step: Step, command: c.ProposalRevert) -> Outcome:
    """Undo an accepted proposal by a new accepted one, which restores what was there before.

    Raises ``invalid_transition`` for one that is not accepted, and ``stale`` if the item has
    changed since.
    """
    undone = step.proposal(command.proposal)
    if undone.reverted_by is not None:
        return Outcome({"proposal": undone.reverted_by} | _effect(step, undone), applied=False)
    if undone.status != "accepted":
        raise FinalError(
            ErrorCode.INVALID_TRANSITION,
            "only an accepted proposal can be reverted",
            details={"status": undone.status},
        )
    event = step.event
    reverting = replace(
        _opposite(step, undone),
        id=step.new_id("p"),
        number=event.proposals + 1,
        author=step.user,
        reason=command.reason or None,
        created_at=step.now,
        reverts=undone.id,
    )
    step.put(reverting)
    step.change_event(proposals=reverting.number, pending=event.pending + 1)
    closed = accept(step, reverting, "revert")
    if undone.kind == "criterion" and undone.category == "delete":
        _restore_conclusion(step, undone, closed)
    step.put(replace(step.proposal(undone.id), reverted_by=closed.id))
    return Outcome({"proposal": closed.id} | summary(closed))


def _restore_conclusion(step: Step, deletion: Proposal, reverting: Proposal) -> None:
    """Give the criterion that came back the conclusion that it had when it was deleted."""
    if step.limits.rules < RESTORED_CONCLUSION_RULES:
        return
    assert deletion.item_id is not None
    assert reverting.item_id is not None
    before = step.state.item(deletion.item_id)
    restored = step.state.item(reverting.item_id)
    assert before is not None
    assert restored is not None
    if before.conclusion is not None:
        changed = replace(restored, conclusion=before.conclusion, conclusion_version=1)
        write_item(step, changed, "conclusion", reverting.id)


def _effect(step: Step, undone: Proposal) -> dict[str, object]:
    assert undone.reverted_by is not None
    return summary(step.proposal(undone.reverted_by))


def _opposite(step: Step, undone: Proposal) -> Proposal:
    """Return the proposal that undoes ``undone``; raise ``stale`` if the item has changed since."""
    assert undone.item_id is not None
    assert undone.item_version is not None
    blank = Proposal(
        id="", number=0, kind=undone.kind, category="create", author="", created_at=step.now
    )
    if undone.kind != "conclusion" and undone.category == "delete":
        before = step.state.version(undone.item_id, "content", undone.item_version - 1)
        assert before is not None
        return replace(blank, content=before.content)
    kind = "criterion" if undone.kind == "conclusion" else undone.kind
    item = live_item(step, undone.item_id, kind, "proposal")
    concluding = undone.kind == "conclusion"
    current = item.conclusion_version if concluding else item.version
    if current != undone.item_version:
        raise FinalError(ErrorCode.STALE, details={"current": current})
    targeted = replace(blank, target=item.id, base_version=current)
    if not concluding and undone.category == "create":
        return replace(targeted, category="delete")
    if concluding and current == 1:
        return replace(targeted, category="delete")
    part: Part = "conclusion" if concluding else "content"
    before = step.state.version(item.id, part, current - 1)
    content = before.content if before is not None else None
    if content is None:
        return replace(targeted, category="delete")
    had_words = not concluding or item.conclusion is not None
    return replace(targeted, category="update" if had_words else "create", content=content)
