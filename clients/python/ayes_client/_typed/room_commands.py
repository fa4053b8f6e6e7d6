"""Commands of a room, typed.

Written by ``scripts/client_types.py`` from the server's types.
"""

from __future__ import annotations

from typing import Any, Literal, Unpack, overload

from ayes_client._typed import args, results
from ayes_client._typed.known import check_args, check_options
from ayes_client.command import Ack, Command, CommandOptions
from ayes_client.ids import new_id


class TypedRoomCommands:
    """``command`` for every command, with its arguments and result."""

    @property
    def event(self) -> str:
        """The event's id."""
        raise NotImplementedError

    async def send(self, command: Command) -> Ack:
        """Give a command that was made before, or one of a newer server."""
        raise NotImplementedError

    @overload
    async def command(
        self,
        type: Literal["event.update"],
        args: args.EventUpdate | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Nothing]: ...
    @overload
    async def command(
        self,
        type: Literal["event.set_policy"],
        args: args.EventSetPolicy,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.PolicySet]: ...
    @overload
    async def command(
        self,
        type: Literal["event.rotate_code"],
        args: args.EventRotateCode | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CodeMade]: ...
    @overload
    async def command(
        self,
        type: Literal["event.start"],
        args: args.EventStart | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.EventLed]: ...
    @overload
    async def command(
        self,
        type: Literal["event.pause"],
        args: args.EventPause | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.EventLed]: ...
    @overload
    async def command(
        self,
        type: Literal["event.resume"],
        args: args.EventResume | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.EventLed]: ...
    @overload
    async def command(
        self,
        type: Literal["event.finish"],
        args: args.EventFinish | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.EventLed]: ...
    @overload
    async def command(
        self,
        type: Literal["event.reopen"],
        args: args.EventReopen | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.EventLed]: ...
    @overload
    async def command(
        self, type: Literal["option.add"], args: args.OptionAdd, **options: Unpack[CommandOptions]
    ) -> Ack[results.OptionChanged]: ...
    @overload
    async def command(
        self, type: Literal["option.edit"], args: args.OptionEdit, **options: Unpack[CommandOptions]
    ) -> Ack[results.OptionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["option.remove"],
        args: args.OptionRemove,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.OptionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["assumption.add"],
        args: args.AssumptionAdd,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.AssumptionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["assumption.edit"],
        args: args.AssumptionEdit,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.AssumptionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["assumption.remove"],
        args: args.AssumptionRemove,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.AssumptionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["criterion.add"],
        args: args.CriterionAdd,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CriterionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["criterion.edit"],
        args: args.CriterionEdit,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CriterionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["criterion.remove"],
        args: args.CriterionRemove,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CriterionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.rename"],
        args: args.MembershipRename,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Renamed]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.cancel"],
        args: args.MembershipCancel | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Nothing]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.leave"],
        args: args.MembershipLeave | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Left]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.approve"],
        args: args.MembershipApprove,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.MembershipDecided]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.reject"],
        args: args.MembershipReject,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.MembershipDecided]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.remove"],
        args: args.MembershipRemove,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.MembershipEnded]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.approve_all"],
        args: args.MembershipApproveAll | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.AllDecided]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.reject_all"],
        args: args.MembershipRejectAll | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.AllDecided]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.add"],
        args: args.MembershipAdd,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.PeopleAdded]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.set_role"],
        args: args.MembershipSetRole,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.RoleSet]: ...
    @overload
    async def command(
        self,
        type: Literal["invitation.create"],
        args: args.InvitationCreate,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.InvitationsMade]: ...
    @overload
    async def command(
        self,
        type: Literal["invitation.revoke"],
        args: args.InvitationRevoke,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.InvitationRevoked]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.create"],
        args: args.ProposalCreate,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalMade]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.withdraw"],
        args: args.ProposalWithdraw,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalClosed]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.reject"],
        args: args.ProposalReject,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalClosed]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.moderate"],
        args: args.ProposalModerate,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalClosed]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.revert"],
        args: args.ProposalRevert,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalReverted]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.rebase"],
        args: args.ProposalRebase,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalRebased]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.accept"],
        args: args.ProposalAccept,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalClosed]: ...
    @overload
    async def command(
        self, type: Literal["vote.cast"], args: args.VoteCast, **options: Unpack[CommandOptions]
    ) -> Ack[results.VoteCounted]: ...
    @overload
    async def command(
        self,
        type: Literal["vote.retract"],
        args: args.VoteRetract,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.VoteRetracted]: ...
    @overload
    async def command(
        self,
        type: Literal["ballot.submit"],
        args: args.BallotSubmit,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Nothing]: ...
    @overload
    async def command(
        self,
        type: Literal["ballot.clear"],
        args: args.BallotClear | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Nothing]: ...
    @overload
    async def command(
        self, type: Literal["comment.add"], args: args.CommentAdd, **options: Unpack[CommandOptions]
    ) -> Ack[results.CommentChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["comment.edit"],
        args: args.CommentEdit,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CommentEdited]: ...
    @overload
    async def command(
        self,
        type: Literal["comment.remove"],
        args: args.CommentRemove,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CommentChanged]: ...
    async def command(
        self, type: str, args: Any = None, **options: Unpack[CommandOptions]
    ) -> Ack[Any]:
        """Give any command to this event; see ``Client.command``."""
        given = dict(args or {})
        check_options(options)
        check_args(type, given, in_room=True)
        id = options.get("id")
        found = Command(
            type=type,
            args=given,
            event=self.event,
            id=new_id() if id is None else id,
            not_after=options.get("not_after"),
            once=options.get("once", False),
        )
        return await self.send(found)
