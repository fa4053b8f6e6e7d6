"""``invitation.*``: personal ways in, for people who need no account."""

from __future__ import annotations

from msgspec.structs import replace

from handlers.rules.invitations import ID_PREFIX, move_floor
from handlers.step import Outcome, Step, found, too_many
from persistence.event.records import Invitation
from protocol import commands as c

#: Invitations that an event may have for each place of a member, further ones being
#: `limit_reached`. A roll may be wrong twice, and is invited again.
MAX_INVITATIONS_PER_PLACE = 3


def create(step: Step, command: c.InvitationCreate) -> Outcome:
    """Make an invitation for each person. The server adds the secrets to the answer.

    Raises ``limit_reached``.
    """
    step.state.invitations_shown()
    event = step.event
    made = event.invitations or 0
    most = event.max_members * MAX_INVITATIONS_PER_PLACE + step.limits.requests
    if made + len(command.people) > most:
        raise too_many("invitations", most)
    listed = []
    for number, person in enumerate(command.people, made + 1):
        invitation = Invitation(
            id=step.new_id(ID_PREFIX),
            number=number,
            name=person.name,
            ref=person.ref,
            created_at=step.now,
        )
        step.put(invitation)
        listed.append({"invitation": invitation.id, "name": invitation.name})
    step.change_event(invitations=made + len(listed))
    move_floor(step)
    return Outcome({"invitations": listed})


def revoke(step: Step, command: c.InvitationRevoke) -> Outcome:
    """Revoke an invitation, used or not."""
    invitation = found(step.state.invitation(command.invitation), "invitation")
    result = {"invitation": invitation.id, "status": "revoked"}
    if invitation.status == "revoked":
        return Outcome(result, applied=False)
    step.put(replace(invitation, status="revoked"))
    return Outcome(result)
