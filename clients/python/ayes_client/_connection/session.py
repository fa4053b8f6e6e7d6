"""One socket, from its opening to its end.

connecting ──hello──▶ greeting ──welcome──▶ open ──▶ ended
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    WebSocketException,
)

from ayes_client._connection.context import ClientContext
from ayes_client._connection.ended import SessionEnd
from ayes_client._connection.opening import OPEN_TIMEOUT_S, messages, open_socket
from ayes_client._connection.outgoing import Outgoing
from ayes_client._connection.renewal import Renewal
from ayes_client._connection.subscriptions import RoomSubscriptions
from ayes_client._rooms.view import RoomView
from ayes_client._wire.address import CHECK_PATH, WRONG_PATH
from ayes_client._wire.closes import is_final, reason
from ayes_client._wire.error_message import from_message
from ayes_client.errors import AuthExpired, AyesError, Closed, LineError
from ayes_client.limits import Limits
from ayes_client.state import Json

log = logging.getLogger("ayes_client")

#: Heartbeats without any message. Beyond, the connection counts as dead: one beat may be late, two
#: are not.
MAX_SILENT_BEATS = 2.5
#: Characters of the reason why there is no connection. The rest is cut: the server may choose its
#: words.
MAX_REASON_LENGTH = 200
#: Longest time between two checks for silence and missing answers.
WATCH_INTERVAL_S = 1.0
#: Silence after a command or query, beyond which the server is pinged. It mostly answers in 10 ms.
ANSWER_CHECK_DELAY_S = 2.0
#: Longest wait for the answer to a ping. Beyond, the connection counts as dead. The wait doubles
#: after each connection that was given up so, since a slow network is not a dead one.
PING_TIMEOUT_S = 2.5
#: Doublings of that wait: 40 s at most, as long as the server waits for a client.
MAX_DOUBLINGS = 4
#: Difference between the clock and a timer. Beyond, the machine slept or the clock was set, and the
#: server is pinged; below, the program was only busy.
MAX_CLOCK_JUMP_S = 2.0

#: The close code of a socket that was cut (RFC 6455, 7.1.5).
ABNORMAL = 1006

#: Errors of reading a message that lacks a field, or has one of another type.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)


class Unreadable(Exception):
    """The server has sent something that this protocol does not have."""


class Session:
    """One socket of one client. Calls ``welcomed`` with the server's welcome."""

    def __init__(self, context: ClientContext, welcomed: Callable[[Json], None]) -> None:
        self._context = context
        self._welcomed = welcomed
        self._loop = asyncio.get_running_loop()
        self._link: ClientConnection | None = None
        self._heard_at = self._loop.time()
        self._opened_at: float | None = None
        self._heartbeat = 20.0
        self._bye: Json | None = None
        self._refusal: AyesError | None = None
        self._final: AyesError | None = None
        self._silent: str | None = None
        """Why the connection counts as dead."""
        self._pinged_at: float | None = None
        self._worked = False
        """Whether anything came after the welcome."""
        self._outgoing = Outgoing(context)
        self._renewal = Renewal(
            context.tokens,
            context.clock,
            context.new_backoff(),
            self._outgoing.send,
            self._token_renewed,
        )
        self.subscriptions = RoomSubscriptions(
            context.rooms, self._outgoing.send, self._token_expired
        )

    @property
    def open(self) -> bool:
        """Whether the server has sent its welcome."""
        return self._opened_at is not None

    def wake(self) -> None:
        """Look again for commands to send."""
        self._outgoing.wake()

    def send_body(self, body: bytes) -> None:
        """Send a message that is JSON already; it is lost with the socket."""
        self._outgoing.send_body(body)

    def subscribe(self, view: RoomView) -> None:
        """Subscribe to a room."""
        self.subscriptions.subscribe(view)

    def unsubscribe(self, view: RoomView) -> None:
        """Unsubscribe from a room."""
        self.subscriptions.unsubscribe(view)

    # From the opening to the end.

    async def run(self) -> SessionEnd:
        """Connect, work, and return how it ended. Raises cancellation and defects only."""
        ended = SessionEnd()
        try:
            token = await self._context.tokens.ask()
        except AyesError as err:
            return SessionEnd(error=err, final=True)
        except Exception as err:
            return SessionEnd(why=f"no token: {err}")
        try:
            await self._run_socket(token)
        except ConnectionClosed:
            pass
        except AyesError as err:
            return SessionEnd(error=err, final=True)
        except ImportError as err:
            # This kind of proxy needs a package that is not installed.
            return SessionEnd(error=LineError(str(err)), final=True)
        except TimeoutError:
            ended.why = "no answer in time"
            # An upgrade without an answer costs a whole timeout: one is enough.
            ended.blocked = 2.0 if self._link is None else 0.5
        except (OSError, WebSocketException, Unreadable) as err:
            ended.why = (str(err) or type(err).__name__)[:MAX_REASON_LENGTH]
            if isinstance(err, InvalidStatus) and err.response.status_code in WRONG_PATH:
                ended.why += f"; {CHECK_PATH}"
            ended.blocked = float(isinstance(err, InvalidHandshake))
        finally:
            self.subscriptions.close()
        return self._complete(ended)

    def _complete(self, ended: SessionEnd) -> SessionEnd:
        """Add what the server said before the end."""
        code = None if self._link is None else self._link.close_code
        if self._silent is not None:
            ended.why = self._silent
        elif self._link is not None:
            ended.why = ended.why or reason(code)
        if self._link is not None and code in (None, ABNORMAL) and self._silent is None:
            # The socket was cut, not closed. One that had worked before counts less.
            ended.blocked = 0.1 if self._worked else 0.5
        if self._opened_at is not None:
            ended.lived = self._loop.time() - self._opened_at
        if self._bye is not None:
            ended.retry_after = max(0, self._bye.get("retry_after_ms", 0)) / 1000
        ended.error = self._refusal
        if self._final is not None:
            ended.error, ended.final = self._final, True
        elif is_final(code):
            ended.error, ended.final = self._refusal or Closed(reason(code)), True
            ended.error.details = {**ended.error.details, "close": code}
        elif isinstance(self._refusal, AuthExpired) and not self._context.tokens.renewable:
            # The same token again would be refused again.
            ended.final = True
        return ended

    async def _run_socket(self, token: str) -> None:
        async with open_socket(self._context.url) as link:
            self._link = link
            await link.send(orjson.dumps(self._hello(token)), text=True)
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                while not self.open:
                    self._on_greeting(await link.recv(decode=False), token)
            tasks = [
                asyncio.create_task(self._outgoing.run(link), name="ayes sending"),
                asyncio.create_task(self._watch(link), name="ayes watch"),
                asyncio.create_task(self._renew(), name="ayes renewals"),
            ]
            for task in tasks:
                task.add_done_callback(partial(_abort, link))
            try:
                while True:
                    self._on_frame(await link.recv(decode=False))
            finally:
                for task in tasks:
                    task.cancel()
                for result in await asyncio.gather(*tasks, return_exceptions=True):
                    if isinstance(result, Exception) and not isinstance(result, ConnectionClosed):
                        log.error("a defect of this client", exc_info=result)

    def _hello(self, token: str) -> Json:
        hello: Json = {"type": "hello", "token": token, "client": self._context.client}
        if resume := self.subscriptions.resume():
            hello["resume"] = resume
        return hello

    # What comes in.

    def _on_greeting(self, frame: bytes, token: str) -> None:
        """Take the welcome, and what comes with it or before it."""
        for message in messages(frame):
            if message.get("type") != "welcome" or self.open:
                self._on_message_safely(message)
                continue
            try:
                self._on_welcome(message, token)
            except UNREADABLE as err:
                raise Unreadable("a welcome that this client cannot read") from err

    def _on_welcome(self, message: Json, token: str) -> None:
        self._context.limits = Limits.from_welcome(message)
        self._heartbeat = message["heartbeat_ms"] / 1000
        self._outgoing.begin()
        self._context.clock.start(message["time"])
        self._renewal.begin(token)
        self._heard_at = self._opened_at = self._loop.time()
        self._welcomed(message)

    def _on_frame(self, frame: bytes) -> None:
        self._worked = True
        self._heard_at = self._loop.time()
        for message in messages(frame):
            self._on_message_safely(message)

    def _on_message_safely(self, message: Json) -> None:
        try:
            self._on_message(message)
        except UNREADABLE:
            log.exception("a message that this client cannot read: %r", message.get("type"))

    def _on_message(self, message: Json) -> None:
        match message.get("type"):
            case "ack":
                self._context.commands.on_ack(message)
                self.wake()
            case "error":
                self._on_error(message)
            case "snapshot" | "resumed" | "diff" | "you" | "presence" | "unsubscribed":
                self.subscriptions.on_message(message)
            case "pong":
                self._context.clock.observe(message["time"])
            case "heartbeat":
                self._context.clock.observe(message["time"])
                self.subscriptions.compare(message["positions"])
            case "bye":
                self._bye = message
                self._outgoing.closed = True
                self._context.callbacks.call("bye", message)
            case "authenticated":
                self._renewal.on_answer(message)
            case _ if "ref" in message:
                self._context.queries.on_answer(message)
            case other:
                log.debug("a message of an unknown type: %r", other)

    def _on_error(self, message: Json) -> None:
        if "id" in message:
            if self._context.commands.on_error(message, self._loop.time()) is not None:
                self._token_expired()
            self.wake()
        elif self._renewal.on_answer(message) or self.subscriptions.on_error(message):
            return
        elif "ref" in message:
            self._context.queries.on_error(message, self._token_expired)
        else:
            error = from_message(message)
            if not self.open:
                self._refusal = error
            log.warning("the server says %s", error)
            self._context.callbacks.call("refused", error)

    # The token.

    def _token_expired(self) -> None:
        self._renewal.expired()
        self._outgoing.commands_held = True

    def _token_renewed(self) -> None:
        self._outgoing.commands_held = False
        self.wake()

    async def _renew(self) -> None:
        await self._renewal.run()
        self._final = AuthExpired("the token has expired, and there is no other")

    # The watch.

    async def _watch(self, link: ClientConnection) -> None:
        timeout = self._context.answer_timeout
        silence = MAX_SILENT_BEATS * self._heartbeat
        interval = min(WATCH_INTERVAL_S, silence / 5, timeout / 5)
        while True:
            due = time.time() + interval
            await asyncio.sleep(interval)
            now = self._loop.time()
            if now - self._heard_at > silence:
                self._silent = f"nothing was heard for {MAX_SILENT_BEATS} heartbeats"
            elif self._is_dead(now, jumped=abs(time.time() - due) > MAX_CLOCK_JUMP_S):
                self._silent = "a ping had no answer"
            if self._silent is not None:
                link.transport.abort()
                return
            if self._context.commands.retry_overdue(now, timeout):
                self.wake()
            if self._outgoing.has_messages:
                # A query may wait here for the server's rate. It must not be sent twice.
                continue
            self.subscriptions.retry_overdue(now, timeout)
            for body in self._context.queries.take_overdue(now, timeout):
                self.send_body(body)

    def _is_dead(self, now: float, *, jumped: bool) -> bool:
        """Ping the server if it may be out of reach. Return whether it did not answer a ping."""
        context = self._context
        if self._pinged_at is not None:
            limit = PING_TIMEOUT_S * 2 ** min(context.dead_pings, MAX_DOUBLINGS)
            if self._heard_at > self._pinged_at:
                self._pinged_at = None
                context.dead_pings = 0
            elif now - self._pinged_at > limit:
                context.dead_pings += 1
                return True
        elif jumped or self._is_answer_missing(now):
            self._pinged_at = now
            self._outgoing.send({"type": "ping"})
        return False

    def _is_answer_missing(self, now: float) -> bool:
        """Return whether something waits for an answer, and the server is silent."""
        if self._bye is not None or self._outgoing.has_messages:
            return False
        waits = (self._context.commands.waits_since(), self._context.queries.waits_since())
        since = min((moment for moment in waits if moment is not None), default=now)
        return now - max(since, self._heard_at) > ANSWER_CHECK_DELAY_S


def _abort(link: ClientConnection, task: asyncio.Task[object]) -> None:
    """End the socket of a task that ended by itself."""
    if not task.cancelled():
        link.transport.abort()
