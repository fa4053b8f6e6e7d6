"""Queries of a room, typed.

Written by ``scripts/client_types.py`` from the server's types.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal, overload

from ayes_client._typed import answers, asked
from ayes_client._typed.known import check_question
from ayes_client._typed.paging import pages
from ayes_client.state import Json


class TypedRoomQuestions:
    """``query`` and ``paged``, with arguments and answers."""

    @property
    def event(self) -> str:
        """The event's id."""
        raise NotImplementedError

    async def ask(self, question: Json) -> Json:
        """Send a query of any type, such as of a newer server."""
        raise NotImplementedError

    @overload
    async def query(
        self, type: Literal["command.status"], args: asked.CommandStatus
    ) -> answers.Status: ...
    @overload
    async def query(
        self, type: Literal["event.preview_policy"], args: asked.EventPreviewPolicy
    ) -> answers.PolicyPreview: ...
    @overload
    async def query(
        self, type: Literal["comments.list"], args: asked.CommentsList | None = None
    ) -> answers.Comments: ...
    @overload
    async def query(
        self, type: Literal["proposals.list"], args: asked.ProposalsList | None = None
    ) -> answers.Proposals: ...
    @overload
    async def query(
        self, type: Literal["members.list"], args: asked.MembersList | None = None
    ) -> answers.Members: ...
    @overload
    async def query(
        self, type: Literal["requests.list"], args: asked.RequestsList | None = None
    ) -> answers.Requests: ...
    @overload
    async def query(
        self, type: Literal["invitations.list"], args: asked.InvitationsList | None = None
    ) -> answers.Invitations: ...
    @overload
    async def query(
        self, type: Literal["ballots.list"], args: asked.BallotsList | None = None
    ) -> answers.Ballots: ...
    @overload
    async def query(
        self, type: Literal["ballot.receipt"], args: asked.BallotReceipt | None = None
    ) -> answers.Receipt: ...
    @overload
    async def query(self, type: Literal["votes.list"], args: asked.VotesList) -> answers.Votes: ...
    @overload
    async def query(
        self, type: Literal["turnout.list"], args: asked.TurnoutList | None = None
    ) -> answers.Turnout: ...
    async def query(self, type: str, args: Any = None) -> Any:
        """Return the answer to a query. Raises its refusal; ``ValueError``: an unknown argument."""
        check_question(type, args or {}, in_room=True)
        return await self.ask({"type": type, "event": self.event, **(args or {})})

    @overload
    def paged(
        self, type: Literal["comments.list"], args: asked.CommentsList | None = None
    ) -> AsyncIterator[answers.ListedComment]: ...
    @overload
    def paged(
        self, type: Literal["proposals.list"], args: asked.ProposalsList | None = None
    ) -> AsyncIterator[answers.ListedProposal]: ...
    @overload
    def paged(
        self, type: Literal["members.list"], args: asked.MembersList | None = None
    ) -> AsyncIterator[answers.ListedMember]: ...
    @overload
    def paged(
        self, type: Literal["requests.list"], args: asked.RequestsList | None = None
    ) -> AsyncIterator[answers.ListedRequest]: ...
    @overload
    def paged(
        self, type: Literal["invitations.list"], args: asked.InvitationsList | None = None
    ) -> AsyncIterator[answers.ListedInvitation]: ...
    @overload
    def paged(
        self, type: Literal["ballots.list"], args: asked.BallotsList | None = None
    ) -> AsyncIterator[answers.ListedBallot]: ...
    @overload
    def paged(
        self, type: Literal["votes.list"], args: asked.VotesList
    ) -> AsyncIterator[answers.ListedVote]: ...
    @overload
    def paged(
        self, type: Literal["turnout.list"], args: asked.TurnoutList | None = None
    ) -> AsyncIterator[answers.ListedVoter]: ...
    async def paged(self, type: str, args: Any = None) -> AsyncIterator[Any]:
        """Yield what a list has, page after page, in the order of the list."""
        check_question(type, args or {}, in_room=True)
        async for found in pages(self.ask, {"type": type, "event": self.event, **(args or {})}):
            yield found
