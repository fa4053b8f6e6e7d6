"""Who is told what: the patches of one step, and whole states, per audience.

- ``member``: everyone who is accepted.
- ``admin``: beside the members' patch, the requests to join.
- ``applicant``: subject and status only.
- ``you``: per user, what is theirs alone. ``everyone``: a patch on everybody's ``you``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

import msgspec

from handlers import views
from handlers.step import DomainLimits, Step
from handlers.views import View
from persistence.records import Event, Proposal
from persistence.state import EventState
from protocol.merge_patch import difference

Audience: TypeAlias = Literal["member", "admin", "applicant"]
AUDIENCES: tuple[Audience, ...] = ("member", "admin", "applicant")


class Patches(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one step changes for each audience; an empty patch is left out when encoded."""

    member: dict[str, Any] = {}
    admin: dict[str, Any] = {}
    """Beside ``member``."""
    applicant: dict[str, Any] = {}
    you: dict[str, dict[str, Any]] = {}
    everyone: dict[str, Any] = {}


NO_PATCHES = Patches()

_COLLECTIONS = ("options", "assumptions", "criteria", "proposals", "comments", "members")


def patches_of(step: Step) -> Patches:
    """What ``step`` changed, as every audience sees it."""
    member: dict[str, Any] = {}
    admin: dict[str, Any] = {}
    applicant: dict[str, Any] = {}
    you: dict[str, dict[str, Any]] = {}
    before, after = step.event_before, step.state.event
    told_before = before if before is not None else after
    for (table, key), _ in step.before.items():
        if table == "votes":
            _tell_vote(step, key, you)
    for id, old, new in step.changed("proposals"):
        if patch := _proposal_patch(old, new, told_before, after, step.limits):
            member.setdefault("proposals", {})[id] = patch.get(_WHOLE, patch)
    for id, old, new in step.changed("options"):
        _tell(member, "options", id, views.option_view(old), views.option_view(new))
    for id, old, new in step.changed("items"):
        collection = "assumptions" if new.kind == "assumption" else "criteria"
        _tell(member, collection, id, views.item_view(old), views.item_view(new))
    for id, old, new in step.changed("comments"):
        _tell(
            member,
            "comments",
            id,
            views.comment_view(old, told_before),
            views.comment_view(new, after),
        )
    for user, old, new in step.changed("memberships"):
        _tell(
            member,
            "members",
            user,
            views.member_view(old, told_before),
            views.member_view(new, after),
        )
        _tell(admin, "requests", user, views.request_view(old), views.request_view(new))
        own = difference(views.membership_view(old), views.membership_view(new))
        if own:
            you.setdefault(user, {})["membership"] = own
    for user, old, new in step.changed("ballots"):
        shown = views.ballot_view(new)
        if shown != views.ballot_view(old) or new is not None:
            you.setdefault(user, {})["ballot"] = shown
    if before is not after:
        _tell_event(member, applicant, before, after)
    return Patches(
        member=member, admin=admin, applicant=applicant, you=you, everyone=dict(step.everyone)
    )


#: A view that stands in place of a patch, since ``None`` (gone) is a value too.
_WHOLE = "\0whole"


def _proposal_patch(
    old: Proposal | None,
    new: Proposal,
    before: Event,
    after: Event,
    limits: DomainLimits,
) -> dict[str, Any]:
    was_shown = views.is_shown(old, before, limits)
    is_shown = views.is_shown(new, after, limits)
    if was_shown and is_shown:
        assert old is not None
        return views.proposal_change(old, new)
    if is_shown:
        return views.proposal_view(new)
    return {_WHOLE: None} if was_shown else {}


def _tell_vote(step: Step, key: tuple[str, str], you: dict[str, dict[str, Any]]) -> None:
    proposal_id, user = key
    proposal = step.state.proposals.get(proposal_id)
    shown = views.vote_view(step.state.votes[key], proposal)
    # Absolute, and null where there was nothing: no harm, and no second look at the past.
    you.setdefault(user, {}).setdefault("votes", {})[proposal_id] = shown


def _tell(
    patch: dict[str, Any], collection: str, id: str, old: View | None, new: View | None
) -> None:
    if old == new:
        return
    change = difference(old, new) if old is not None and new is not None else new
    patch.setdefault(collection, {})[id] = change


def _tell_event(
    member: dict[str, Any], applicant: dict[str, Any], before: Event | None, after: Event
) -> None:
    for patch, view in (
        (member, views.event_view),
        (applicant, views.applicant_event_view),
    ):
        if change := difference(view(before) if before else {}, view(after)):
            patch["event"] = change
    counts = difference(views.counts_view(before) if before else {}, views.counts_view(after))
    if counts:
        member["counts"] = counts
    if after.results is not None and (before is None or before.results is None):
        member["results"] = after.results


def document(state: EventState, audience: Audience, limits: DomainLimits) -> dict[str, Any]:
    """The whole ``state`` for an audience; ``state`` must hold all that a room shows."""
    event = state.event
    if audience == "applicant":
        empty: dict[str, Any] = {name: {} for name in _COLLECTIONS}
        return {"event": views.applicant_event_view(event)} | empty | {"counts": {}}
    shown: dict[str, Any] = {
        "event": views.event_view(event),
        "options": _shown((o.id, views.option_view(o)) for o in state.live_options()),
        "assumptions": _shown((i.id, views.item_view(i)) for i in state.live_items("assumption")),
        "criteria": _shown((i.id, views.item_view(i)) for i in state.live_items("criterion")),
        "proposals": {
            proposal.id: views.proposal_view(proposal)
            for proposal in state.proposals.values()
            if proposal is not None and views.is_shown(proposal, event, limits)
        },
        "comments": _shown((c.id, views.comment_view(c, event)) for c in state.comments_shown()),
        "members": _shown(
            (member.user_id, views.member_view(member, event))
            for member in state.memberships.values()
            if member is not None
        ),
        "counts": views.counts_view(event),
    }
    if event.results is not None:
        shown["results"] = event.results
    if audience == "admin":
        shown["requests"] = _shown(
            (member.user_id, views.request_view(member)) for member in state.waiting()
        )
    return shown


def _shown(pairs: Iterable[tuple[str, View | None]]) -> dict[str, View]:
    return {id: view for id, view in pairs if view is not None}
