"""The commands: everything that a client can ask for that changes an event.

One class per ``type``. A command has ``id``, the client's idempotency id. All but ``event.create``
and ``membership.join`` have ``event``. Rules about several fields, which a type cannot express, are
checked by ``check`` before any decision.

    memberships  the commands about members
    invitations  the commands about invitations
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from protocol.command import Command as Command
from protocol.command import EventCommand as EventCommand
from protocol.command import event_of as event_of
from protocol.command import type_of as type_of
from protocol.commands.invitations import InvitationCreate as InvitationCreate
from protocol.commands.invitations import InvitationRevoke as InvitationRevoke
from protocol.commands.memberships import MembershipAdd as MembershipAdd
from protocol.commands.memberships import MembershipApprove as MembershipApprove
from protocol.commands.memberships import MembershipApproveAll as MembershipApproveAll
from protocol.commands.memberships import MembershipCancel as MembershipCancel
from protocol.commands.memberships import MembershipJoin as MembershipJoin
from protocol.commands.memberships import MembershipLeave as MembershipLeave
from protocol.commands.memberships import MembershipReject as MembershipReject
from protocol.commands.memberships import MembershipRejectAll as MembershipRejectAll
from protocol.commands.memberships import MembershipRemove as MembershipRemove
from protocol.commands.memberships import MembershipRename as MembershipRename
from protocol.commands.memberships import MembershipSetRole as MembershipSetRole
from protocol.commands.memberships import Person as Person
from protocol.commands.memberships import Role as Role
from protocol.errors import bad_request
from protocol.fields import (
    CommentText,
    Content,
    EntranceCode,
    MaxMembers,
    Moment,
    OptionText,
    Reason,
    Ref,
    Subject,
    Version,
)
from protocol.policy import PolicyPatch, ProposalKind, Stance

Category: TypeAlias = Literal["create", "update", "delete"]
#: Who creates an event: its first admin, or an organiser, who has no vote.
CreatorRole: TypeAlias = Literal["admin", "organiser"]

#: Options that one list may name: the greatest value of `AYES_OPTIONS`. A longer list is
#: `bad_request`; the event's own limit, usually lower, is `limit_reached`.
MAX_OPTIONS = 1_000
#: Assumptions or criteria that one list may name, for the same reason.
MAX_ITEMS = 10_000


class EventCreate(Command, tag="event.create", kw_only=True, rename={"creator_role": "as"}.get):
    """Create an event, with a schedule if wanted; its creator becomes its first admin.

    With ``as: "organiser"`` the creator runs the event and has no vote in it.
    """

    subject: Subject
    creator_role: CreatorRole = "admin"
    max_members: MaxMembers = 100
    policy: PolicyPatch = PolicyPatch()
    options: Annotated[list[OptionText], msgspec.Meta(max_length=MAX_OPTIONS)] = []  # noqa: RUF012 - copied by msgspec
    assumptions: Annotated[list[Content], msgspec.Meta(max_length=MAX_ITEMS)] = []  # noqa: RUF012 - copied by msgspec
    criteria: Annotated[list[Content], msgspec.Meta(max_length=MAX_ITEMS)] = []  # noqa: RUF012 - copied by msgspec
    entrance_code: EntranceCode | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None

    def check(self) -> None:
        self.policy.check()


class EventUpdate(EventCommand, tag="event.update", kw_only=True):
    """Change subject or start (before the start), end or ``max_members``; ``null``: no time."""

    subject: Subject | None = None
    max_members: MaxMembers | None = None
    starts_at: Moment | UnsetType | None = UNSET
    ends_at: Moment | UnsetType | None = UNSET


class EventSetPolicy(EventCommand, tag="event.set_policy", kw_only=True):
    """Merge ``policy`` into the policy, whose current version must be ``policy_version``."""

    policy_version: Version
    policy: PolicyPatch

    def check(self) -> None:
        self.policy.check()


class EventRotateCode(EventCommand, tag="event.rotate_code", kw_only=True):
    """Retire the entrance code and make a new one."""


class EventStart(EventCommand, tag="event.start", kw_only=True):
    """Start the event: not_started → in_progress."""


class EventPause(EventCommand, tag="event.pause", kw_only=True):
    """Pause the event: in_progress → paused."""


class EventResume(EventCommand, tag="event.resume", kw_only=True):
    """Resume the event: paused → in_progress."""


class EventFinish(EventCommand, tag="event.finish", kw_only=True):
    """Finish the event, in progress or paused: pending proposals close, the ballots are counted."""


class EventReopen(EventCommand, tag="event.reopen", kw_only=True):
    """Continue a finished event: its results are withdrawn, and closed proposals stay closed."""


class OptionAdd(EventCommand, tag="option.add", kw_only=True):
    """Add an option of the final ballot."""

    content: OptionText


class OptionEdit(EventCommand, tag="option.edit", kw_only=True):
    """Change an option's text."""

    option: Ref
    content: OptionText


class OptionRemove(EventCommand, tag="option.remove", kw_only=True):
    """Remove an option."""

    option: Ref


class AssumptionAdd(EventCommand, tag="assumption.add", kw_only=True):
    """Add an assumption directly, before the start."""

    content: Content


class AssumptionEdit(EventCommand, tag="assumption.edit", kw_only=True):
    """Change an assumption directly, before the start."""

    assumption: Ref
    version: Version
    content: Content


class AssumptionRemove(EventCommand, tag="assumption.remove", kw_only=True):
    """Remove an assumption directly, before the start."""

    assumption: Ref
    version: Version


class CriterionAdd(EventCommand, tag="criterion.add", kw_only=True):
    """Add a criterion directly, before the start."""

    content: Content


class CriterionEdit(EventCommand, tag="criterion.edit", kw_only=True):
    """Change a criterion directly, before the start."""

    criterion: Ref
    version: Version
    content: Content


class CriterionRemove(EventCommand, tag="criterion.remove", kw_only=True):
    """Remove a criterion directly, before the start."""

    criterion: Ref
    version: Version


class ProposalCreate(EventCommand, tag="proposal.create", kw_only=True):
    """Propose a change.

    ``target`` and ``base_version`` are required unless ``category`` is ``create``. For a conclusion
    they are always required: its criterion, and that criterion's ``conclusion_version``.
    ``content`` is required unless ``category`` is ``delete``.
    """

    kind: ProposalKind
    category: Category
    target: Ref | None = None
    base_version: Version | None = None
    content: Content | None = None
    reason: Reason | None = None

    def check(self) -> None:
        targeted = self.category != "create" or self.kind == "conclusion"
        for field, wanted in (
            ("target", targeted),
            ("base_version", targeted),
            ("content", self.category != "delete"),
        ):
            if (getattr(self, field) is not None) != wanted:
                what = f"a {self.category} proposal of kind {self.kind}"
                raise bad_request(field, f"{what} {'needs' if wanted else 'has no'} {field}")


class ProposalWithdraw(EventCommand, tag="proposal.withdraw", kw_only=True):
    """Withdraw one's own proposal."""

    proposal: Ref
    reason: Reason | None = None


class ProposalReject(EventCommand, tag="proposal.reject", kw_only=True):
    """Reject a proposal, as an admin."""

    proposal: Ref
    reason: Reason | None = None


class ProposalModerate(EventCommand, tag="proposal.moderate", kw_only=True):
    """Remove a proposal from the discussion, as an admin, without a decision on its subject."""

    proposal: Ref
    reason: Reason | None = None


class ProposalRevert(EventCommand, tag="proposal.revert", kw_only=True):
    """Undo an accepted proposal by a new, visible one."""

    proposal: Ref
    reason: Reason | None = None


class ProposalRebase(EventCommand, tag="proposal.rebase", kw_only=True):
    """Move one's own proposal to the item's current version; its votes are cleared."""

    proposal: Ref
    base_version: Version
    content: Content | None = None


class ProposalAccept(EventCommand, tag="proposal.accept", kw_only=True):
    """Accept a proposal, as an admin; a stale one only with ``allow_stale``."""

    proposal: Ref
    allow_stale: bool = False


class VoteCast(EventCommand, tag="vote.cast", kw_only=True):
    """Vote on the text of ``revision``; another ``stance`` than before replaces it."""

    proposal: Ref
    revision: Version
    stance: Stance = "agree"


class VoteRetract(EventCommand, tag="vote.retract", kw_only=True):
    """Retract one's vote."""

    proposal: Ref


class BallotSubmit(EventCommand, tag="ballot.submit", kw_only=True):
    """Submit one's final ballot: ``option`` (``single``), or ``options``, ranked ones best first.

    ``criterion_order`` has all criteria by weight; without it they get no points. ``base`` is the
    ``revision`` that the sender was shown, 0 if none: no other ballot is replaced.
    """

    option: Ref | None = None
    options: Annotated[list[Ref], msgspec.Meta(min_length=1, max_length=MAX_OPTIONS)] | None = None
    criterion_order: Annotated[list[Ref], msgspec.Meta(max_length=MAX_ITEMS)] | None = None
    criteria_rev: Version
    base: Version | None = None

    def check(self) -> None:
        if (self.option is None) == (self.options is None):
            raise bad_request("option", "name either an option or options")
        if self.options and len(set(self.options)) < len(self.options):
            raise bad_request("options", "an option is named twice")


class BallotClear(EventCommand, tag="ballot.clear", kw_only=True):
    """Withdraw one's ballot."""


class CommentAdd(EventCommand, tag="comment.add", kw_only=True):
    """Comment on a proposal or on a criterion."""

    content: CommentText
    proposal: Ref | None = None
    criterion: Ref | None = None

    def check(self) -> None:
        if (self.proposal is None) == (self.criterion is None):
            raise bad_request("proposal", "name either a proposal or a criterion")


class CommentEdit(EventCommand, tag="comment.edit", kw_only=True):
    """Change one's own comment."""

    comment: Ref
    version: Version
    content: CommentText


class CommentRemove(EventCommand, tag="comment.remove", kw_only=True):
    """Remove one's own comment; an admin may remove any comment."""

    comment: Ref


COMMANDS: tuple[type[Command], ...] = (
    EventCreate,
    EventUpdate,
    EventSetPolicy,
    EventRotateCode,
    EventStart,
    EventPause,
    EventResume,
    EventFinish,
    EventReopen,
    OptionAdd,
    OptionEdit,
    OptionRemove,
    AssumptionAdd,
    AssumptionEdit,
    AssumptionRemove,
    CriterionAdd,
    CriterionEdit,
    CriterionRemove,
    MembershipJoin,
    MembershipRename,
    MembershipCancel,
    MembershipLeave,
    MembershipApprove,
    MembershipReject,
    MembershipRemove,
    MembershipApproveAll,
    MembershipRejectAll,
    MembershipAdd,
    MembershipSetRole,
    InvitationCreate,
    InvitationRevoke,
    ProposalCreate,
    ProposalWithdraw,
    ProposalReject,
    ProposalModerate,
    ProposalRevert,
    ProposalRebase,
    ProposalAccept,
    VoteCast,
    VoteRetract,
    BallotSubmit,
    BallotClear,
    CommentAdd,
    CommentEdit,
    CommentRemove,
)
