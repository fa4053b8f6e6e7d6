"""Requests to the server with the user's token, and their answers as messages."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import orjson

from ayes_client._connection.context import ClientContext
from ayes_client._connection.http import HttpClient, NotTheServer, Response
from ayes_client._wire.address import CHECK_PATH, WRONG_PATH, http_url
from ayes_client._wire.jwt import expiry
from ayes_client._wire.moments import text_of
from ayes_client.errors import AyesError
from ayes_client.state import Json

log = logging.getLogger("ayes_client")

#: Seconds before a token expires at which another one is asked for.
RENEWAL_LEAD_S = 30.0
#: Shortest wait between two tokens. A token function that answers at once must not be called in a
#: tight loop.
MIN_RETRY_DELAY_S = 0.1


class HttpRequests:
    """The requests of one session over HTTP. Calls ``renewed`` after each refused token."""

    def __init__(self, context: ClientContext, renewed: Callable[[], None]) -> None:
        self._context = context
        self._renewed = renewed
        self._loop = asyncio.get_running_loop()
        self.http = HttpClient(http_url(context.url))
        self.token = ""
        """The token in use."""
        self._renewing = asyncio.Lock()
        self._backoff = context.new_backoff()
        self._asked_at = self._loop.time()
        """When a token was last asked for, since the one before was refused."""
        self._early_again_at = 0.0

    @property
    def renewing(self) -> bool:
        """Whether the token was refused, and there is no other yet."""
        return self._renewing.locked()

    async def get(self, path: str) -> Json:
        """Return the message that answers a GET. Raises ``NotTheServer`` for another answer."""
        return self.message(await self.http.request("GET", path, await self.headers()))

    async def post(self, path: str, body: bytes, *, ref: str | None = None) -> Json:
        """Return the message that answers a POST, with ``ref`` or without any.

        Raises ``NotTheServer`` for another answer.
        """
        headers = await self.headers() | {"Content-Type": "application/json"}
        response = await self.http.request("POST", path, headers, body)
        message = self.message(response)
        if message.get("ref", ref) != ref:
            raise NotTheServer(response, "the answer was one to another query")
        return message

    async def ping(self) -> None:
        """Ask for a sign of life of the server, on a new connection. Raises as ``get`` does."""
        headers = await self.headers() | {"Content-Type": "application/json"}
        body = b'{"type":"ping"}'
        self.message(await self.http.request("POST", "/v1/queries", headers, body, fresh=True))

    async def command(self, body: bytes, id: str, *, fresh: bool) -> Json:
        """Return the message that answers the command ``id``, which is written once.

        ``fresh``: on a connection of its own. A kept one may break when the command is written, and
        then the server may have the command or not.

        Raises ``NotTheServer`` for another answer.
        """
        headers = await self.headers() | {"Content-Type": "application/json"}
        response = await self.http.request(
            "POST", "/v1/commands", headers, body, resend=False, fresh=fresh
        )
        message = self.message(response)
        if message["type"] not in ("ack", "error") or message.setdefault("id", id) != id:
            raise NotTheServer(response, "the answer was one to something else")
        return message

    async def headers(self) -> dict[str, str]:
        """Return the headers of a request, with a token that lasts."""
        expires = expiry(self.token)
        if expires is not None and expires - self._context.clock.now() < RENEWAL_LEAD_S:
            await self._renew_early()
        return {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}

    def message(self, response: Response) -> Json:
        """Read a message of the server. Raises ``NotTheServer`` for what another has sent."""
        try:
            message = orjson.loads(response.body)
        except orjson.JSONDecodeError:
            message = None
        whole = isinstance(message, dict) and isinstance(message.get("type"), str)
        if not whole or (message["type"] != "error" and response.status != 200):
            why = f"HTTP status {response.status}, and no message of the server"
            if response.status in WRONG_PATH:
                why += f"; {CHECK_PATH}"
            raise NotTheServer(response, why)
        self.observe(response)
        found: Json = message
        return found

    def observe(self, response: Response) -> None:
        """Read the server's clock from a response."""
        with contextlib.suppress(KeyError, ValueError):
            self._context.clock.observe(text_of(parsedate_to_datetime(response.headers["date"])))

    async def _renew_early(self) -> None:
        """Ask once for a token that lasts longer. If there is none yet, this one goes on."""
        now = self._loop.time()
        if not self._context.tokens.renewable or now < self._early_again_at:
            return
        self._early_again_at = now + RENEWAL_LEAD_S / 6
        try:
            self.token = await self._context.tokens.ask()
        except Exception as err:
            log.warning("no new token: %s", err)

    async def _renew(self, refused: str) -> None:
        """Get another token than ``refused``; the token function is called until it returns one.

        It is called at once, and then with growing waits, also if each of its tokens is refused.
        """
        async with self._renewing:
            if self._loop.time() - self._asked_at >= RENEWAL_LEAD_S / 6:
                self._backoff.reset()
            while self.token == refused:
                wait = self._backoff.next()
                if self._backoff.attempts > 1:
                    await asyncio.sleep(max(MIN_RETRY_DELAY_S, wait))
                self._asked_at = self._loop.time()
                try:
                    self.token = await self._context.tokens.ask()
                except Exception as err:
                    log.warning("no new token: %s", err)
        self._renewed()

    async def on_refused_token(self, error: AyesError, used: str) -> None:
        """Get another token than ``used``. Raises ``error`` if there is no other."""
        if not self._context.tokens.renewable:
            raise error
        await self._renew(used)
