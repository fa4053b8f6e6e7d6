"""Questions: requests that read and are answered once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from handlers import views
from handlers.lanes.decide import recorded_ack, recorded_refusal
from handlers.rules import preview
from handlers.step import Actor
from persistence.database.overload import unreachable
from persistence.event.records import Decided, Membership
from persistence.queries import lists, reading
from persistence.queries.reading import Own
from protocol import answers
from protocol import requests as r
from protocol.errors import ErrorCode, Refusal, Rejection

if TYPE_CHECKING:
    from server.node import Node
    from server.sessions.session import Session

#: Entries of a page that is read as soon as it is asked for: as many as the default and as the page
#: of the server asks for. Longer ones are read one at a time in the process (``Cooldown``).
LIGHT_PAGE = 50
#: Commands that are looked up as soon as their status is asked for, some 0.3 ms; the same beyond.
LIGHT_STATUS = 32
#: Entries of a page that are encoded in one go; a long one has some 12 KB.
ENTRIES_AT_ONCE = 16


async def answer(session: Session, request: r.Request) -> bytes:
    """The answer to ``request``; raises ``ProtocolError``."""
    assert session.identity is not None
    return await ask(session.node, session.identity.actor, request)


async def ask(node: Node, actor: Actor, request: r.Request) -> bytes:
    """The answer to ``actor``'s ``request``, whichever way it came."""
    try:
        if isinstance(request, r.History):
            await _accepted(node, actor, request.event)
        if _is_heavy(request):
            answer = await node.cooldown.run(partial(_answer, node, actor, request))
        else:
            answer = await _answer(node, actor, request)
    except Exception as err:
        raise unreachable(err) from err
    node.quotas.charge(actor.user, size=len(answer))
    return answer


async def _answer(node: Node, actor: Actor, request: r.Request) -> bytes:
    kind, fields = await _ask(node, actor, request)
    return answers.reply(kind, request.ref, **fields)


def _is_heavy(request: r.Request) -> bool:
    """Whether ``request`` asks for so much that only one such is answered at a time."""
    if isinstance(request, r.CommandStatus):
        return len(request.ids) > LIGHT_STATUS
    return isinstance(request, r.History | r.EventsList) and request.limit > LIGHT_PAGE


async def _ask(node: Node, actor: Actor, request: r.Request) -> tuple[str, dict[str, Any]]:
    match request:
        case r.CommandStatus():
            return "status", await _status(node, actor, request)
        case r.EventsList():
            return "events", await _events(node, actor, request)
        case r.EventOverview():
            return "overview", await _overview(node, actor, request)
        case r.EventPreviewPolicy():
            return "policy_preview", await _preview(node, actor, request)
        case r.CommentsList():
            return "comments", await _comments(node, request)
        case r.ProposalsList():
            return "proposals", await _proposals(node, request)
        case r.MembersList():
            return "members", await _members(node, request)
        case r.RequestsList():
            return "requests", await _requests(node, actor, request)
    raise Rejection(ErrorCode.UNKNOWN_TYPE)


async def _status(node: Node, actor: Actor, request: r.CommandStatus) -> dict[str, Any]:
    """What became of the actor's own commands; of anybody else's nothing is told."""
    event = request.event
    # Asked before the journal: what is decided in between is still told as pending, never absent.
    waiting = node.lanes.pending(event, [(actor.user, id) for id in request.ids])
    decided = await reading.decided(node.database, event, actor.user, request.ids)
    known = {line.command_id: line for line in decided}
    hidden = {line.command_id for line in decided if _is_not_found(line)}
    if hidden and await _membership(node, actor, event) is None:
        # To a stranger it must look as where there is no such event, which remembers nothing.
        known = {id: line for id, line in known.items() if id not in hidden}
    told: list[dict[str, Any]] = []
    for id in request.ids:
        line = known.get(id)
        if line is None:
            told.append({"id": id, "state": "pending" if (actor.user, id) in waiting else "absent"})
        elif line.seq is not None:
            ack = orjson.Fragment(recorded_ack(event, line, replayed=True))
            told.append({"id": id, "state": "committed", "ack": ack})
        else:
            body = answers.error_body(recorded_refusal(line), id=id, event=event, replayed=True)
            told.append({"id": id, "state": "refused", "error": body})
    return {"event": event, "commands": told}


def _is_not_found(line: Decided) -> bool:
    """Whether this is a remembered ``not_found``."""
    return line.seq is None and recorded_refusal(line).code == ErrorCode.NOT_FOUND


async def _events(node: Node, actor: Actor, request: r.EventsList) -> dict[str, Any]:
    found, following = await lists.events_of(
        node.database, actor.user, after=request.after, limit=request.limit
    )
    return {"events": found} | ({"next": following} if following else {})


async def _preview(node: Node, actor: Actor, request: r.EventPreviewPolicy) -> dict[str, Any]:
    own = await _accepted(node, actor, request.event)
    policy = msgspec.json.encode(request.policy)
    found = node.previews.find((request.event, own.epoch, own.seq, policy))
    if found is None:
        made = await node.cooldown.run(
            lambda: preview.would_accept(
                node.database, request.event, actor, request.policy, node.limits
            )
        )
        found = made.accepted
        node.previews.keep((request.event, made.epoch, made.seq, policy), found, made.seconds)
    return {"event": request.event, "would_accept": found}


async def _overview(node: Node, actor: Actor, request: r.EventOverview) -> dict[str, Any]:
    node.guesses.check(actor.user)
    found = await lists.overview(node.database, request.code, actor.user)
    node.guesses.check(actor.user)
    if found is None:
        node.guesses.failed(actor.user)
        raise Refusal(ErrorCode.NOT_FOUND, "this code opens nothing", details={"path": "code"})
    return found


async def _membership(node: Node, actor: Actor, event: str) -> Membership | None:
    """The actor's membership, whatever its status; ``None`` for a stranger."""
    own = await reading.own(node.database, [(event, actor.user)])
    return own[0].membership if own else None


async def _accepted(node: Node, actor: Actor, event: str) -> Own:
    """What is an accepted member's own; raises ``not_found`` or ``not_a_member``.

    One statement, which costs the same for an event that does not exist. Nothing else of the event
    is read before it.
    """
    found = await reading.own(node.database, [(event, actor.user)])
    if not found or found[0].membership is None:
        raise Refusal(ErrorCode.NOT_FOUND, details={"path": "event"})
    if (status := found[0].membership.status) != "accepted":
        raise Refusal(ErrorCode.NOT_A_MEMBER, details={"status": status})
    return found[0]


async def admin(node: Node, actor: Actor, event: str) -> None:
    """Raise unless the actor is an admin of the event."""
    try:
        membership = (await _accepted(node, actor, event)).membership
    except Exception as err:
        raise unreachable(err) from err
    assert membership is not None
    if membership.role != "admin":
        raise Refusal(ErrorCode.FORBIDDEN, details={"role": membership.role})


async def _comments(node: Node, request: r.CommentsList) -> dict[str, Any]:
    found, following = await lists.comments(
        node.database, request.event, before=request.before, limit=request.limit
    )
    shown = ({"id": comment.id} | views.comment_fields(comment) for comment in found)
    return await _page("comments", request.event, shown, following)


async def _proposals(node: Node, request: r.ProposalsList) -> dict[str, Any]:
    found, following = await lists.proposals(
        node.database, request.event, before=request.before, limit=request.limit
    )
    shown = ({"id": proposal.id} | views.proposal_view(proposal) for proposal in found)
    return await _page("proposals", request.event, shown, following)


async def _members(node: Node, request: r.MembersList) -> dict[str, Any]:
    found, following = await lists.members(
        node.database, request.event, before=request.before, limit=request.limit
    )
    shown = ({"id": m.user_id, "name": m.name, "role": m.role} for m in found)
    return await _page("members", request.event, shown, following)


async def _requests(node: Node, actor: Actor, request: r.RequestsList) -> dict[str, Any]:
    await admin(node, actor, request.event)
    found, following = await lists.requests(
        node.database, request.event, before=request.before, limit=request.limit
    )
    shown = ({"id": asking.user_id} | views.request_fields(asking) for asking in found)
    return await _page("requests", request.event, shown, following)


async def _page(
    kind: str, event: str, shown: Iterable[dict[str, Any]], following: int | None
) -> dict[str, Any]:
    entries = []
    for number, entry in enumerate(shown, 1):
        entries.append(orjson.Fragment(orjson.dumps(entry)))
        if number % ENTRIES_AT_ONCE == 0:
            await asyncio.sleep(0)
    page: dict[str, Any] = {"event": event, kind: entries}
    return page if following is None else page | {"next": following}
