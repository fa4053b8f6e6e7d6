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
                                 └─ DELAYED ◀┤  the server asked for a later try
                                    LOST ◀───┘  the connection of a ``once`` command broke
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
    LOST = enum.auto()
    """Sent on a connection that broke, and never to be sent again.

    The next connection asks the server what became of it.
    """
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
        "given_at",
        "internal_errors",
        "kept",
        "lifetime",
        "marked_sent",
        "number",
        "once",
        "ordering_key",
        "sent_at",
        "sent_earlier",
        "since",
        "state",
        "tries",
        "unknown_tries",
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
        self.once = command.once
        self.earlier_run = False
        """Whether an earlier client gave it."""
        self.sent_earlier = False
        """Whether an earlier client may have sent it."""
        self.kept = False
        """Whether the outbox has it."""
        self.marked_sent = False
        """Whether the outbox says that it may have been sent. It says so before it is sent."""
        self.lifetime: float | None = None
        """Seconds until its ``not_after``, if it was given before the server's clock was known."""
        self.given_at = asyncio.get_running_loop().time()
        self.tries = 0
        self.unknown_tries = 0
        """Tries without an answer, now or ever: each may have had an effect."""
        self.internal_errors = 0
        self.sent_at: float | None = None
        self.body = orjson.dumps(command.message())
        self.future: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        # asyncio logs an error that nobody retrieves, and perhaps no task waits for this one.
        self.future.add_done_callback(_retrieve_error)

    def __lt__(self, other: Entry) -> bool:
        return self.number < other.number

    @property
    def may_have_been_sent(self) -> bool:
        """Whether it may have been written to a connection, by an earlier client too."""
        return self.sent_earlier or self.tries > 0

    @property
    def may_have_effect(self) -> bool:
        """Whether a try may have reached the server and was not answered."""
        return self.sent_earlier or self.unknown_tries > 0

    def replace(self, command: Command) -> None:
        """Become ``command``, which has the same id. It must never have been sent."""
        self.command = command
        self.body = orjson.dumps(command.message())

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
            sent=self.may_have_been_sent,
            tries=self.tries,
            kept=self.kept,
        )


def ordering_key(command: Command) -> tuple[str, str] | None:
    """Return the event and the thing in it that a command is about.

    Commands with one key keep their order. ``None``: the order does not matter.
    """
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
