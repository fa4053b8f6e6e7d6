"""One node: the parts of a running server, and what they share."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from datetime import UTC, datetime

from handlers.commands import registry
from handlers.lanes.lanes import Lanes
from handlers.step import Actor
from persistence.database.batch_loader import Gather
from persistence.database.failures import Failures
from persistence.database.overload import unreachable
from persistence.database.pool import Database
from persistence.queries import reading
from protocol import PROTOCOL_VERSION, answers
from protocol.closes import CloseCode
from server.bus.memory import MemoryBus
from server.bus.port import Bus
from server.config.settings import Settings
from server.config.version import ayes_version
from server.identity.auth import Authenticator, Identity
from server.identity.revocations import Revocations
from server.limits.code_guesses import Guesses
from server.limits.connections import Crowd
from server.limits.cooldown import Cooldown
from server.limits.quotas import Quotas
from server.limits.reconnect_throttle import Offenders
from server.limits.user_rate import Paces
from server.rooms.registry import RoomRegistry
from server.services.freed_memory import FreedMemory
from server.services.gate import Gate
from server.services.previews import Previews
from server.services.pruning import Pruning
from server.services.streams import Streams
from server.services.timers import Timers
from server.sessions.keepalive import Pulse
from server.sessions.session import Session
from server.transport.large_answers import LargeAnswers
from server.transport.user_requests import UserRequests

log = logging.getLogger("ayes.node")

#: Users remembered as known to the database.
MOST_KNOWN_USERS = 100_000
#: Longest that a stop waits for accepted commands; they end within the lane's own budget.
FINISH_SECONDS = 10.0


class Node:
    """A server process: database, lanes, rooms, sessions."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        auth: Authenticator,
        bus: Bus | None = None,
    ) -> None:
        registry.check()
        self.settings = settings
        self.texts = settings.texts()
        self.limits = settings.domain()
        self.database = database
        self.auth = auth
        self.bus = bus or MemoryBus()
        self.cooldown = Cooldown()
        self.quotas = Quotas()
        self.previews = Previews()
        self.rooms = RoomRegistry(
            database, self.bus, self.cooldown, self.quotas, resume_steps=settings.resume_steps
        )
        self.revocations = Revocations(database, self._revoked)
        self.lanes = Lanes(database, self.rooms, self.limits, revoked=self.revocations.is_revoked)
        self.guesses = Guesses()
        self.gate = Gate(settings, database, self.lanes, self.guesses)
        self.paces = Paces(settings.commands_per_second, settings.commands_burst)
        self.crowd: Crowd[Session] = Crowd(settings, time.monotonic())
        self.requests = UserRequests(settings.connections_per_user)
        self.large_answers = LargeAnswers()
        self.offenders = Offenders(settings.admissions_per_second)
        self.draining = False
        self._empty = asyncio.Event()
        self._empty.set()
        self._kept: set[asyncio.Task[None]] = set()
        self._known: dict[str, str] = {}
        """User → name, as the database has it; the least recently used first."""
        self.streams = Streams()
        self._users: Gather[tuple[str, str], bool] = Gather(self._put_users)
        self._pulse = Pulse(self)
        self._timers = Timers(database, self.lanes)
        self._pruning = Pruning(database)
        self._freed_memory = FreedMemory()
        self.failures: list[Failures] = [
            *(
                part.failures
                for part in (
                    self._pulse.task,
                    self._timers.task,
                    self._pruning.task,
                    self._freed_memory.task,
                    self.revocations.task,
                    self.rooms.sweeper,
                )
            ),
            self.rooms.fills,
        ]
        """How the background work fares; the process adds its own."""
        self._version = ayes_version()

    async def start(self) -> None:
        """Open what is needed; raises where the database is out of reach."""
        await self.database.open()
        await self.revocations.start()
        self.auth.start()
        await self.rooms.start()
        self._pulse.task.start()
        self._timers.task.start()
        self._pruning.task.start()
        self._freed_memory.task.start()

    async def stop(self) -> None:
        """Finish what was accepted, then close."""
        self.draining = True
        await self._timers.task.stop()
        await self._pruning.task.stop()
        await self._freed_memory.task.stop()
        try:
            async with asyncio.timeout(FINISH_SECONDS):
                await asyncio.gather(*self._kept, return_exceptions=True)
                await self.lanes.drained()
        except TimeoutError:
            log.error("some commands did not end in time")
        await self._pulse.task.stop()
        await self.rooms.stop()
        await self.auth.stop()
        await self.revocations.stop()
        await self.database.close()

    async def drain(self) -> None:
        """Send the clients away, each at a moment of its own within the drain's window.

        Commands that were accepted end and are answered first; new ones get ``draining``.
        """
        self.draining = True
        loop = asyncio.get_running_loop()
        window = float(self.settings.drain_seconds)
        spread = min(window / 2, (len(self.sessions) + len(self.streams)) / 200)
        for session in self.sessions:
            moment = random.uniform(0, spread)  # noqa: S311 - spreads load
            loop.call_later(moment, self._send_away, session)
        for stream in self.streams:
            moment = random.uniform(0, spread)  # noqa: S311 - spreads load
            loop.call_later(moment, stream.leave)
        try:
            async with asyncio.timeout(window):
                await self.lanes.drained()
                await asyncio.gather(self._empty.wait(), asyncio.sleep(spread))
        except TimeoutError:
            log.warning("%d sockets are cut", len(self.sessions))
            for session in tuple(self.sessions):
                session.wire.abort()

    def _send_away(self, session: Session) -> None:
        if session.inflight and session in self.sessions:
            # Its last answers first.
            asyncio.get_running_loop().call_later(0.01, self._send_away, session)
            return
        session.bye(
            CloseCode.DRAINING,
            retry_after_ms=self.retry_after_ms(),
            message="the server is going away",
        )

    def retry_after_ms(self) -> int:
        """When a client of a server that goes away should come back: each at its own moment."""
        return random.randint(100, 2_000)  # noqa: S311 - spreads load

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold a task that nobody else does until it ends."""
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    # Sessions.

    @property
    def sessions(self) -> set[Session]:
        """All open sockets."""
        return self.crowd.sessions

    def open(self, session: Session) -> None:
        """Count a socket that has just been accepted."""
        self.crowd.enter(session, time.monotonic())
        self._empty.clear()

    def forget(self, session: Session) -> None:
        """A socket is gone."""
        self.crowd.leave(session, session.identity.actor.user if session.identity else None)
        if not self.sessions:
            self._empty.set()

    def admit(self, session: Session, identity: Identity) -> bool:
        """Whether this user may have one more socket; if so, it is counted as theirs."""
        if not self.crowd.name(session, identity.actor.user):
            return False
        session.identity = identity
        session.wire.stay()
        self.offenders.note_named(session.address)
        return True

    def identify(self, token: str) -> Identity:
        """Who ``token`` speaks for: ``Authenticator.check``, and ``Revoked``."""
        identity = self.auth.check(token)
        self.revocations.check(identity)
        return identity

    async def identify_patiently(self, token: str) -> Identity:
        """The same, but a key that is not at hand is waited for, for a moment."""
        identity = await self.auth.check_patiently(token)
        self.revocations.check(identity)
        return identity

    def _revoked(self, user: str) -> None:
        """Close the sockets that a revoked token holds open, and have its streams look."""
        self.streams.wake(user)
        closed = 0
        for session in self.crowd.of(user):
            if session.is_revoked():
                session.close(CloseCode.REVOKED)
                closed += 1
        if closed:
            log.info("access revoked: %d sockets closed", closed)

    async def know_user(self, actor: Actor) -> None:
        """Make the user's row the first time they are seen, in a transaction of its own."""
        if (known := self._known.pop(actor.user, None)) == actor.name:
            # Put behind all others: the least recently used goes first.
            self._known[actor.user] = known
            return
        try:
            await self._users.ask((actor.user, actor.name))
        except Exception as err:
            raise unreachable(err) from err
        self._known.pop(actor.user, None)
        while len(self._known) >= MOST_KNOWN_USERS:
            del self._known[next(iter(self._known))]
        self._known[actor.user] = actor.name

    async def _put_users(self, keys: list[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        await reading.put_users(self.database, dict(keys))
        return dict.fromkeys(keys, True)

    def welcome(self, session: Session, identity: Identity, ref: str | int | None) -> bytes:
        """The ``welcome`` of a session."""
        settings = self.settings
        limits = {
            name: getattr(settings, name)
            for name in ("message_bytes", "batch", "inflight", "subscriptions")
        }
        limits["commands_per_second"] = settings.commands_per_second
        limits["burst"] = settings.commands_burst
        return answers.reply(
            "welcome",
            ref,
            session=session.id,
            user={"id": identity.actor.user, "name": identity.actor.name},
            time=answers.timestamp(datetime.now(UTC)),
            heartbeat_ms=settings.heartbeat_ms,
            limits=limits,
            server={"version": self._version, "protocol": PROTOCOL_VERSION},
        )

    async def is_ready(self) -> bool:
        """Whether a load balancer should send clients here."""
        if self.draining:
            return False
        try:
            async with asyncio.timeout(2.0):
                await reading.clock(self.database)
        except Exception as err:
            log.info("not ready: %r", err)
            return False
        return True
