"""Queries: requests that read and are answered once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec
import orjson

from handlers import views
from handlers.lanes.recorded import recorded_ack, recorded_refusal
from handlers.proof.disclosure import shows_ballots
from handlers.rules import preview
from handlers.step import Actor
from persistence.database.overload import unreachable
from persistence.database.pool import Database
from persistence.event.limits import DomainLimits
from persistence.event.records import Decided, Membership
from persistence.queries import ballots, event_reads, lists, people
from persistence.queries.event_reads import UserView
from protocol import answers
from protocol import requests as r
from protocol.errors import ErrorCode, FinalError, RetryableError
from server.homes.homes import Homes
from server.identity.entry import EntryKey
from server.limits.code_guesses import CodeGuessLimiter
from server.limits.quotas import Quotas
from server.limits.work_throttle import WorkThrottle
from server.services import participation
from server.services.previews import Previews

#: Entries of a page that is read at once; a longer page waits for other heavy queries
#: (``WorkThrottle``). The default limit of the protocol, and the limit that the web page uses.
MAX_LIGHT_PAGE = 50
#: Commands whose status is read at once; a query for more waits for other heavy queries.
MAX_LIGHT_STATUS_IDS = 32
#: Entries of a page that are encoded in one iteration of the loop; a long one has some 12 KB.
ENTRIES_PER_SLICE = 16


class Queries:
    """Answers queries, by WebSocket or HTTP."""

    def __init__(
        self,
        database: Database,
        homes: Homes,
        limits: DomainLimits,
        *,
        guesses: CodeGuessLimiter,
        quotas: Quotas,
        work_throttle: WorkThrottle,
        entry: EntryKey,
    ) -> None:
        self._entry = entry
        self._database = database
        self._homes = homes
        self._limits = limits
        self._guesses = guesses
        self._quotas = quotas
        self._work_throttle = work_throttle
        self._previews = Previews()

    async def ask(self, actor: Actor, request: r.Request) -> bytes:
        """Answer ``actor``'s query. Raises a ``ProtocolError``."""
        try:
            if isinstance(request, r.History | r.VotesList):
                await self._accepted(actor, request.event)
            if _is_heavy(request):
                answer = await self._work_throttle.run(partial(self._answer, actor, request))
            else:
                answer = await self._answer(actor, request)
        except Exception as err:
            raise unreachable(err) from err
        self._quotas.charge(actor.user, size=len(answer))
        return answer

    async def _answer(self, actor: Actor, request: r.Request) -> bytes:
        kind, fields = await self._ask(actor, request)
        return answers.reply(kind, request.ref, **fields)

    async def _ask(self, actor: Actor, request: r.Request) -> tuple[str, dict[str, Any]]:
        match request:
            case r.CommandStatus():
                return "status", await self._status(actor, request)
            case r.EventsList():
                return "events", await self._events(actor, request)
            case r.EventOverview():
                return "overview", await self._overview(actor, request)
            case r.EventPreviewPolicy():
                return "policy_preview", await self._preview(actor, request)
            case r.CommentsList():
                return "comments", await self._comments(request)
            case r.ProposalsList():
                return "proposals", await self._proposals(request)
            case r.MembersList():
                return "members", await self._members(request)
            case r.RequestsList():
                return "requests", await self._requests(actor, request)
            case r.InvitationsList():
                return "invitations", await self._invitations(actor, request)
            case r.BallotsList():
                return "ballots", await self._ballots(actor, request)
            case r.BallotReceipt():
                return "receipt", await self._receipt(actor, request)
            case r.VotesList():
                return "votes", await participation.votes(self._database, request)
            case r.TurnoutList():
                await self.admin(actor, request.event)
                return "turnout", await participation.turnout(self._database, request)
        raise RetryableError(ErrorCode.UNKNOWN_TYPE)

    async def _status(self, actor: Actor, request: r.CommandStatus) -> dict[str, Any]:
        """Return the state of the actor's own commands; other users' commands are ``absent``."""
        event = request.event
        # Read before the journal, so that a command decided in between is pending and not absent.
        waiting = self._homes.pending(event, [(actor.user, id) for id in request.ids])
        decided = await event_reads.decided(self._database, event, actor.user, request.ids)
        known = {line.command_id: line for line in decided}
        hidden = {line.command_id for line in decided if _is_not_found(line)}
        if hidden and await self._membership(actor, event) is None:
            # A stranger must see the same as for an event that does not exist.
            known = {id: line for id, line in known.items() if id not in hidden}
        commands: list[dict[str, Any]] = []
        for id in request.ids:
            line = known.get(id)
            if line is None:
                commands.append(
                    {"id": id, "state": "pending" if (actor.user, id) in waiting else "absent"}
                )
            elif line.seq is not None:
                ack = orjson.Fragment(
                    self._entry.with_secrets(event, recorded_ack(event, line, replayed=True))
                )
                commands.append({"id": id, "state": "committed", "ack": ack})
            else:
                body = answers.error_body(recorded_refusal(line), id=id, event=event, replayed=True)
                commands.append({"id": id, "state": "refused", "error": body})
        return {"event": event, "commands": commands}

    async def _events(self, actor: Actor, request: r.EventsList) -> dict[str, Any]:
        found, following = await lists.events_of(
            self._database, actor.user, after=request.after, limit=request.limit
        )
        return {"events": found} | ({"next": following} if following else {})

    async def _preview(self, actor: Actor, request: r.EventPreviewPolicy) -> dict[str, Any]:
        own = await self._accepted(actor, request.event)
        policy = msgspec.json.encode(request.policy)
        found = self._previews.find((request.event, own.epoch, own.seq, policy))
        if found is None:
            made = await self._work_throttle.run(
                lambda: preview.would_accept(
                    self._database, request.event, actor, request.policy, self._limits
                )
            )
            found = made.accepted
            self._previews.keep((request.event, made.epoch, made.seq, policy), found, made.seconds)
        return {"event": request.event, "would_accept": found}

    async def _overview(self, actor: Actor, request: r.EventOverview) -> dict[str, Any]:
        self._guesses.check(actor.user)
        found = await lists.overview(self._database, request.code, actor.user)
        self._guesses.check(actor.user)
        if found is None:
            self._guesses.failed(actor.user)
            raise FinalError(
                ErrorCode.NOT_FOUND, "this code opens nothing", details={"path": "code"}
            )
        return found

    async def _membership(self, actor: Actor, event: str) -> Membership | None:
        """The actor's membership, whatever its status; ``None`` for a stranger."""
        own = await event_reads.own(self._database, [(event, actor.user)])
        return own[0].membership if own else None

    async def _accepted(self, actor: Actor, event: str) -> UserView:
        """Return an accepted member's own view. Raises ``not_found`` or ``not_a_member``.

        One statement, with the same cost if the event does not exist. Nothing else of the event
        is read before it.
        """
        found = await event_reads.own(self._database, [(event, actor.user)])
        if not found or found[0].membership is None:
            raise FinalError(ErrorCode.NOT_FOUND, details={"path": "event"})
        if (status := found[0].membership.status) != "accepted":
            raise FinalError(ErrorCode.NOT_A_MEMBER, details={"status": status})
        return found[0]

    async def admin(self, actor: Actor, event: str) -> None:
        """Raise unless the actor is an admin or an organiser of the event."""
        try:
            membership = (await self._accepted(actor, event)).membership
        except Exception as err:
            raise unreachable(err) from err
        assert membership is not None
        if not membership.leads:
            raise FinalError(ErrorCode.FORBIDDEN, details={"role": membership.role})

    async def _comments(self, request: r.CommentsList) -> dict[str, Any]:
        found, following = await lists.comments(
            self._database, request.event, before=request.before, limit=request.limit
        )
        shown = (
            {"id": comment.id} | views.comment_fields(comment, numbers=True) for comment in found
        )
        return await _page("comments", request.event, shown, following)

    async def _proposals(self, request: r.ProposalsList) -> dict[str, Any]:
        found, following = await lists.proposals(
            self._database, request.event, before=request.before, limit=request.limit
        )
        shown = (
            {"id": proposal.id} | views.proposal_view(proposal, numbers=True) for proposal in found
        )
        return await _page("proposals", request.event, shown, following)

    async def _members(self, request: r.MembersList) -> dict[str, Any]:
        found, following = await people.members(self._database, request.event, **_page_of(request))
        shown = ({"id": m.user_id, "name": m.name, "role": m.role} for m in found)
        return await _page("members", request.event, shown, following)

    async def _requests(self, actor: Actor, request: r.RequestsList) -> dict[str, Any]:
        await self.admin(actor, request.event)
        found, following = await people.requests(self._database, request.event, **_page_of(request))
        shown = (
            {"id": asking.user_id} | views.request_fields(asking, numbers=True) for asking in found
        )
        return await _page("requests", request.event, shown, following)

    async def _ballots(self, actor: Actor, request: r.BallotsList) -> dict[str, Any]:
        await self._accepted(actor, request.event)
        event, found, following = await ballots.named(
            self._database, request.event, before=request.before, limit=request.limit
        )
        if event is None or not shows_ballots(event):
            raise FinalError(ErrorCode.FORBIDDEN, "these ballots are secret, or still are")
        shown = (
            {"user": one.ballot.user_id}
            | ({} if one.name is None else {"name": one.name})
            | (views.ballot_view(one.ballot) or {})
            for one in found
        )
        return await _page("ballots", request.event, shown, following)

    async def _receipt(self, actor: Actor, request: r.BallotReceipt) -> dict[str, Any]:
        """Return the proof of the actor's ballot, also to one who has left since the end."""
        found = await event_reads.own(self._database, [(request.event, actor.user)])
        if not found or found[0].membership is None:
            raise FinalError(ErrorCode.NOT_FOUND, details={"path": "event"})
        receipt = await ballots.receipt(self._database, request.event, actor.user)
        if receipt is None:
            message = "there is no ballot of yours, or none with a receipt"
            raise FinalError(ErrorCode.NOT_FOUND, message, details={"path": "ballot"})
        return {
            "event": request.event,
            "seq": receipt.seq,
            "hash": receipt.hash.hex(),
            "user": actor.user,
            "id": receipt.id,
            "salt": receipt.salt.hex(),
            "payload": receipt.payload,
        }

    async def _invitations(self, actor: Actor, request: r.InvitationsList) -> dict[str, Any]:
        await self.admin(actor, request.event)
        found, following = await people.invitations(
            self._database, request.event, **_page_of(request)
        )
        shown = ({"id": one.id} | views.invitation_fields(one) for one in found)
        return await _page("invitations", request.event, shown, following)


def _page_of(request: r.PeopleList) -> dict[str, Any]:
    return {"before": request.before, "limit": request.limit, "search": request.search}


def _is_heavy(request: r.Request) -> bool:
    """Return whether only one query of this size is answered at a time."""
    if isinstance(request, r.CommandStatus):
        return len(request.ids) > MAX_LIGHT_STATUS_IDS
    pages = r.History | r.EventsList | r.BallotsList | r.VotesList | r.TurnoutList
    return isinstance(request, pages) and request.limit > MAX_LIGHT_PAGE


def _is_not_found(line: Decided) -> bool:
    """Return whether ``line`` records a ``not_found``."""
    return line.seq is None and recorded_refusal(line).code == ErrorCode.NOT_FOUND


async def _page(
    kind: str, event: str, shown: Iterable[dict[str, Any]], following: int | str | None
) -> dict[str, Any]:
    entries = []
    for number, entry in enumerate(shown, 1):
        entries.append(orjson.Fragment(answers.encode_kept(entry)))
        if number % ENTRIES_PER_SLICE == 0:
            await asyncio.sleep(0)
    page: dict[str, Any] = {"event": event, kind: entries}
    return page if following is None else page | {"next": following}
