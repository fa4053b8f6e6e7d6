"""The protocol over HTTP, for scripts and for clients behind proxies.

Commands, ids, journal and answers are the same as over a WebSocket.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from handlers.lanes.decide import Answer, Submission
from handlers.proof.disclosure import disclosed, shows_ballots
from handlers.proof.entry import entry_of
from persistence.journal import audit
from protocol import answers
from protocol import requests as r
from protocol.codec import Invalid, decode_command, decode_query, under_id, wrong_field
from protocol.commands import Command, event_of
from protocol.errors import ErrorCode, ProtocolError, RetryableError, bad_request
from protocol.fields import PageSize, Position, normalise
from server.config.version import ayes_version
from server.http.answers import PartsAnswer, encoded_error, error_answer, json_answer
from server.http.body import read_body, without_mark
from server.http.endpoint import Answering, Endpoint, connection_of
from server.http.stream import STREAM_HEADERS, STREAM_TYPE, once, stream
from server.identity.auth import Identity
from server.services.welcome import welcome

if TYPE_CHECKING:
    from server.node import Node

#: Seconds that a request waits for its command's answer; then ``timeout``. Longer than the lane's
#: own budget, so that the lane's answer comes first.
ANSWER_TIMEOUT_S = 15.0
#: Journal entries that are encoded in one iteration of the event loop; a long one has some 50 KB.
ENTRIES_PER_PIECE = 8
R = TypeVar("R", bound=r.Request)
S = TypeVar("S", bound=msgspec.Struct)
_Page: TypeAlias = r.History | r.BallotsList | r.BallotReceipt | r.VotesList | r.TurnoutList


def routes(node: Node) -> list[Route]:
    """Return the routes of the HTTP API (``docs/protocol.md``)."""
    api = _Api(node)
    event = "/v1/events/{event}"

    def route(path: str, answering: Answering, *, method: str = "GET", large: bool = True) -> Route:
        return Route(path, Endpoint(node, answering, large=large), methods=[method])

    return [
        route("/v1/commands", api.command, method="POST", large=False),
        Route("/v1/queries", Endpoint(node, api.query, large=api.may_be_large), methods=["POST"]),
        route("/v1/events", api.events),
        route(event, api.snapshot),
        route(f"{event}/comments", api.page(r.CommentsList)),
        route(f"{event}/proposals", api.page(r.ProposalsList)),
        route(f"{event}/members", api.page(r.MembersList)),
        route(f"{event}/requests", api.page(r.RequestsList)),
        route(f"{event}/ballots", api.page(r.BallotsList)),
        route(f"{event}/receipt", api.page(r.BallotReceipt)),
        route(f"{event}/votes", api.page(r.VotesList)),
        route(f"{event}/turnout", api.page(r.TurnoutList)),
        route(f"{event}/invitations", api.page(r.InvitationsList)),
        route(f"{event}/journal", api.journal),
        route(f"{event}/commands/{{id}}", api.status, large=False),
        # A stream reserves a place for each large message by itself.
        route(f"{event}/stream", api.stream, large=False),
    ]


class _Api:
    def __init__(self, node: Node) -> None:
        self._node = node
        self._version = ayes_version()

    def _event(self, request: Request) -> str:
        """Return the event id in the path. Raises ``bad_request`` if it is malformed."""
        asked: r.Subscribe = self._typed(r.Subscribe, {"event": request.path_params["event"]})
        return asked.event

    # Commands.

    async def command(self, request: Request, identity: Identity) -> Response:
        """``POST /v1/commands``: 200 with the ack, or the error with its status."""
        node = self._node
        body = without_mark(await read_body(request, node.settings.message_bytes))
        if (key := request.headers.get("idempotency-key")) is not None:
            # Quoted or bare: draft-ietf-httpapi-idempotency-key-header has a quoted string, most
            # clients send the bare key, and an id contains no quotes.
            quoted = len(key) > 1 and key[0] == key[-1] == '"'
            body = under_id(body, key[1:-1] if quoted else key)
        command = decode_command(body, limits=node.texts)
        if isinstance(command, Invalid):
            return error_answer(command.error, id=command.id, ref=command.ref)
        if command.traceparent is None:
            command.traceparent = request.headers.get("traceparent")
        try:
            await node.users.know(identity.actor)
            if node.draining.has_begun:
                raise RetryableError(
                    ErrorCode.DRAINING, retry_after_ms=node.draining.retry_after_ms()
                )
        except ProtocolError as err:
            return error_answer(err, id=command.id, event=event_of(command))
        try:
            answer = await self._decided(command, identity)
        except TimeoutError:
            late = RetryableError(ErrorCode.TIMEOUT)
            return error_answer(late, id=command.id, event=event_of(command))
        if answer.error is not None:
            return encoded_error(answer.message, answer.error)
        return json_answer(answer.message)

    async def _decided(self, command: Command, identity: Identity) -> Answer:
        """Return what the command's lane answers; raises ``TimeoutError``."""
        heard: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def reply(submission: Submission, answer: Answer) -> None:
            if not heard.done():
                heard.set_result(answer)

        if (first := self._node.commands.submit(command, identity, reply)) is not None:
            await first
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await heard

    # Queries.

    async def may_be_large(self, request: Request) -> bool:
        """Read the query. A client opens its connection by ``hello``, and keeps it by ``ping``:
        their small answers do not wait behind large ones."""
        node = self._node
        body = without_mark(await read_body(request, node.settings.message_bytes))
        request.state.asked = asked = decode_query(body, limits=node.texts)
        return not isinstance(asked, Invalid | r.Hello | r.Ping)

    async def query(self, request: Request, identity: Identity) -> Response:
        """``POST /v1/queries``: a query, ``hello`` or ``ping``, answered as on the socket."""
        node, actor = self._node, identity.actor
        asked = request.state.asked
        if isinstance(asked, Invalid):
            return error_answer(asked.error, id=asked.id, ref=asked.ref)
        try:
            if isinstance(asked, r.Hello):
                await node.users.know(actor)
                return json_answer(welcome(node.settings, self._version, identity, "", asked.ref))
            if isinstance(asked, r.Ping):
                now = answers.timestamp(datetime.now(UTC))
                return json_answer(answers.reply("pong", asked.ref, time=now))
            answer = await node.quotas.ask(actor.user, lambda: node.queries.ask(actor, asked))
        except ProtocolError as err:
            return error_answer(err, ref=asked.ref)
        return PartsAnswer((answer,))

    async def events(self, request: Request, identity: Identity) -> Response:
        """``GET /v1/events?after=&limit=``: the user's own events."""
        return await self._ask(r.EventsList, identity, request)

    def page(self, kind: type[_Page]) -> Answering:
        """``GET /v1/events/{event}/…?before=&limit=``: a query about the event, as a path."""

        async def answered(request: Request, identity: Identity) -> Response:
            return await self._ask(kind, identity, request, event=request.path_params["event"])

        return answered

    async def status(self, request: Request, identity: Identity) -> Response:
        """``GET /v1/events/{event}/commands/{id}``: the state of one command."""
        fields = {"event": request.path_params["event"], "ids": [request.path_params["id"]]}
        return await self._ask(r.CommandStatus, identity, None, **fields)

    async def _ask(
        self, kind: type[R], identity: Identity, request: Request | None, **fields: Any
    ) -> Response:
        if request is not None:
            fields = dict(request.query_params) | fields
        query = self._typed(kind, fields)
        node, actor = self._node, identity.actor
        answer = await node.quotas.ask(actor.user, lambda: node.queries.ask(actor, query))
        return PartsAnswer((answer,))

    async def journal(self, request: Request, identity: Identity) -> Response:
        """``GET /v1/events/{event}/journal?after=&limit=``: journal entries, for admins."""
        event = self._event(request)
        page = self._typed(_JournalPage, dict(request.query_params))
        user = identity.actor.user

        async def answered() -> bytes:
            await self._node.queries.admin(identity.actor, event)
            return await self._node.work_throttle.run(partial(self._journal, event, page))

        answer = await self._node.quotas.ask(user, answered)
        self._node.quotas.charge(user, size=len(answer))
        return PartsAnswer((answer,))

    async def _journal(self, event: str, page: _JournalPage) -> bytes:
        rows = await audit.journal_page(
            self._node.database, event, after=page.after, limit=page.limit + 1
        )
        head = await audit.event_row(self._node.database, event)
        named = head is not None and shows_ballots(head)
        lines: list[bytes] = []
        for number, row in enumerate(rows[: page.limit], 1):
            lines.append(answers.encode_kept(_line(row, ballots=named)))
            if number % ENTRIES_PER_PIECE == 0:
                await asyncio.sleep(0)
        following = b',"next":%d' % rows[page.limit - 1]["seq"] if len(rows) > page.limit else b""
        start = b'{"type":"journal","event":%b,"lines":[' % orjson.dumps(event)
        return b"".join((start, b",".join(lines), b"]", following, b"}"))

    def _typed(self, kind: type[S], fields: dict[str, Any]) -> S:
        """Make a request of path and query parameters, which are all text."""
        fields.pop("type", None)
        tag = kind.__struct_config__.tag
        try:
            typed = msgspec.convert(fields | {"type": tag} if tag else fields, kind, strict=False)
        except msgspec.ValidationError as err:
            raise bad_request(*wrong_field(err)) from None
        normalise(typed, self._node.texts)
        return typed

    # Rooms.

    async def snapshot(self, request: Request, identity: Identity) -> Response:
        """``GET /v1/events/{event}``: the snapshot that a subscriber gets."""
        event = self._event(request)
        return PartsAnswer(await once(self._node, identity.actor.user, event))

    async def stream(self, request: Request, identity: Identity) -> Response:
        """``GET /v1/events/{event}/stream``: Server-Sent Events, resumed by ``Last-Event-ID``."""
        event = self._event(request)
        if request.method == "HEAD":
            # Without a body, the end of a stream would never come, and block the connection.
            await once(self._node, identity.actor.user, event)
            return Response(media_type=STREAM_TYPE, headers=STREAM_HEADERS)
        last = request.headers.get("last-event-id", "")
        return await stream(self._node, identity, event, last, connection_of(request.scope))


class _JournalPage(msgspec.Struct, kw_only=True):
    after: Position = 0
    limit: PageSize = 50


def _line(row: dict[str, Any], *, ballots: bool) -> dict[str, Any]:
    """A line as admins may read it."""
    # A row's time is in the zone that the database was asked in.
    return disclosed(entry_of(row | {"at": row["at"].astimezone(UTC)}), ballots=ballots)
