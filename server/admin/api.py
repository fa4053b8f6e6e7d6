"""The routes of the admin's API, below ``/v1/admin/``; ``docs/admin.md`` has them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.routing import Route

from persistence.queries import operator, revocations
from protocol.answers import timestamp
from protocol.closes import CloseCode
from protocol.errors import ErrorCode, RetryableError, bad_request
from protocol.text import check_id
from server.admin.acts import ADMIN_ACT_TIMEOUT_S, Acts
from server.admin.door import ADMIN_TIMEOUT_S, Answering, Door
from server.admin.views import Views
from server.http.body import read_body, without_mark

if TYPE_CHECKING:
    from server.node import Node

log = logging.getLogger("ayes.admin")

#: Entries of one answer, at most and if the request names no number.
MAX_PAGE: Final = 200
DEFAULT_PAGE: Final = 50
#: Bytes of a request's body; a larger one is refused. It holds a time, or two ids.
MAX_ADMIN_BODY_BYTES: Final = 4_096


class _Revoke(msgspec.Struct):
    before: datetime | None = None


class _Erase(msgspec.Struct):
    confirm: str = ""
    event: str | None = None


class _Delete(msgspec.Struct):
    confirm: str = ""
    damaged: bool = False


T = TypeVar("T")


def routes(node: Node) -> list[Route]:
    """Return the routes, none without ``AYES_ADMIN_TOKEN``."""
    token = node.settings.admin_token
    if token is None:
        return []
    door, api = Door(node, token), _Admin(node)

    def route(path: str, answering: Answering, method: str = "GET") -> Route:
        return Route(f"/v1/admin/{path}", door.endpoint(answering), methods=[method])

    def act(path: str, answering: Answering) -> Route:
        # Its answer comes when it is done.
        endpoint = door.endpoint(answering, timeout_s=ADMIN_ACT_TIMEOUT_S + ADMIN_TIMEOUT_S)
        return Route(f"/v1/admin/{path}", endpoint, methods=["POST"])

    return [
        route("node", api.node),
        route("nodes", api.nodes),
        route("rooms", api.rooms),
        route("events", api.events),
        route("events/{event}", api.event),
        act("events/{event}/delete", api.delete),
        route("sockets", api.sockets),
        route("sockets/{connection}/close", api.close, "POST"),
        # A user's id may have slashes.
        route("users/{user:path}/revoke", api.revoke, "POST"),
        act("users/{user:path}/erase", api.erase),
        route("users/{user:path}", api.user),
        route("prune", api.prune, "POST"),
    ]


class _Admin:
    def __init__(self, node: Node) -> None:
        self._node = node
        self._views = Views(node)
        self._acts = Acts(node)

    async def node(self, request: Request) -> object:
        """``GET node``: this node now."""
        return self._views.overview()

    async def nodes(self, request: Request) -> object:
        """``GET nodes``: the servers on this database."""
        found = await operator.nodes(self._node.database, MAX_PAGE)
        return {"type": "admin.nodes", "nodes": _encodable(found)}

    async def rooms(self, request: Request) -> object:
        """``GET rooms?limit=``: this node's rooms, those with the most subscriptions first."""
        return {"type": "admin.rooms", "rooms": self._views.rooms(_limit(request))}

    async def events(self, request: Request) -> object:
        """``GET events?after=&limit=``: all events of the database, by id."""
        limit, after = _limit(request), request.query_params.get("after", "")
        check_id(after, "after")
        found = await operator.events(self._node.database, after, limit + 1)
        following = {"next": found[limit - 1]["id"]} if len(found) > limit else {}
        return {"type": "admin.events", "events": _encodable(found[:limit])} | following

    async def event(self, request: Request) -> object:
        """``GET events/{id or entrance code}``: one event, and its room here."""
        asked = request.path_params["event"]
        check_id(asked, "event")
        found = await operator.event(self._node.database, asked, MAX_PAGE)
        if found is None:
            raise RetryableError(ErrorCode.NOT_FOUND)
        id = found["id"]
        here = {"room": self._views.room(id), "waiting": self._node.lanes.waiting_for(id)}
        return {"type": "admin.event"} | _encodable(found) | here

    async def sockets(self, request: Request) -> object:
        """``GET sockets?user=&event=&limit=``: this node's sockets, the slowest readers first."""
        asked = request.query_params
        return self._views.sockets(
            _limit(request), user=asked.get("user"), event=asked.get("event")
        )

    async def close(self, request: Request) -> object:
        """``POST sockets/{connection}/close``: send the client away; it comes back by itself."""
        connection = request.path_params["connection"]
        socket = self._views.socket(connection)
        if socket is None:
            raise RetryableError(ErrorCode.NOT_FOUND)
        wait = self._node.draining.retry_after_ms()
        socket.bye(CloseCode.DRAINING, retry_after_ms=wait, message="closed by an operator")
        _note(request, "closed a socket", connection=connection)
        return {"type": "admin.closed", "connection": connection}

    async def user(self, request: Request) -> object:
        """``GET users/{user}``: a user's memberships, sockets here, and revocation."""
        user = _user(request)
        found = await operator.user(self._node.database, user, MAX_PAGE)
        if found is None:
            raise RetryableError(ErrorCode.NOT_FOUND)
        sockets = self._views.sockets(MAX_PAGE, user=user)["sockets"]
        return {"type": "admin.user"} | _encodable(found) | {"sockets": sockets}

    async def revoke(self, request: Request) -> object:
        """``POST users/{user}/revoke`` {[before]}: refuse the user's tokens, close the sockets."""
        user, before = _user(request), (await _body(request, _Revoke, "before")).before
        if before is not None and before.tzinfo is None:
            raise bad_request("before", "a time with its zone")
        moment = await revocations.revoke(self._node.database, user, before)
        _note(request, "revoked a user's tokens", user=user)
        return {"type": "admin.revoked", "user": user, "before": timestamp(moment)}

    async def erase(self, request: Request) -> object:
        """``POST users/{user}/erase`` {confirm, [event]}: as ``ayes erase`` does.

        ``confirm`` is the user's id again.
        """
        user, asked = _user(request), await _body(request, _Erase, "event")
        _confirmed(asked.confirm, user)
        if asked.event is not None:
            event = await self._found(asked.event)
        elif await operator.user(self._node.database, user, 1) is None:
            raise RetryableError(ErrorCode.NOT_FOUND)
        else:
            event = None
        _note(request, "erases a user's words", user=user, event=event)
        done = await self._acts.erase(user, event)
        _note(request, "erased a user's words", user=user, event=event)
        return {"type": "admin.erased", "user": user, "done": done}

    async def delete(self, request: Request) -> object:
        """``POST events/{event}/delete`` {confirm, [damaged]}: as ``ayes delete`` does.

        ``confirm`` is the event's id, also if the path has its entrance code.
        """
        asked = await _body(request, _Delete, "confirm")
        event = await self._found(request.path_params["event"])
        _confirmed(asked.confirm, event)
        _note(request, "deletes an event", event=event)
        path, done = await self._acts.delete(event, damaged=asked.damaged)
        _note(request, "deleted an event", event=event, export=str(path))
        return {"type": "admin.deleted", "event": event, "export": str(path), "done": done}

    async def _found(self, asked: str) -> str:
        """Return the id of the event with this id or entrance code; raises ``not_found``."""
        check_id(asked, "event")
        found = await operator.event(self._node.database, asked, 1)
        if found is None:
            raise RetryableError(ErrorCode.NOT_FOUND)
        id: str = found["id"]
        return id

    async def prune(self, request: Request) -> object:
        """``POST prune``: delete the final errors that are past their time; steps are kept."""
        count = await self._node.pruning.prune()
        _note(request, "pruned final errors", count=count)
        return {"type": "admin.pruned", "count": count}


def _note(request: Request, act: str, **facts: Any) -> None:
    """Log an act of the admin."""
    address = request.client.host if request.client else ""
    log.warning("admin: %s", act, extra=facts | {"address": address})


async def _body(request: Request, kind: type[T], path: str) -> T:
    """Return the body as a ``kind``; raises ``bad_request``."""
    body = without_mark(await read_body(request, MAX_ADMIN_BODY_BYTES)) or b"{}"
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
        raise bad_request(path, str(err)) from None


def _confirmed(given: str, id: str) -> None:
    """Raise ``bad_request`` unless the request has the id twice: the act cannot be undone."""
    if given != id:
        raise bad_request("confirm", "this cannot be undone: give the id here too")


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(DEFAULT_PAGE))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MAX_PAGE):
        raise bad_request("limit", f"a number from 1 to {MAX_PAGE}")
    return int(text)


def _user(request: Request) -> str:
    user: str = request.path_params["user"]
    check_id(user, "user")
    if not 0 < len(user) <= 255:
        raise bad_request("user", "1 to 255 characters")
    return user


def _encodable(value: Any) -> Any:
    """Write moments as the protocol does."""
    if isinstance(value, datetime):
        return timestamp(value.astimezone(UTC))
    if isinstance(value, dict):
        return {name: _encodable(inner) for name, inner in value.items()}
    return [_encodable(inner) for inner in value] if isinstance(value, list) else value
