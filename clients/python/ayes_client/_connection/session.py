"""One socket, from its opening to its end: hello, what goes out, what comes in, and the watch.

connecting ──hello──▶ greeting ──welcome──▶ open ──▶ ended
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from ayes_client._connection.entering import Entering
from ayes_client._connection.parts import Parts
from ayes_client._connection.renewal import Renewal
from ayes_client._wire.address import is_loopback, origin
from ayes_client._wire.closes import is_final, reason
from ayes_client._wire.pace import Pace
from ayes_client.errors import AuthExpired, AyesError, Closed, LineError, from_message
from ayes_client.limits import Limits
from ayes_client.state import Json

log = logging.getLogger("ayes_client")

#: The protocol's name in the handshake.
SUBPROTOCOL = Subprotocol("ayes.v1")
#: Seconds for the handshake, and again for the welcome.
OPEN_SECONDS = 10.0
#: Seconds for the other side to close too, before the socket is cut.
CLOSE_SECONDS = 2.0
#: Bytes of the longest message taken: a snapshot with every window full is some 8 MB.
MOST_BYTES = 64 * 1024 * 1024
#: Heartbeats without any message until the line counts as dead.
SILENT_BEATS = 2.5
#: Characters of the reason why there is no connection: the other side may choose its words.
MAX_REASON_LENGTH = 200
#: Seconds between looks at what should have happened by now, at most.
LOOK_SECONDS = 1.0


#: What comes of a message that is not what it says it is.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)


class Redirected(OSError):
    """The server's address leads to another one; the client tries again, as after any failure."""


class Unreadable(Exception):
    """The other side does not speak this protocol, or not today."""


@dataclass(slots=True)
class Ended:
    """How a socket ended. ``error`` is final where ``final``, and else only the reason told."""

    error: AyesError | None = None
    final: bool = False
    why: str = ""
    retry_after: float | None = None
    lived: float = 0.0


class Session:
    """Of one client and one socket. ``welcomed`` is told of the welcome, once it is one."""

    def __init__(self, parts: Parts, welcomed: Callable[[Json], None]) -> None:
        self._parts = parts
        self._welcomed = welcomed
        self._loop = asyncio.get_running_loop()
        self._link: ClientConnection | None = None
        self._wake = asyncio.Event()
        self._say: deque[bytes] = deque()
        self._heard_at = self._loop.time()
        self._opened_at: float | None = None
        self._heartbeat = 20.0
        self._pace = Pace(1, 1, 0)
        self._bye: Json | None = None
        self._refusal: AyesError | None = None
        self._final: AyesError | None = None
        self._silent = False
        self.rooms = Entering(parts.rooms, self.say, self._token_expired)
        self._renewal = Renewal(parts.tokens, parts.new_backoff(), self.say, self.wake)

    @property
    def open(self) -> bool:
        """Whether the server said welcome, and nothing ended it since."""
        return self._opened_at is not None

    # From outside.

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def say(self, message: Json) -> None:
        """Send ``message`` on this socket, or never."""
        self.say_body(orjson.dumps(message))

    def say_body(self, body: bytes) -> None:
        """The same, of a message that is JSON already."""
        self._say.append(body)
        self._wake.set()

    # From the opening to the end.

    async def run(self) -> Ended:
        """Open, work, and end; raises nothing but cancellation and defects."""
        ended = Ended()
        try:
            token = await self._parts.tokens.ask()
        except AyesError as err:
            return Ended(error=err, final=True)
        except Exception as err:
            return Ended(why=f"no token: {err}")
        try:
            await self._converse(token)
        except ConnectionClosed:
            pass
        except AyesError as err:
            return Ended(error=err, final=True)
        except ImportError as err:
            # A proxy of a kind that needs a package which is not there.
            return Ended(error=LineError(str(err)), final=True)
        except TimeoutError:
            ended.why = "no answer in time"
        except (OSError, WebSocketException, Unreadable) as err:
            ended.why = (str(err) or type(err).__name__)[:MAX_REASON_LENGTH]
        finally:
            self.rooms.close()
        return self._epilogue(ended)

    def _epilogue(self, ended: Ended) -> Ended:
        code = None if self._link is None else self._link.close_code
        if self._silent:
            ended.why = f"nothing was heard for {SILENT_BEATS} heartbeats"
        elif self._link is not None:
            ended.why = ended.why or reason(code)
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
        elif isinstance(self._refusal, AuthExpired) and not self._parts.tokens.renewable:
            # The same token again would be refused again.
            ended.final = True
        return ended

    async def _converse(self, token: str) -> None:
        url = self._parts.url
        async with _Connect(
            url,
            subprotocols=[SUBPROTOCOL],
            proxy=None if is_loopback(url) else True,
            compression=None,
            open_timeout=OPEN_SECONDS,
            close_timeout=CLOSE_SECONDS,
            # The server's heartbeats say more than pings: they come from the application.
            ping_interval=None,
            max_size=MOST_BYTES,
        ) as link:
            self._link = link
            await link.send(orjson.dumps(self._hello(token)), text=True)
            async with asyncio.timeout(OPEN_SECONDS):
                while not self.open:
                    self._greet(await link.recv(decode=False), token)
            tasks = [
                asyncio.create_task(self._pump(link), name="ayes pump"),
                asyncio.create_task(self._watch(link), name="ayes watch"),
                asyncio.create_task(self._renew(), name="ayes renewals"),
            ]
            for task in tasks:
                task.add_done_callback(partial(_cut, link))
            try:
                while True:
                    self._hear(await link.recv(decode=False))
            finally:
                for task in tasks:
                    task.cancel()
                for result in await asyncio.gather(*tasks, return_exceptions=True):
                    if isinstance(result, Exception) and not isinstance(result, ConnectionClosed):
                        log.error("a defect of this client", exc_info=result)

    def _hello(self, token: str) -> Json:
        hello: Json = {"type": "hello", "token": token, "client": self._parts.client}
        if resume := self.rooms.resume():
            hello["resume"] = resume
        return hello

    def _greet(self, frame: bytes, token: str) -> None:
        """Whatever comes before the welcome, and the welcome itself."""
        for message in messages(frame):
            if message.get("type") != "welcome" or self.open:
                self._take_safely(message)
                continue
            try:
                self._welcome(message, token)
            except UNREADABLE as err:
                raise Unreadable("a welcome that this client cannot read") from err

    def _welcome(self, message: Json, token: str) -> None:
        limits = self._parts.limits = Limits.from_welcome(message)
        self._heartbeat = message["heartbeat_ms"] / 1000
        now = self._loop.time()
        self._pace = Pace(limits.commands_per_second, limits.burst, now)
        # Hello was one.
        self._pace.spend(1)
        self._renewal.begin(token, message["time"])
        self._heard_at = self._opened_at = self._loop.time()
        self._welcomed(message)

    # What goes out.

    async def _pump(self, link: ClientConnection) -> object:
        limits, flight = self._parts.limits, self._parts.flight
        while True:
            self._wake.clear()
            now = self._loop.time()
            allowed = min(self._pace.allowed(now), limits.batch)
            if self._bye is not None:
                # What is said now may never be read; the next socket says it.
                return await asyncio.Event().wait()
            bodies = self._words(allowed, limits.message_bytes)
            if not bodies and not self._renewal.holds:
                room = min(allowed, self._parts.in_flight - flight.inflight)
                entries = flight.take(now, most=room, most_bytes=limits.message_bytes)
                bodies = [entry.body for entry in entries]
            if bodies:
                self._pace.spend(len(bodies))
                frame = bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"
                await link.send(frame, text=True)
                continue
            wait = self._pace.wait() if allowed < 1 else None
            full = flight.inflight >= self._parts.in_flight
            if wait is None and not full and not self._renewal.holds:
                at = flight.next_at(now)
                wait = None if at is None else at - now
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    def _words(self, most: int, most_bytes: int) -> list[bytes]:
        """What waits to be said on this socket, as much as fits one frame."""
        taken: list[bytes] = []
        size = 2
        while self._say and len(taken) < most:
            size += len(self._say[0]) + 1
            if taken and size > most_bytes:
                break
            taken.append(self._say.popleft())
        return taken

    # What comes in.

    def _hear(self, frame: bytes) -> None:
        self._heard_at = self._loop.time()
        for message in messages(frame):
            self._take_safely(message)

    def _take_safely(self, message: Json) -> None:
        try:
            self._take(message)
        except UNREADABLE:
            log.exception("a message that this client cannot read: %r", message.get("type"))

    def _take(self, message: Json) -> None:
        match message.get("type"):
            case "ack":
                self._parts.flight.ack(message)
                self.wake()
            case "error":
                self._error(message)
            case "snapshot" | "resumed" | "diff" | "you" | "presence" | "unsubscribed":
                self.rooms.take(message)
            case "heartbeat":
                self.rooms.compare(message["positions"])
            case "bye":
                self._bye = message
                self._parts.callbacks.tell("bye", message)
            case "authenticated":
                self._renewal.answer(message)
            case _ if "ref" in message:
                self._parts.questions.answer(message)
            case other:
                log.debug("a message of a type unknown here: %r", other)

    def _error(self, message: Json) -> None:
        if "id" in message:
            if self._parts.flight.error(message, self._loop.time()) is not None:
                self._token_expired()
            self.wake()
        elif self._renewal.answer(message) or self.rooms.refuse(message):
            return
        elif "ref" in message:
            self._parts.questions.refuse(message, self._token_expired)
        else:
            error = from_message(message)
            if not self.open:
                self._refusal = error
            log.warning("the server says %s", error)
            self._parts.callbacks.tell("refused", error)

    def _token_expired(self) -> None:
        self._renewal.expired()

    async def _renew(self) -> None:
        await self._renewal.run()
        self._final = AuthExpired("the token has expired, and there is no other")

    # The watch.

    async def _watch(self, link: ClientConnection) -> None:
        patience = self._parts.answer_timeout
        silence = SILENT_BEATS * self._heartbeat
        pause = min(LOOK_SECONDS, silence / 5, patience / 5)
        while True:
            await asyncio.sleep(pause)
            now = self._loop.time()
            if now - self._heard_at > silence:
                self._silent = True
                link.transport.abort()
                return
            if self._parts.flight.overdue(now, patience):
                self.wake()
            if self._say:
                # What was asked may still be here, at the server's pace: not to be asked twice.
                continue
            self.rooms.overdue(now, patience)
            for body in self._parts.questions.overdue(now, patience):
                self.say_body(body)


class _Connect(connect):
    """``connect`` that follows no redirect to another origin.

    The token is in the first message, so another origin would get it. A redirect within the origin
    (another path) is followed.
    """

    def process_redirect(self, exc: Exception) -> Exception | str:
        """The address to follow, or the error to raise."""
        target = super().process_redirect(exc)
        if isinstance(target, str) and origin(target) != origin(self.uri):
            return Redirected(f"a redirect to another address is not followed: {_shown(target)}")
        return target


def _shown(url: str) -> str:
    """``url`` up to its path, for a message: what follows may be a secret, and is of any length."""
    scheme, host, port = origin(url)
    return f"{scheme}://{host}:{port}"


def _cut(link: ClientConnection, task: asyncio.Task[object]) -> None:
    """A task ended of itself: so does its socket."""
    if not task.cancelled():
        link.transport.abort()


def messages(frame: bytes) -> list[Json]:
    """The messages of a frame; what is none is logged and passed over."""
    try:
        content = orjson.loads(frame)
    except orjson.JSONDecodeError:
        log.warning("a frame that is no JSON")
        return []
    found = content if isinstance(content, list) else [content]
    return [message for message in found if isinstance(message, dict)]
