"""What is sent and what comes of it: commands, acks, outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ayes_client.errors import AyesError
from ayes_client.ids import new_id
from ayes_client.state import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something to be done once. ``args`` are the fields beside type, id and event.

    Two of the same ``id`` are the same command: send it again until it is answered.
    """

    type: str
    event: str | None = None
    args: Json = field(default_factory=dict)
    id: str = field(default_factory=new_id)

    def message(self) -> Json:
        """The command as it goes over the wire."""
        event = {} if self.event is None else {"event": self.event}
        return {"type": self.type, "id": self.id, **event, **self.args}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """A command was decided, and is durable.

    ``seq`` is its place in the event's journal and ``hash`` seals that line. ``applied`` is false
    where there was nothing to change. ``replayed``: this id was answered before, with this ack.
    """

    id: str
    event: str
    seq: int
    hash: str
    applied: bool
    replayed: bool
    result: Json

    @classmethod
    def from_message(cls, message: Json) -> Ack:
        """The ack that the server says."""
        return cls(
            id=message["id"],
            event=message["event"],
            seq=message["seq"],
            hash=message["hash"],
            applied=message["applied"],
            replayed=message["replayed"],
            result=message["result"],
        )

    def to_dict(self) -> Json:
        """The ack as the server words it, for JSON output."""
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
    """What became of a command of a batch: an ack or an error, never both."""

    command: Command
    ack: Ack | None
    error: AyesError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A command that waits for its answer.

    ``since``: seconds since the epoch, when it was given. ``sent``: whether it was ever written to
    a socket of this client. ``tries``: how often.
    """

    id: str
    type: str
    event: str | None
    args: Json
    since: float
    sent: bool
    tries: int


def command_from(message: Json) -> Command:
    """The command of a wire message, the other way round."""
    rest: dict[str, Any] = dict(message)
    return Command(
        type=rest.pop("type"), id=rest.pop("id"), event=rest.pop("event", None), args=rest
    )
