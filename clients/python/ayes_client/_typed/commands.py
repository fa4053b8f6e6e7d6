"""Commands of a client, typed.

Written by ``scripts/client_types.py`` from the server's types.
"""

from __future__ import annotations

from typing import Any, Literal, Unpack, overload

from ayes_client._typed import args, event_args, results
from ayes_client._typed.known import check_args, check_options
from ayes_client.command import Ack, Command, CommandOptions
from ayes_client.ids import new_id


class TypedCommands:
    """``command`` for every command, with its arguments and result."""

    async def send(self, command: Command) -> Ack:
        """Give a command that was made before, or one of a newer server."""
        raise NotImplementedError

    @overload
    async def command(
        self,
        type: Literal["event.create"],
        args: args.EventCreate,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.EventMade]: ...
    @overload
    async def command(
        self,
        type: Literal["event.update"],
        args: event_args.EventUpdate,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Nothing]: ...
    @overload
    async def command(
        self,
        type: Literal["event.set_policy"],
        args: event_args.EventSetPolicy,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.PolicySet]: ...
    @overload
    async def command(
        self,
        type: Literal["event.rotate_code"],
        args: event_args.EventRotateCode,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CodeMade]: ...
    @overload
    async def command(
        self,
        type: Literal["event.start"],
        args: event_args.EventStart,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.EventLed]: ...
    @overload
    async def command(
        self,
        type: Literal["event.pause"],
        args: event_args.EventPause,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.EventLed]: ...
    @overload
    async def command(
        self,
        type: Literal["event.resume"],
        args: event_args.EventResume,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.EventLed]: ...
    @overload
    async def command(
        self,
        type: Literal["event.finish"],
        args: event_args.EventFinish,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.EventLed]: ...
    @overload
    async def command(
        self,
        type: Literal["event.reopen"],
        args: event_args.EventReopen,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.EventLed]: ...
    @overload
    async def command(
        self,
        type: Literal["option.add"],
        args: event_args.OptionAdd,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.OptionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["option.edit"],
        args: event_args.OptionEdit,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.OptionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["option.remove"],
        args: event_args.OptionRemove,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.OptionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["assumption.add"],
        args: event_args.AssumptionAdd,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.AssumptionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["assumption.edit"],
        args: event_args.AssumptionEdit,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.AssumptionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["assumption.remove"],
        args: event_args.AssumptionRemove,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.AssumptionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["criterion.add"],
        args: event_args.CriterionAdd,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CriterionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["criterion.edit"],
        args: event_args.CriterionEdit,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CriterionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["criterion.remove"],
        args: event_args.CriterionRemove,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CriterionChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.join"],
        args: args.MembershipJoin | None = None,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Joined]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.rename"],
        args: event_args.MembershipRename,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Renamed]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.cancel"],
        args: event_args.MembershipCancel,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Nothing]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.leave"],
        args: event_args.MembershipLeave,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Left]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.approve"],
        args: event_args.MembershipApprove,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.MembershipDecided]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.reject"],
        args: event_args.MembershipReject,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.MembershipDecided]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.remove"],
        args: event_args.MembershipRemove,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.MembershipEnded]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.approve_all"],
        args: event_args.MembershipApproveAll,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.AllDecided]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.reject_all"],
        args: event_args.MembershipRejectAll,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.AllDecided]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.add"],
        args: event_args.MembershipAdd,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.PeopleAdded]: ...
    @overload
    async def command(
        self,
        type: Literal["membership.set_role"],
        args: event_args.MembershipSetRole,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.RoleSet]: ...
    @overload
    async def command(
        self,
        type: Literal["invitation.create"],
        args: event_args.InvitationCreate,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.InvitationsMade]: ...
    @overload
    async def command(
        self,
        type: Literal["invitation.revoke"],
        args: event_args.InvitationRevoke,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.InvitationRevoked]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.create"],
        args: event_args.ProposalCreate,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalMade]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.withdraw"],
        args: event_args.ProposalWithdraw,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalClosed]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.reject"],
        args: event_args.ProposalReject,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalClosed]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.moderate"],
        args: event_args.ProposalModerate,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalClosed]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.revert"],
        args: event_args.ProposalRevert,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalReverted]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.rebase"],
        args: event_args.ProposalRebase,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalRebased]: ...
    @overload
    async def command(
        self,
        type: Literal["proposal.accept"],
        args: event_args.ProposalAccept,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.ProposalClosed]: ...
    @overload
    async def command(
        self,
        type: Literal["vote.cast"],
        args: event_args.VoteCast,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.VoteCounted]: ...
    @overload
    async def command(
        self,
        type: Literal["vote.retract"],
        args: event_args.VoteRetract,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.VoteRetracted]: ...
    @overload
    async def command(
        self,
        type: Literal["ballot.submit"],
        args: event_args.BallotSubmit,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Nothing]: ...
    @overload
    async def command(
        self,
        type: Literal["ballot.clear"],
        args: event_args.BallotClear,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.Nothing]: ...
    @overload
    async def command(
        self,
        type: Literal["comment.add"],
        args: event_args.CommentAdd,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CommentChanged]: ...
    @overload
    async def command(
        self,
        type: Literal["comment.edit"],
        args: event_args.CommentEdit,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CommentEdited]: ...
    @overload
    async def command(
        self,
        type: Literal["comment.remove"],
        args: event_args.CommentRemove,
        **options: Unpack[CommandOptions],
    ) -> Ack[results.CommentChanged]: ...
    async def command(
        self, type: str, args: Any = None, **options: Unpack[CommandOptions]
    ) -> Ack[Any]:
        """Do something once. Return the ack, which means that it is durable.

        ``args`` are the fields other than ``type`` and ``id``, the ``event`` among them. The same
        ``id`` with the same fields is the same command for ever; if left out, a new one is made.
        Raises the error that refuses the command.

        Past ``not_after`` the command has no effect, and ``TooLate`` is raised: a time with a zone,
        or seconds from now by the server's clock. With ``once``, no later connection sends the
        command, and no outbox keeps it: ``NotSent`` if there is no connection now.

        Raises ``ValueError`` for an unknown argument, ``TypeError`` for an unknown option. ``send``
        takes those of a newer server.
        """
        given = dict(args or {})
        check_options(options)
        check_args(type, given, in_room=False)
        id = options.get("id")
        found = Command(
            type=type,
            args=given,
            event=given.pop("event", None),
            id=new_id() if id is None else id,
            not_after=options.get("not_after"),
            once=options.get("once", False),
        )
        return await self.send(found)
