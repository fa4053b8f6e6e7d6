"""``POST /v1/guests`` and ``/v1/invitations``: tokens for people who have no account."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from handlers.rules.invitations import GUEST_PREFIX, invited_user
from persistence.database.overload import unreachable
from persistence.queries import entries
from protocol import answers
from protocol.codec import wrong_field
from protocol.errors import ErrorCode, ProtocolError, RetryableError, bad_request
from protocol.fields import normalise
from protocol.published.page import EntryToken, GuestName, InvitationSecret
from server.http.answers import error_answer, json_answer
from server.http.body import read_body, without_mark
from server.identity.entry import ENTRY_LIFETIME
from server.limits.addresses import network_of
from server.limits.code_guesses import CodeGuessLimiter
from server.limits.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.node import Node

#: Tokens that one network may get at once, and per second after that; then `rate_limited`. A hall
#: full of people comes from one address; a script that fills an event is slowed.
ENTRY_BURST: Final = 500
ENTRIES_PER_SECOND: Final = 5.0
#: Bytes of a request's body; a larger one is refused. A name of 1,000 escaped characters fits.
MAX_ENTRY_BODY_BYTES: Final = 16_384
#: Random bytes of a guest's user id: no two guests ever share one.
GUEST_ID_BYTES: Final = 12

S = TypeVar("S", bound=msgspec.Struct)


def routes(node: Node) -> list[Route]:
    """Return the two routes."""
    entry = _Entry(node)
    return [
        Route("/v1/guests", entry.route(entry.guest), methods=["POST"]),
        Route("/v1/invitations", entry.route(entry.invited), methods=["POST"]),
    ]


class _Entry:
    def __init__(self, node: Node) -> None:
        self._node = node
        self._guesses = CodeGuessLimiter()
        node.shared_guesses.share("network", self._guesses)
        self._made = RateLimiter(ENTRIES_PER_SECOND, ENTRY_BURST)

    def route(
        self, answering: Callable[[Request, str], Awaitable[EntryToken]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Answer with 201 and the token, or with the error."""

        async def answered(request: Request) -> Response:
            network = network_of(request.client.host if request.client else "")
            try:
                self._guesses.check(network)
                made = await answering(request, network)
            except Exception as err:
                known = unreachable(err)
                if not isinstance(known, ProtocolError):
                    raise
                return error_answer(known)
            response = json_answer(msgspec.json.encode(made))
            response.status_code = 201
            return response

        return answered

    async def guest(self, request: Request, network: str) -> EntryToken:
        """Make a guest of the event that the code opens."""
        node = self._node
        asked = await self._asked(request, GuestName)
        if node.settings.guests != "on":
            raise RetryableError(ErrorCode.FORBIDDEN, "this server takes no guests")
        opened = await entries.opened_by(node.database, asked.code)
        if opened is None:
            raise self._nothing(network, "code")
        if not opened.takes_guests:
            raise RetryableError(ErrorCode.FORBIDDEN, "this event takes no guests")
        self._charge(network)
        user = GUEST_PREFIX + secrets.token_hex(GUEST_ID_BYTES)
        return self._token(user, asked.name, opened.event)

    async def invited(self, request: Request, network: str) -> EntryToken:
        """Open an invitation: always the same user, on any device."""
        node = self._node
        asked = await self._asked(request, InvitationSecret)
        named = node.entry.invited_by(asked.secret)
        found = await entries.invitation(node.database, *named) if named is not None else None
        if named is None or found is None or found.status == "revoked":
            raise self._nothing(network, "secret")
        user = invited_user(found.id)
        if found.user_id not in (None, user):
            raise RetryableError(
                ErrorCode.FORBIDDEN, "this invitation was used by an account; sign in with it"
            )
        self._charge(network)
        return self._token(user, found.name, named.event)

    def _nothing(self, network: str, path: str) -> ProtocolError:
        self._guesses.failed(network)
        return RetryableError(
            ErrorCode.NOT_FOUND, f"this {path} opens nothing", details={"path": path}
        )

    def _charge(self, network: str) -> None:
        if wait := self._made.charge(network, "", secrets.token_hex(8), time.monotonic()):
            raise RetryableError(ErrorCode.RATE_LIMITED, retry_after_ms=wait)

    def _token(self, user: str, name: str, event: str) -> EntryToken:
        now = datetime.now(UTC)
        return EntryToken(
            token=self._node.entry.token(user, name, event, now),
            user=user,
            name=name,
            event=event,
            expires=answers.timestamp(now + ENTRY_LIFETIME),
        )

    async def _asked(self, request: Request, kind: type[S]) -> S:
        """Decode the body; raises ``bad_request``.

        The media type is checked because a form of another site can send any text, but not this
        type without a preflight request.
        """
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise bad_request("content-type", "the body must be application/json")
        body = without_mark(await read_body(request, MAX_ENTRY_BODY_BYTES))
        try:
            asked: Any = msgspec.json.decode(body, type=kind)
        except msgspec.ValidationError as err:
            raise bad_request(*wrong_field(err)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise bad_request("", "the body is no JSON object") from None
        normalise(asked, self._node.texts)
        made: S = asked
        return made
