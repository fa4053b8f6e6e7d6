"""A command, and what becomes of it: pending, acked, refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypedDict, cast

from ayes_client.errors import AyesError
from ayes_client.ids import new_id
from ayes_client.state import Json

if TYPE_CHECKING:
    # Type checkers bring it; it is no dependency. Without a parameter, an ack has any result.
    from typing_extensions import TypeVar

    ResultT_co = TypeVar("ResultT_co", covariant=True, default=Json)
else:
    from typing import TypeVar

    ResultT_co = TypeVar("ResultT_co", covariant=True)


class CommandOptions(TypedDict, total=False):
    """Options of each command; see ``Client.command``."""

    id: str | None
    not_after: datetime | float | None
    once: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something to be done once. ``args`` are the fields other than type, id and event.

    The same ``id`` means the same command: it takes effect once, however often it is sent.
    ``not_after``: past that time it has no effect, and is refused with ``TooLate``. A time with a
    zone, or seconds from when it is given, by the server's clock. ``once``: no later connection
    sends it.
    """

    type: str
    event: str | None = None
    args: Json = field(default_factory=dict)
    id: str = field(default_factory=new_id)
    not_after: datetime | float | None = None
    once: bool = False

    def message(self) -> Json:
        """Return the command as it goes over the wire: ``{"type", "id", "event", …args}``."""
        event = {} if self.event is None else {"event": self.event}
        return {"type": self.type, "id": self.id, **event, **self.args}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack(Generic[ResultT_co]):
    """A command was decided, and is durable.

    ``seq`` is its place in the event's journal, and ``hash`` seals that entry. ``applied`` is false
    if there was nothing to change. ``replayed``: this id was answered before, with this ack.
    """

    id: str
    event: str
    seq: int
    hash: str
    applied: bool
    replayed: bool
    result: ResultT_co

    @classmethod
    def from_message(cls, message: Json) -> Ack[ResultT_co]:
        """Make an ack from the server's message."""
        return cls(
            id=message["id"],
            event=message["event"],
            seq=message["seq"],
            hash=message["hash"],
            applied=message["applied"],
            replayed=message["replayed"],
            result=cast(ResultT_co, message["result"]),
        )

    def to_dict(self) -> Json:
        """Return the ack as the server sends it, for JSON output."""
        return {
            "type": "ack",
            "id": self.id,
            "event": self.event,
            "seq": self.seq,
            "hash": self.hash,
            "applied": self.applied,
            "replayed": self.replayed,
            "result": self.result,
        }


class Outcome(NamedTuple):
    """The result of one command of a batch: an ack or an error, never both."""

    command: Command
    ack: Ack | None
    error: AyesError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A command that no room shows yet.

    ``since``: when it was given, in seconds since the epoch. ``sent``: whether it may have been
    written to a socket, by an earlier client too; if false, it never left. ``tries``: how often
    this client wrote it. ``kept``: whether the outbox has it. ``seq``: the position that it was
    acked at, and that its room has not reached yet; ``None`` before the ack.
    """

    id: str
    type: str
    event: str | None
    args: Json
    since: float
    sent: bool
    tries: int
    kept: bool = False
    seq: int | None = None


def command_from(message: Json) -> Command:
    """Make a command from its wire message."""
    rest: dict[str, Any] = dict(message)
    return Command(
        type=rest.pop("type"), id=rest.pop("id"), event=rest.pop("event", None), args=rest
    )
