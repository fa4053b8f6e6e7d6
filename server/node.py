"""One node: builds the parts of a running server, wires them, starts and stops them."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final, Protocol

from handlers.commands import registry
from handlers.lanes.batch_end import TransactionObserver
from handlers.lanes.lanes import Lanes
from persistence.database.failures import Failures
from persistence.database.pool import Database
from persistence.event.limits import RULES
from persistence.queries.server_keys import shared_key
from server.bus.living_nodes import LivingNodes
from server.bus.memory import MemoryBus
from server.bus.port import Bus
from server.bus.seal import BUS_KEY
from server.config.settings import Settings
from server.config.version import ayes_version
from server.homes.homes import Homes
from server.identity.auth import Authenticator
from server.identity.entry import ENTRY_KEY
from server.identity.origins import Origins
from server.identity.revocations import Revocations
from server.limits.churn import Churn
from server.limits.code_guesses import CodeGuessLimiter
from server.limits.connections import ConnectionRegistry, Places
from server.limits.quotas import Quotas
from server.limits.reconnect_throttle import ReconnectThrottle
from server.limits.user_rate import UserRateLimiter
from server.limits.work_throttle import WorkThrottle
from server.measures.counters import Counters
from server.measures.database import DatabaseStatistics
from server.measures.event_loop import EventLoopMonitor
from server.rooms.registry import RoomRegistry
from server.services.command_router import CommandObserver, CommandRouter
from server.services.draining import Draining
from server.services.freed_memory import FreedMemory
from server.services.identities import Identities
from server.services.pruning import Pruning
from server.services.queries import Queries
from server.services.running_tasks import RunningTasks
from server.services.streams import Streams
from server.services.timers import Timers
from server.services.users import Users
from server.sessions.context import SessionContext
from server.sessions.keepalive import Keepalive
from server.sessions.open_sockets import OpenSocket, OpenSockets
from server.totals.shared_guesses import SharedGuesses
from server.totals.shared_usage import SharedUsage
from server.transport.large_answers import LargeAnswers
from server.transport.user_requests import UserRequests

log = logging.getLogger("ayes.node")


class Observer(CommandObserver, TransactionObserver, Protocol):
    """Observes commands, and the transactions between their receipt and their answer."""


#: Longest that a stop waits for accepted commands; beyond it the stop goes on and logs this. Their
#: lanes give up earlier, after ``COMMAND_TIMEOUT_S``.
FINISH_TIMEOUT_S: Final = 10.0


class Node:
    """The parts of one server process. It decides nothing itself."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        auth: Authenticator,
        bus: Bus | None = None,
    ) -> None:
        registry.check()
        limits = settings.domain()
        self.settings = settings
        self.counters = Counters()
        self.event_loop = EventLoopMonitor()
        self.statistics = DatabaseStatistics(database)
        self.texts = settings.texts()
        self.database = database
        self.auth = auth
        self.bus = bus or MemoryBus()
        # Nodes decide for each other only under the same rules and the same code.
        self.nodes = LivingNodes(self.bus, f"{ayes_version()} {RULES}")
        self.draining = Draining()
        self.work_throttle = WorkThrottle()
        self.quotas = Quotas()
        self.user_rates = UserRateLimiter(settings.commands_per_second, settings.commands_burst)
        self.requests = UserRequests(settings.connections_per_user)
        self.large_answers = LargeAnswers()
        self.rooms = RoomRegistry(
            database,
            self.bus,
            self.work_throttle,
            self.quotas,
            resume_steps=settings.resume_steps,
            counters=self.counters,
        )
        self.revocations = Revocations(database, self._revoked)
        self.lanes = Lanes(
            database, self.rooms, limits, revoked=self.revocations.is_revoked, moved=self._moved
        )
        churn = Churn(settings)
        self.homes = Homes(
            self.bus,
            self.nodes,
            self.lanes,
            self.rooms.is_watched_elsewhere,
            charge=churn.charge,
        )
        self.nodes.on_change = self._nodes_changed
        self.identities = Identities(auth, self.revocations)
        self.users = Users(database)
        self.streams = Streams()
        guesses = CodeGuessLimiter()
        self.shared_guesses = SharedGuesses(self.bus, self.nodes)
        self.shared_guesses.share("user", guesses)
        self.entry = auth.entry
        self.commands = CommandRouter(
            settings, database, self.homes, guesses, churn, self.entry, self.counters
        )
        self.queries = Queries(
            database,
            self.homes,
            limits,
            guesses=guesses,
            quotas=self.quotas,
            work_throttle=self.work_throttle,
            entry=self.entry,
        )
        self.connections = ConnectionRegistry[OpenSocket](settings, time.monotonic())
        self.reconnects = ReconnectThrottle(settings.admissions_per_second)
        self.sockets = OpenSockets(self.connections, self.reconnects, self.draining, settings)
        self.shared_usage = SharedUsage(
            self.bus, self.nodes, self.connections, self.quotas, self._close_newest
        )
        self.origins = Origins(settings)
        self._running = RunningTasks()
        self.context = SessionContext(
            settings=settings,
            counters=self.counters,
            texts=self.texts,
            version=ayes_version(),
            sockets=self.sockets,
            origins=self.origins,
            identities=self.identities,
            users=self.users,
            commands=self.commands,
            queries=self.queries,
            rooms=self.rooms,
            quotas=self.quotas,
            shared_usage=self.shared_usage,
            large_answers=self.large_answers,
            draining=self.draining,
            running=self._running,
        )
        self._keepalive = Keepalive(settings, self.sockets.all, self.rooms.presence)
        self._timers = Timers(database, self.lanes)
        self.pruning = Pruning(database)
        self._freed_memory = FreedMemory()
        self.failures: list[Failures] = [
            *(
                part.failures
                for part in (
                    self._keepalive.task,
                    self._timers.task,
                    self.pruning.task,
                    self._freed_memory.task,
                    self.statistics.task,
                    self.revocations.task,
                    self.rooms.sweeper,
                    self.nodes.task,
                    self.shared_usage.task,
                )
            ),
            self.rooms.filler.failures,
        ]
        """How the background work fares; the process adds its own."""

    def observe(self, traces: Observer | None, command_log: CommandObserver | None) -> None:
        """Let these observe the commands, and ``traces`` the transactions as well."""
        self.commands.observers = (
            tuple(each for each in (traces, command_log) if each is not None) or None
        )
        self.lanes.end.observer = traces

    async def start(self) -> None:
        """Start the parts; raises if the database is out of reach."""
        await self.database.open()
        self.entry.use(await shared_key(self.database, ENTRY_KEY))
        self.bus.use_key(await shared_key(self.database, BUS_KEY))
        await self.revocations.start()
        self.auth.start()
        await self.rooms.start()
        if self.settings.forward == "on":
            self.homes.start()
        self.nodes.start()
        self.shared_guesses.start()
        self.shared_usage.start()
        self._keepalive.task.start()
        self._timers.task.start()
        self.pruning.task.start()
        self._freed_memory.task.start()
        self.statistics.task.start()
        self.event_loop.start()

    async def drain(self) -> None:
        """Give up the homes of events, and send the clients away; see ``OpenSockets.drain``."""
        self.nodes.leave()
        await self.sockets.drain(self.homes, self.streams)

    async def stop(self) -> None:
        """Finish the commands that were accepted, then stop the parts."""
        self.draining.begin()
        self.nodes.leave()
        await self._timers.task.stop()
        await self.pruning.task.stop()
        await self._freed_memory.task.stop()
        await self.statistics.task.stop()
        self.event_loop.stop()
        try:
            async with asyncio.timeout(FINISH_TIMEOUT_S):
                await self._running.ended()
                await self.homes.drained()
        except TimeoutError:
            log.error("some commands did not end in time")
        await self._keepalive.task.stop()
        self.homes.stop()
        await self.shared_usage.task.stop()
        await self.nodes.stop()
        await self.rooms.stop()
        await self.auth.stop()
        await self.revocations.stop()
        await self.database.close()

    def _nodes_changed(self) -> None:
        self.homes.nodes_changed()
        self.lanes.share_database(bool(self.nodes.others))

    def _moved(self, event: str) -> None:
        self.homes.moved(event)

    def _close_newest(self, user: str, places: Places) -> None:
        """Close so many of the user's sockets and streams."""
        self.sockets.close_newest(user, places.sockets)
        self.streams.end_newest(user, places.streams)

    def _revoked(self, user: str) -> None:
        """Close the user's sockets with a revoked token, and have the user's streams check."""
        self.streams.wake(user)
        self.sockets.close_revoked(user)
