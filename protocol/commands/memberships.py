"""The commands about members: joining, adding, deciding about requests, roles."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from protocol.command import Command, EventCommand
from protocol.errors import bad_request
from protocol.fields import EntranceCode, Name, Position, Secret, UserId

Role: TypeAlias = Literal["admin", "member", "organiser"]
#: People that one command names. A longer list is `bad_request`: send several commands. Their names
#: fit one message.
MAX_PEOPLE = 200


class MembershipJoin(Command, tag="membership.join", kw_only=True):
    """Ask to join the event that ``code`` opens, or join it by an ``invitation``: its secret.

    The journal keeps the invitation's id in place of the secret.
    """

    code: EntranceCode | None = None
    invitation: Secret | None = None

    def check(self) -> None:
        if (self.code is None) == (self.invitation is None):
            raise bad_request("code", "give either a code or an invitation")


class MembershipRename(EventCommand, tag="membership.rename", kw_only=True):
    """Change the name that one has in this event."""

    name: Name


class MembershipCancel(EventCommand, tag="membership.cancel", kw_only=True):
    """Withdraw one's own request to join."""


class MembershipLeave(EventCommand, tag="membership.leave", kw_only=True):
    """Leave the event; the last admin names a successor in ``transfer_to``."""

    transfer_to: UserId | None = None


class MembershipApprove(EventCommand, tag="membership.approve", kw_only=True):
    """Accept a waiting user."""

    user: UserId


class MembershipReject(EventCommand, tag="membership.reject", kw_only=True):
    """Reject a waiting user."""

    user: UserId


class MembershipRemove(EventCommand, tag="membership.remove", kw_only=True):
    """Remove a member. They may ask to join again; then an admin decides, whatever the policy.

    Their pending proposals stay, unless ``close_proposals``: then all of them close in the same
    step, as ``moderated``. With ``close_proposals`` this also works for a former member.
    """

    user: UserId
    close_proposals: bool = False


class MembershipApproveAll(EventCommand, tag="membership.approve_all", kw_only=True):
    """Accept all who wait, longest waiting first, as far as there is room.

    With ``upto`` only those who had asked by that position: the one that the sender was shown.
    """

    upto: Position | None = None


class MembershipRejectAll(EventCommand, tag="membership.reject_all", kw_only=True):
    """Reject all who wait; with ``upto`` only those who had asked by that position."""

    upto: Position | None = None


class Person(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A user to add; without ``name`` the user's id is the name."""

    user: UserId
    name: Name | None = None


class MembershipAdd(EventCommand, tag="membership.add", kw_only=True):
    """Accept people who did not ask. Those who are members already stay as they are."""

    people: Annotated[list[Person], msgspec.Meta(min_length=1, max_length=MAX_PEOPLE)]


class MembershipSetRole(EventCommand, tag="membership.set_role", kw_only=True):
    """Make a member an admin, an organiser (who runs the event and has no vote), or a member."""

    user: UserId
    role: Role
