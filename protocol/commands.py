"""The commands: everything a client can ask for that changes an event.

One class per ``type``. A command carries ``id``, the client's idempotency id, and all but
``event.create`` and ``membership.join`` carry ``event``. Which fields go together is checked
where a type cannot say it (``check``), before anything is decided.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from protocol.errors import bad_request
from protocol.fields import (
    CommandId,
    CommentText,
    Content,
    EntranceCode,
    MaxMembers,
    Moment,
    OptionText,
    Reason,
    Ref,
    Subject,
    UserId,
    Version,
)
from protocol.policy import PolicyPatch, ProposalKind

Category: TypeAlias = Literal["create", "update", "delete"]
Role: TypeAlias = Literal["admin", "member"]

#: Options that one list may name: what `AYES_OPTIONS` may be set to at most. A longer list is
#: `bad_request`; the event's own limit, mostly lower, is `limit_reached`.
MAX_OPTIONS = 1_000
#: Assumptions or criteria that one list may name: what their settings may be at most. A longer list
#: is `bad_request`; the event's own limit, mostly lower, is `limit_reached`.
MAX_ITEMS = 10_000


class Command(msgspec.Struct, kw_only=True, tag_field="type", omit_defaults=True):
    """What all commands carry.

    Once the database's clock, read under the event's lock, is past ``not_after``, the answer is
    ``too_late`` and nothing happens. It is part of the command: the same id with another
    ``not_after`` is an ``id_conflict``.
    """

    id: CommandId
    not_after: Moment | None = None

    def check(self) -> None:
        """Raise ``bad_request`` where fields do not go together."""


class EventCommand(Command, kw_only=True):
    """A command to an event that exists."""

    event: Ref


def event_of(command: Command) -> str | None:
    """The event that ``command`` names; ``None`` for the commands that find or make theirs."""
    # isinstance() on msgspec's classes, which are abstract base classes, costs ten times as much.
    event: str | None = getattr(command, "event", None)
    return event


class EventCreate(Command, tag="event.create", kw_only=True):
    """Make an event; its maker is its first admin."""

    subject: Subject
    max_members: MaxMembers = 100
    policy: PolicyPatch = PolicyPatch()
    options: Annotated[list[OptionText], msgspec.Meta(max_length=MAX_OPTIONS)] = []
    assumptions: Annotated[list[Content], msgspec.Meta(max_length=MAX_ITEMS)] = []
    criteria: Annotated[list[Content], msgspec.Meta(max_length=MAX_ITEMS)] = []
    entrance_code: EntranceCode | None = None


class EventUpdate(EventCommand, tag="event.update", kw_only=True):
    """Change the subject (before the start) or the number of members there may be."""

    subject: Subject | None = None
    max_members: MaxMembers | None = None


class EventSetPolicy(EventCommand, tag="event.set_policy", kw_only=True):
    """Merge ``policy`` into the policy of version ``policy_version``."""

    policy_version: Version
    policy: PolicyPatch


class EventRotateCode(EventCommand, tag="event.rotate_code", kw_only=True):
    """Retire the entrance code and make a new one."""


class EventStart(EventCommand, tag="event.start", kw_only=True):
    """not_started → in_progress."""


class EventPause(EventCommand, tag="event.pause", kw_only=True):
    """in_progress → paused."""


class EventResume(EventCommand, tag="event.resume", kw_only=True):
    """paused → in_progress."""


class EventFinish(EventCommand, tag="event.finish", kw_only=True):
    """in_progress or paused → finished: what is pending closes, the ballot is counted."""


class OptionAdd(EventCommand, tag="option.add", kw_only=True):
    """Add an option of the final ballot."""

    content: OptionText


class OptionEdit(EventCommand, tag="option.edit", kw_only=True):
    """Change an option's words."""

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


class MembershipJoin(Command, tag="membership.join", kw_only=True):
    """Ask to take part in the event that ``code`` opens."""

    code: EntranceCode


class MembershipCancel(EventCommand, tag="membership.cancel", kw_only=True):
    """Take one's own request back."""


class MembershipLeave(EventCommand, tag="membership.leave", kw_only=True):
    """Leave; a last admin names a successor in ``transfer_to``."""

    transfer_to: UserId | None = None


class MembershipApprove(EventCommand, tag="membership.approve", kw_only=True):
    """Let a waiting user in."""

    user: UserId


class MembershipReject(EventCommand, tag="membership.reject", kw_only=True):
    """Turn a waiting user away."""

    user: UserId


class MembershipRemove(EventCommand, tag="membership.remove", kw_only=True):
    """Put a member out; they can ask again, and are then decided on by hand.

    What they proposed stays, unless ``close_proposals``: then all they have pending is closed in
    the same step, as ``moderated``. Of somebody who is out already, that alone.
    """

    user: UserId
    close_proposals: bool = False


class MembershipApproveAll(EventCommand, tag="membership.approve_all", kw_only=True):
    """Let in all who wait, the longest waiting first, as far as there is room."""


class MembershipRejectAll(EventCommand, tag="membership.reject_all", kw_only=True):
    """Turn away all who wait."""


class MembershipSetRole(EventCommand, tag="membership.set_role", kw_only=True):
    """Make a member an admin, or an admin a member."""

    user: UserId
    role: Role


class ProposalCreate(EventCommand, tag="proposal.create", kw_only=True):
    """Propose a change.

    ``target`` and ``base_version`` stand unless something new is proposed; for a conclusion they
    always do: its criterion, and that criterion's ``conclusion_version``. ``content`` stands
    unless something is to be deleted.
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
    """Take one's own proposal back."""

    proposal: Ref
    reason: Reason | None = None


class ProposalReject(EventCommand, tag="proposal.reject", kw_only=True):
    """An admin decides against a proposal."""

    proposal: Ref
    reason: Reason | None = None


class ProposalModerate(EventCommand, tag="proposal.moderate", kw_only=True):
    """An admin takes a proposal away, whatever it says about the subject."""

    proposal: Ref
    reason: Reason | None = None


class ProposalRevert(EventCommand, tag="proposal.revert", kw_only=True):
    """Undo an accepted proposal by a new, visible act."""

    proposal: Ref
    reason: Reason | None = None


class ProposalRebase(EventCommand, tag="proposal.rebase", kw_only=True):
    """Put one's own proposal on the item's present version; its votes are cleared."""

    proposal: Ref
    base_version: Version
    content: Content | None = None


class ProposalAccept(EventCommand, tag="proposal.accept", kw_only=True):
    """An admin decides for a proposal; a stale one only with ``allow_stale``."""

    proposal: Ref
    allow_stale: bool = False


class VoteCast(EventCommand, tag="vote.cast", kw_only=True):
    """Agree with the words of ``revision``."""

    proposal: Ref
    revision: Version


class VoteRetract(EventCommand, tag="vote.retract", kw_only=True):
    """Take one's vote back."""

    proposal: Ref


class BallotSubmit(EventCommand, tag="ballot.submit", kw_only=True):
    """One's final ballot: an option, and all live criteria in order of weight."""

    option: Ref
    criterion_order: Annotated[list[Ref], msgspec.Meta(max_length=MAX_ITEMS)]
    criteria_rev: Version


class BallotClear(EventCommand, tag="ballot.clear", kw_only=True):
    """Take one's ballot back."""


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
    """Remove one's own comment, or as an admin anyone's."""

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
    MembershipCancel,
    MembershipLeave,
    MembershipApprove,
    MembershipReject,
    MembershipRemove,
    MembershipApproveAll,
    MembershipRejectAll,
    MembershipSetRole,
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


def type_of(command: type[Command] | Command) -> str:
    """The ``type`` a command carries on the wire."""
    tag = command.__struct_config__.tag
    assert isinstance(tag, str)
    return tag
