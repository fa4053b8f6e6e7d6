"""Queries of a client, typed.

Written by ``scripts/client_types.py`` from the server's types.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal, overload

from ayes_client._typed import answers, asked
from ayes_client._typed.known import check_question
from ayes_client._typed.paging import pages
from ayes_client.state import Json


class TypedQuestions:
    """``query`` and ``paged``, with arguments and answers."""

    async def ask(self, question: Json) -> Json:
        """Send a query of any type, such as of a newer server."""
        raise NotImplementedError

    @overload
    async def query(
        self, type: Literal["command.status"], args: asked.CommandStatusIn
    ) -> answers.Status: ...
    @overload
    async def query(
        self, type: Literal["events.list"], args: asked.EventsList | None = None
    ) -> answers.Events: ...
    @overload
    async def query(
        self, type: Literal["event.overview"], args: asked.EventOverview
    ) -> answers.Overview: ...
    @overload
    async def query(
        self, type: Literal["event.preview_policy"], args: asked.EventPreviewPolicyIn
    ) -> answers.PolicyPreview: ...
    @overload
    async def query(
        self, type: Literal["comments.list"], args: asked.CommentsListIn
    ) -> answers.Comments: ...
    @overload
    async def query(
        self, type: Literal["proposals.list"], args: asked.ProposalsListIn
    ) -> answers.Proposals: ...
    @overload
    async def query(
        self, type: Literal["members.list"], args: asked.MembersListIn
    ) -> answers.Members: ...
    @overload
    async def query(
        self, type: Literal["requests.list"], args: asked.RequestsListIn
    ) -> answers.Requests: ...
    @overload
    async def query(
        self, type: Literal["invitations.list"], args: asked.InvitationsListIn
    ) -> answers.Invitations: ...
    @overload
    async def query(
        self, type: Literal["ballots.list"], args: asked.BallotsListIn
    ) -> answers.Ballots: ...
    @overload
    async def query(
        self, type: Literal["ballot.receipt"], args: asked.BallotReceiptIn
    ) -> answers.Receipt: ...
    @overload
    async def query(
        self, type: Literal["votes.list"], args: asked.VotesListIn
    ) -> answers.Votes: ...
    @overload
    async def query(
        self, type: Literal["turnout.list"], args: asked.TurnoutListIn
    ) -> answers.Turnout: ...
    async def query(self, type: str, args: Any = None) -> Any:
        """Return the answer to a query. Raises its refusal; ``ValueError``: an unknown argument."""
        check_question(type, args or {}, in_room=False)
        return await self.ask({"type": type, **(args or {})})

    @overload
    def paged(
        self, type: Literal["events.list"], args: asked.EventsList | None = None
    ) -> AsyncIterator[answers.ListedEvent]: ...
    @overload
    def paged(
        self, type: Literal["comments.list"], args: asked.CommentsListIn
    ) -> AsyncIterator[answers.ListedComment]: ...
    @overload
    def paged(
        self, type: Literal["proposals.list"], args: asked.ProposalsListIn
    ) -> AsyncIterator[answers.ListedProposal]: ...
    @overload
    def paged(
        self, type: Literal["members.list"], args: asked.MembersListIn
    ) -> AsyncIterator[answers.ListedMember]: ...
    @overload
    def paged(
        self, type: Literal["requests.list"], args: asked.RequestsListIn
    ) -> AsyncIterator[answers.ListedRequest]: ...
    @overload
    def paged(
        self, type: Literal["invitations.list"], args: asked.InvitationsListIn
    ) -> AsyncIterator[answers.ListedInvitation]: ...
    @overload
    def paged(
        self, type: Literal["ballots.list"], args: asked.BallotsListIn
    ) -> AsyncIterator[answers.ListedBallot]: ...
    @overload
    def paged(
        self, type: Literal["votes.list"], args: asked.VotesListIn
    ) -> AsyncIterator[answers.ListedVote]: ...
    @overload
    def paged(
        self, type: Literal["turnout.list"], args: asked.TurnoutListIn
    ) -> AsyncIterator[answers.ListedVoter]: ...
    async def paged(self, type: str, args: Any = None) -> AsyncIterator[Any]:
        """Yield what a list has, page after page, in the order of the list."""
        check_question(type, args or {}, in_room=False)
        async for found in pages(self.ask, {"type": type, **(args or {})}):
            yield found
