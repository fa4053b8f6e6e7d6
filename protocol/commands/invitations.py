"""The commands about invitations: a personal way in for each person of a roll."""

from __future__ import annotations

from typing import Annotated

import msgspec

from protocol.command import EventCommand
from protocol.commands.memberships import MAX_PEOPLE
from protocol.fields import Name, Ref


class InvitedPerson(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A person to invite. ``ref`` distinguishes namesakes, such as a number of the roll."""

    name: Name
    ref: Name | None = None


class InvitationCreate(EventCommand, tag="invitation.create", kw_only=True):
    """Invite people: each gets a secret of their own, with which they join at once.

    A repeat of the command gives the same secrets again. They are derived, and stored nowhere.
    """

    people: Annotated[list[InvitedPerson], msgspec.Meta(min_length=1, max_length=MAX_PEOPLE)]


class InvitationRevoke(EventCommand, tag="invitation.revoke", kw_only=True):
    """Revoke an invitation: its secret opens nothing any more. A membership by it stays."""

    invitation: Ref
