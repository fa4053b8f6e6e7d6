"""The patches of one step, and whole states, for each audience.

- ``member``: every accepted member.
- ``admin``: added to the members' patch; the requests to join and their number.
- ``applicant``: the event's subject and status only.
- ``you``: one user's own data. ``everyone``: a patch on every user's ``you``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, Literal, TypeAlias

import msgspec

from handlers import views
from handlers.step import Step
from handlers.views import View
from persistence.event.records import (
    Ballot,
    Comment,
    Invitation,
    Item,
    Membership,
    Option,
    Proposal,
    Vote,
    only_tally_changed,
)
from persistence.event.state import ABSENT, EventState
from protocol.merge_patch import difference

Audience: TypeAlias = Literal["member", "admin", "applicant"]


class Patches(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The patches that one step makes for each audience; an empty one is left out when encoded."""

    member: dict[str, Any] = {}
    admin: dict[str, Any] = {}
    """Added to ``member``."""
    applicant: dict[str, Any] = {}
    you: dict[str, dict[str, Any]] = {}
    everyone: dict[str, Any] = {}


NO_PATCHES = Patches()

#: Entries of a document made in one iteration of the event loop. Beyond that the work yields, so
#: that a large event does not delay other sockets.
MAX_ENTRIES_TOGETHER = 64
#: The collections of ``state``, keyed by id.
COLLECTIONS = ("options", "assumptions", "criteria", "proposals", "comments", "members")
#: The collections, and their totals in ``counts``, that only admins are shown.
FOR_ADMINS = ("requests", "invitations")


def patches_of(step: Step) -> Patches:
    """Return what ``step`` changed, as each audience sees it."""
    builder = _PatchBuilder(step)
    for (table, key), before in step.before.items():
        compare = _COMPARE.get(table)
        if compare is not None:
            old = None if before is ABSENT else before
            compare(builder, key, old, getattr(step.state, table)[key])
    if builder.before is not builder.after:
        builder.event()
    for table, key in step.retold:
        builder.retell(table, getattr(step.state, table)[key])
    return Patches(
        member=builder.member,
        admin=builder.admin,
        applicant=builder.applicant,
        you=builder.you,
        everyone=dict(step.everyone),
    )


class _PatchBuilder:
    """Collects the patches of one step; one method for each kind of record."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.before = step.event_before
        after = step.state.event_record
        assert after is not None
        self.after = after
        self.floors = self.before or self.after
        """The event whose windows decide what was shown before the step."""
        self.numbers = step.limits.rules >= views.NUMBERED_RULES
        self.had_numbers = self.numbers and views.shows_numbers(self.floors)
        self.member: dict[str, Any] = {}
        self.admin: dict[str, Any] = {}
        self.applicant: dict[str, Any] = {}
        self.you: dict[str, dict[str, Any]] = {}

    def proposal(self, id: str, old: Proposal | None, new: Proposal) -> None:
        only_tally = old is not None and only_tally_changed(old, new)
        if only_tally:
            self.step.tallied.add(id)
        is_shown = views.is_shown(new, self.after)
        if only_tally and self.before is self.after:
            was_shown = is_shown
        else:
            was_shown = views.is_shown(old, self.floors)
        if is_shown:
            if was_shown:
                assert old is not None
                if only_tally:
                    change = views.tally_change(old, new)
                else:
                    change = views.proposal_change(old, new, numbers=self.numbers)
                if self.numbers and not self.had_numbers:
                    change |= views.proposal_numbers(new)
                if not change:
                    return
            else:
                change = views.proposal_view(new, numbers=self.numbers)
            self.member.setdefault("proposals", {})[id] = change
        elif was_shown:
            self.member.setdefault("proposals", {})[id] = None

    def vote(self, key: tuple[str, str], old: Vote | None, new: Vote) -> None:
        proposal_id, user = key
        if new.stance == "absent" and not (old is not None and old.active):
            return
        proposal = self.step.state.proposals.get(proposal_id)
        shown = views.vote_view(new, proposal)
        # The value is absolute, and null if there is no vote. The vote before need not be read.
        own = self.you.setdefault(user, {})
        own.setdefault("votes", {})[proposal_id] = shown
        if proposal is not None and proposal.terms.has_choice:
            own.setdefault("stances", {})[proposal_id] = views.stance_view(new, proposal)

    def option(self, id: str, old: Option | None, new: Option) -> None:
        _put_change(self.member, "options", id, views.option_view(old), views.option_view(new))

    def item(self, id: str, old: Item | None, new: Item) -> None:
        collection = "assumptions" if new.kind == "assumption" else "criteria"
        _put_change(self.member, collection, id, views.item_view(old), views.item_view(new))

    def comment(self, id: str, old: Comment | None, new: Comment) -> None:
        before = views.comment_view(old, self.floors, numbers=self.had_numbers)
        after = views.comment_view(new, self.after, numbers=self.numbers)
        _put_change(self.member, "comments", id, before, after)

    def membership(self, user: str, old: Membership | None, new: Membership | None) -> None:
        before, after = views.member_view(old, self.floors), views.member_view(new, self.after)
        _put_change(self.member, "members", user, before, after)
        asked = views.request_view(old, self.floors, numbers=self.had_numbers)
        asks = views.request_view(new, self.after, numbers=self.numbers)
        _put_change(self.admin, "requests", user, asked, asks)
        own = difference(views.membership_view(old), views.membership_view(new))
        if own:
            self.you.setdefault(user, {})["membership"] = own

    def invitation(self, id: str, old: Invitation | None, new: Invitation) -> None:
        before = views.invitation_view(old, self.floors)
        after = views.invitation_view(new, self.after)
        _put_change(self.admin, "invitations", id, before, after)

    def ballot(self, user: str, old: Ballot | None, new: Ballot | None) -> None:
        # Sent even if only the criteria below it changed: its owner should look at it again.
        self.you.setdefault(user, {})["ballot"] = views.ballot_view(new)

    def retell(self, table: str, record: Any) -> None:
        """Add the words of a record that did not change, if it is shown."""
        event, numbers = self.after, self.numbers
        shown: list[tuple[dict[str, Any], str, View | None]]
        match table:
            case "memberships":
                request = views.request_view(record, event, numbers=numbers)
                shown = [(self.member, "members", views.member_view(record, event))]
                shown.append((self.admin, "requests", request))
            case "items":
                collection = "assumptions" if record.kind == "assumption" else "criteria"
                shown = [(self.member, collection, views.item_view(record))]
            case "proposals":
                is_shown = views.is_shown(record, event)
                view = views.proposal_view(record, numbers=numbers) if is_shown else None
                shown = [(self.member, "proposals", view)]
            case "comments":
                view = views.comment_view(record, event, numbers=numbers)
                shown = [(self.member, "comments", view)]
            case _:
                shown = [(self.admin, "invitations", views.invitation_view(record, event))]
        for patch, collection, view in shown:
            if view is not None:
                id = record.user_id if table == "memberships" else record.id
                words = {field: view[field] for field in views.WORDS[table] if field in view}
                patch.setdefault(collection, {}).setdefault(id, {}).update(words)

    def event(self) -> None:
        before, after = self.before, self.after
        for patch, view in (
            (self.member, views.event_view),
            (self.applicant, views.applicant_event_view),
        ):
            if change := difference(view(before) if before else {}, view(after)):
                patch["event"] = change
        for patch, view in (
            (self.member, views.counts_view),
            (self.admin, views.admin_counts_view),
        ):
            if counts := difference(view(before) if before else {}, view(after)):
                patch["counts"] = counts
        if after.results is not None and (before is None or before.results is None):
            self.member["results"] = after.results
        elif after.results is None and before is not None and before.results is not None:
            self.member["results"] = None


_COMPARE: dict[str, Callable[[_PatchBuilder, Any, Any, Any], None]] = {
    "proposals": _PatchBuilder.proposal,
    "votes": _PatchBuilder.vote,
    "options": _PatchBuilder.option,
    "items": _PatchBuilder.item,
    "comments": _PatchBuilder.comment,
    "memberships": _PatchBuilder.membership,
    "ballots": _PatchBuilder.ballot,
    "invitations": _PatchBuilder.invitation,
}


def _put_change(
    patch: dict[str, Any], collection: str, id: str, old: View | None, new: View | None
) -> None:
    if old == new:
        return
    change = difference(old, new) if old is not None and new is not None else new
    patch.setdefault(collection, {})[id] = change


def document(state: EventState, audience: Audience) -> dict[str, Any]:
    """Return the whole ``state`` for an audience, as ``snapshot`` has it.

    ``state`` must have all that a room shows.
    """
    work = growing_document(state, audience)
    while True:
        try:
            next(work)
        except StopIteration as end:
            made: dict[str, Any] = end.value
            return made


def growing_document(
    state: EventState, audience: Audience
) -> Generator[None, None, dict[str, Any]]:
    """Make the same document in parts: yield after some entries, and return it at the end."""
    event = state.event
    if audience == "applicant":
        empty: dict[str, Any] = {name: {} for name in COLLECTIONS}
        return {"event": views.applicant_event_view(event)} | empty | {"counts": {}}
    numbers = views.shows_numbers(event)
    members = [member for member in state.memberships.values() if member is not None]
    shown: dict[str, Any] = {"event": views.event_view(event)}
    many: dict[str, Iterable[tuple[str, View | None]]] = {
        "options": ((o.id, views.option_view(o)) for o in state.live_options()),
        "assumptions": ((i.id, views.item_view(i)) for i in state.live_items("assumption")),
        "criteria": ((i.id, views.item_view(i)) for i in state.live_items("criterion")),
        "proposals": (
            (proposal.id, views.proposal_view(proposal, numbers=numbers))
            for proposal in state.proposals.values()
            if proposal is not None and views.is_shown(proposal, event)
        ),
        "comments": (
            (c.id, views.comment_view(c, event, numbers=numbers)) for c in state.comments_shown()
        ),
        "members": ((m.user_id, views.member_view(m, event)) for m in members),
    }
    for name, pairs in many.items():
        shown[name] = yield from _shown(pairs)
    shown["counts"] = views.counts_view(event)
    if event.results is not None:
        shown["results"] = event.results
    if audience == "admin":
        shown["counts"] |= views.admin_counts_view(event)
        requests = ((m.user_id, views.request_view(m, event, numbers=numbers)) for m in members)
        shown["requests"] = yield from _shown(requests)
        invited = ((one.id, views.invitation_view(one, event)) for one in state.invitations_shown())
        shown["invitations"] = yield from _shown(invited)
    return shown


def _shown(pairs: Iterable[tuple[str, View | None]]) -> Generator[None, None, dict[str, View]]:
    found: dict[str, View] = {}
    for number, (id, view) in enumerate(pairs, 1):
        if view is not None:
            found[id] = view
        if number % MAX_ENTRIES_TOGETHER == 0:
            yield
    return found
