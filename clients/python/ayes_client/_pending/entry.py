"""One command without an answer: its state, its owner, and the future of its answer."""

from __future__ import annotations

import asyncio
import enum

import orjson

from ayes_client._wire.backoff import Backoff
from ayes_client._wire.jwt import OPAQUE
from ayes_client.command import Ack, Command, Pending


class EntryState(enum.Enum):
    """How far a command is.

    ::

        UNKEPT ──▶ BLOCKED ──▶ READY ──▶ IN_FLIGHT ──▶ ENDED
                                 ▲ ▲         │
                                 │ └─────────┤  the connection broke
                                 └─ DELAYED ◀┘  the server asked for a later try
    """

    UNKEPT = enum.auto()
    """Not in the outbox yet. It must not be sent."""
    BLOCKED = enum.auto()
    """Kept. An older command about the same thing has no answer yet."""
    READY = enum.auto()
    """To be sent, the oldest first."""
    DELAYED = enum.auto()
    """To be sent again at a later time."""
    IN_FLIGHT = enum.auto()
    """Sent on this connection, without an answer yet."""
    ENDED = enum.auto()
    """Answered, refused or given up."""


class Entry:
    """A pending command. ``CommandQueue`` alone changes its state."""

    __slots__ = (
        "backoff",
        "body",
        "command",
        "earlier_run",
        "future",
        "internal_errors",
        "number",
        "ordering_key",
        "sent_at",
        "since",
        "state",
        "tries",
        "user",
    )

    def __init__(self, number: int, command: Command, *, since: float, backoff: Backoff) -> None:
        self.number = number
        self.command = command
        self.ordering_key = ordering_key(command)
        self.since = since
        self.backoff = backoff
        self.state = EntryState.UNKEPT
        self.user: str | None = None
        """The user whose command it is; ``None`` before there is a token."""
        self.earlier_run = False
        """Whether an outbox had it: an earlier client may have sent it."""
        self.tries = 0
        self.internal_errors = 0
        self.sent_at: float | None = None
        self.body = orjson.dumps(command.message())
        self.future: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        # An error is retrieved here, since no task may wait for it.
        self.future.add_done_callback(_retrieve_error)

    def __lt__(self, other: Entry) -> bool:
        return self.number < other.number

    @property
    def may_be_sent(self) -> bool:
        """Whether it was ever written to a connection, as far as this client knows."""
        return self.earlier_run or self.tries > 0

    def has_opaque_owner(self) -> bool:
        """Whether its owner is only a digest of this run's token.

        The next welcome names the user.
        """
        return not self.earlier_run and self.user is not None and self.user.startswith(OPAQUE)

    def pending(self) -> Pending:
        """The command as users see it."""
        return Pending(
            id=self.command.id,
            type=self.command.type,
            event=self.command.event,
            args=self.command.args,
            since=self.since,
            sent=self.may_be_sent,
            tries=self.tries,
        )


def ordering_key(command: Command) -> tuple[str, str] | None:
    """The thing that a command is about; ``None`` if its order among others does not matter."""
    if command.event is None:
        return None
    proposal = command.args.get("proposal")
    if isinstance(proposal, str):
        return command.event, proposal
    family = command.type.partition(".")[0]
    return (command.event, family) if family in ("ballot", "event") else None


def _retrieve_error(future: asyncio.Future[Ack]) -> None:
    if not future.cancelled():
        future.exception()
