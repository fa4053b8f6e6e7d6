"""The records as clients see them: one function per kind; fields without a value are absent.

``None`` means "not shown". Snapshots and diffs are made by the same functions, so they cannot
contradict each other.
"""

from __future__ import annotations

import operator
from typing import Any, TypeAlias

import msgspec

from persistence.event.limits import decode_limits
from persistence.event.records import (
    Ballot,
    Comment,
    Event,
    Invitation,
    Item,
    Membership,
    Option,
    Proposal,
    Vote,
)
from persistence.event.terms import terms_view
from protocol.answers import timestamp
from protocol.merge_patch import difference
from protocol.policy import DEFAULT_TERMS, Stance

View: TypeAlias = dict[str, Any]


def _present(view: View) -> View:
    return {key: value for key, value in view.items() if value is not None}


#: Table → the fields of its records that hold people's words, in records and in views.
WORDS = {
    "memberships": ("name",),
    "items": ("content", "conclusion"),
    "proposals": ("content", "reason", "resolution_reason"),
    "comments": ("content",),
    "invitations": ("name", "ref"),
}

#: The rules since which rooms are shown the numbers of proposals, comments and requests.
NUMBERED_RULES = 4


def shows_numbers(event: Event) -> bool:
    """Whether the room of ``event`` shows the numbers of what it holds."""
    return event.limits is not None and decode_limits(event.limits).rules >= NUMBERED_RULES


def event_view(event: Event) -> View:
    """``state.event`` for members."""
    view: View = {
        "id": event.id,
        "subject": event.subject,
        "status": event.status,
        "entrance_code": event.entrance_code,
        "max_members": event.max_members,
        "policy": _present(msgspec.to_builtins(event.policy)),
        "policy_version": event.policy_version,
        "criteria_rev": event.criteria_rev,
        "created_at": timestamp(event.created_at),
    }
    for field in ("starts_at", "ends_at"):
        moment = getattr(event, field)
        if moment is not None:
            view[field] = timestamp(moment)
    return view


def applicant_event_view(event: Event) -> View:
    """``state.event`` for applicants."""
    return {"id": event.id, "subject": event.subject, "status": event.status}


def counts_view(event: Event) -> View:
    """``state.counts``."""
    return {
        "members": event.members,
        "ballots": event.ballots,
        "proposals": event.proposals,
        "comments": event.comments,
    }


def admin_counts_view(event: Event) -> View:
    """The part of ``state.counts`` that only admins see."""
    return _present({"requests": event.requests, "invitations": event.invitations})


def option_view(option: Option | None) -> View | None:
    """``state.options[id]``."""
    if option is None or option.deleted:
        return None
    return {"content": option.content, "position": option.position}


def item_view(item: Item | None) -> View | None:
    """``state.assumptions[id]`` or ``state.criteria[id]``."""
    if item is None or item.deleted:
        return None
    view: View = {"content": item.content, "version": item.version, "position": item.position}
    if item.kind == "criterion":
        view["conclusion_version"] = item.conclusion_version
        if item.conclusion is not None:
            view["conclusion"] = item.conclusion
    return view


def is_shown(proposal: Proposal | None, event: Event) -> bool:
    """Whether the room shows ``proposal``: it is pending, or among the last resolved ones."""
    return proposal is not None and (
        proposal.resolved_no is None or proposal.resolved_no > event.resolved_floor
    )


#: Fields of a proposal that are shown unchanged, if they have a value.
PROPOSAL_FIELDS = (
    "kind",
    "category",
    "target",
    "base_version",
    "content",
    "reason",
    "author",
    "status",
    "resolution",
    "resolution_reason",
    "resolved_by",
    "decision",
    "revision",
    "stale",
    "reverts",
    "reverted_by",
)
PROPOSAL_TIMES = ("resolved_at", "opens_at", "expires_at", "created_at")


def proposal_view(proposal: Proposal, *, numbers: bool) -> View:
    """``state.proposals[id]``."""
    view = _present({field: getattr(proposal, field) for field in PROPOSAL_FIELDS})
    for field in PROPOSAL_TIMES:
        moment = getattr(proposal, field)
        if moment is not None:
            view[field] = timestamp(moment)
    view |= _votes_view(proposal)
    if numbers:
        view |= proposal_numbers(proposal)
    return view


def _votes_view(proposal: Proposal) -> View:
    """The tally as far as it is shown, the terms, and who may vote."""
    terms = proposal.terms
    if terms is DEFAULT_TERMS:
        return {"agree": proposal.agree}
    view: View = {}
    if terms.tally == "live" or proposal.status != "pending":
        view = {name: getattr(proposal, name) for name in terms.stances}
    if terms.has_choice:
        # If a vote can only say agree, this is nearly the tally.
        view["voters"] = proposal.voters
    if (shown := terms_view(terms)) is not None:
        view["terms"] = shown
    if proposal.eligible is not None:
        view["eligible"] = proposal.eligible
    return view


def proposal_numbers(proposal: Proposal) -> View:
    """The places of ``proposal`` in the orders of making and of closing."""
    return _present({"no": proposal.number, "resolved_no": proposal.resolved_no})


_plain_fields = operator.attrgetter(*PROPOSAL_FIELDS)
_time_fields = operator.attrgetter(*PROPOSAL_TIMES)


def tally_change(before: Proposal, after: Proposal) -> View:
    """Return the patch between two views of a proposal that differ in their tally alone."""
    if after.terms is not DEFAULT_TERMS:
        return difference(_votes_view(before), _votes_view(after))
    return {} if before.agree == after.agree else {"agree": after.agree}


def proposal_change(before: Proposal, after: Proposal, *, numbers: bool) -> View:
    """Return the patch between two views of a proposal."""
    old, new = _plain_fields(before), _plain_fields(after)
    patch: View = {
        field: value
        for field, was, value in zip(PROPOSAL_FIELDS, old, new, strict=True)
        if was is not value and was != value
    }
    patch |= tally_change(before, after)
    times, moved = _time_fields(before), _time_fields(after)
    if times != moved:
        for field, was, moment in zip(PROPOSAL_TIMES, times, moved, strict=True):
            if was != moment:
                patch[field] = None if moment is None else timestamp(moment)
    if numbers and before.resolved_no != after.resolved_no:
        patch["resolved_no"] = after.resolved_no
    return patch


def member_view(member: Membership | None, event: Event) -> View | None:
    """``state.members[user]``: those who lead, and who joined before it was full."""
    if member is None or member.status != "accepted":
        return None
    ceiling = event.member_ceiling
    if not member.leads and ceiling is not None and (member.joined_no or 0) > ceiling:
        return None
    return {"name": member.name, "role": member.role}


def request_view(member: Membership | None, event: Event, *, numbers: bool) -> View | None:
    """``state.requests[user]``, for admins: the oldest requests."""
    if member is None or member.status != "pending":
        return None
    ceiling = event.request_ceiling
    if ceiling is not None and (member.request_no or 0) > ceiling:
        return None
    return request_fields(member, numbers=numbers)


def request_fields(member: Membership, *, numbers: bool) -> View:
    """Return the fields of a request to join, shown in the room or not."""
    view: View = {"name": member.name, "requested_at": timestamp(member.requested_at)}
    if numbers and member.request_seq is not None:
        view["position"] = member.request_seq
    return view


def invitation_view(invitation: Invitation | None, event: Event) -> View | None:
    """``state.invitations[id]``, for admins: the newest invitations."""
    if invitation is None or invitation.number <= event.invitation_floor:
        return None
    return invitation_fields(invitation)


def invitation_fields(invitation: Invitation) -> View:
    """Return the fields of an invitation, shown in the room or not."""
    return _present(
        {
            "name": invitation.name,
            "ref": invitation.ref,
            "status": invitation.status,
            "user": invitation.user_id,
            "created_at": timestamp(invitation.created_at),
            "no": invitation.number,
        }
    )


def comment_view(comment: Comment | None, event: Event, *, numbers: bool) -> View | None:
    """``state.comments[id]``: comments above the floor."""
    if comment is None or comment.deleted or comment.number <= event.comment_floor:
        return None
    return comment_fields(comment, numbers=numbers)


def comment_fields(comment: Comment, *, numbers: bool) -> View:
    """Return the fields of a comment, shown in the room or not."""
    return _present(
        {
            "proposal": comment.proposal_id,
            "criterion": comment.criterion_id,
            "author": comment.author,
            "content": comment.content,
            "version": comment.version,
            "created_at": timestamp(comment.created_at),
            "no": comment.number if numbers else None,
        }
    )


def membership_view(member: Membership | None) -> View:
    """``you.membership``; with a role only while accepted."""
    if member is None:
        return {}
    view: View = {"status": member.status}
    if member.status == "accepted":
        view["role"] = member.role
    return view


def ballot_view(ballot: Ballot | None) -> View | None:
    """``you.ballot``."""
    if ballot is None:
        return None
    view: View = {
        "criterion_order": ballot.criterion_order,
        "criteria_rev": ballot.criteria_rev,
    }
    if ballot.options is None:
        view["option"] = ballot.option_id
    else:
        view["options"] = ballot.options
    if ballot.revision is not None:
        view["revision"] = ballot.revision
    return view


def vote_view(vote: Vote | None, proposal: Proposal | None) -> int | None:
    """``you.votes[proposal]``: the revision voted for, while it is the current one."""
    if vote is None or not vote.active or proposal is None or vote.revision != proposal.revision:
        return None
    return vote.revision


def stance_view(vote: Vote | None, proposal: Proposal | None) -> Stance | None:
    """``you.stances[proposal]``: what that vote says, if it is not ``agree``."""
    if vote is None or vote_view(vote, proposal) is None:
        return None
    return None if vote.stance == "agree" or vote.stance == "absent" else vote.stance
