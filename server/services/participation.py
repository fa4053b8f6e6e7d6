"""Answers ``votes.list`` and ``turnout.list``: who said what, and who took part.

Neither shows a secret vote, and neither shows a tally before its time.
"""

from __future__ import annotations

from typing import Any

from handlers.step import found
from persistence.database.pool import Database
from persistence.event.records import Proposal
from persistence.queries import participation
from persistence.queries.participation import Page
from protocol import requests as r
from protocol.errors import ErrorCode, FinalError, bad_request


async def votes(database: Database, request: r.VotesList) -> dict[str, Any]:
    """Return a page of the named votes on a proposal: ``votes``, each with ``user`` and ``stance``.

    Raises ``forbidden`` if the votes are secret, or the tally is not shown yet.
    """
    proposal = await _proposal(database, request.event, request.proposal)
    if proposal.terms.votes != "named":
        raise FinalError(ErrorCode.FORBIDDEN, "the votes on this proposal are secret")
    if _is_hidden(proposal):
        raise FinalError(ErrorCode.FORBIDDEN, "the tally of this proposal is shown at its close")
    page = await participation.votes(
        database, request.event, proposal, before=request.before, limit=request.limit
    )
    listed = [
        {"user": one.user, "stance": one.stance} | ({"name": one.name} if one.name else {})
        for one in page.found
    ]
    return _fields(request.event, page) | {"proposal": proposal.id, "votes": listed}


async def turnout(database: Database, request: r.TurnoutList) -> dict[str, Any]:
    """Return a page of ``turnout``: who took part in the votes on a proposal, or in the final
    ballot.

    Raises ``forbidden`` if that would show secret votes or a hidden tally, and ``bad_request``
    unless exactly one of ``proposal`` and ``ballot`` is asked for.
    """
    if (request.proposal is None) != request.ballot:
        raise bad_request("proposal", "name a proposal, or set ballot")
    if request.proposal is None:
        page = await participation.ballots(
            database, request.event, before=request.before, limit=request.limit
        )
        return _fields(request.event, page) | {"turnout": _names(page)}
    proposal = await _proposal(database, request.event, request.proposal)
    if not proposal.terms.has_choice:
        # Taking part is to agree.
        if proposal.terms.votes != "named":
            raise FinalError(ErrorCode.FORBIDDEN, "who took part would show secret votes")
        if _is_hidden(proposal):
            raise FinalError(ErrorCode.FORBIDDEN, "who took part would show the tally")
    page = await participation.voters(
        database, request.event, proposal, before=request.before, limit=request.limit
    )
    listed = {"proposal": proposal.id, "turnout": _names(page)}
    return _fields(request.event, page) | listed


def _is_hidden(proposal: Proposal) -> bool:
    return proposal.terms.tally == "close" and proposal.status == "pending"


def _names(page: Page) -> list[dict[str, str]]:
    return [{"user": one.user} | ({"name": one.name} if one.name else {}) for one in page.found]


def _fields(event: str, page: Page) -> dict[str, Any]:
    fields: dict[str, Any] = {"event": event}
    return fields if page.following is None else fields | {"next": page.following}


async def _proposal(database: Database, event: str, id: str) -> Proposal:
    return found(await participation.proposal(database, event, id), "proposal")
