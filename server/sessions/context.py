"""The parts of the node that a session uses; ``server/node.py`` puts them together."""

from __future__ import annotations

from dataclasses import dataclass

from protocol.fields import TextLimits
from server.config.settings import Settings
from server.identity.origins import Origins
from server.limits.quotas import Quotas
from server.measures.counters import Counters
from server.rooms.registry import RoomRegistry
from server.services.command_router import CommandRouter
from server.services.draining import Draining
from server.services.identities import Identities
from server.services.queries import Queries
from server.services.running_tasks import RunningTasks
from server.services.users import Users
from server.sessions.open_sockets import OpenSockets
from server.totals.shared_usage import SharedUsage
from server.transport.large_answers import LargeAnswers


@dataclass(frozen=True, slots=True)
class SessionContext:
    """Shared by all sessions of a node."""

    settings: Settings
    counters: Counters
    texts: TextLimits
    version: str
    """The server's version, for ``welcome``."""
    sockets: OpenSockets
    origins: Origins
    identities: Identities
    users: Users
    commands: CommandRouter
    queries: Queries
    rooms: RoomRegistry
    quotas: Quotas
    shared_usage: SharedUsage
    large_answers: LargeAnswers
    draining: Draining
    running: RunningTasks
