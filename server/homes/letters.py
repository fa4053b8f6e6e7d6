"""Letters from node to node: commands for events at home there, and answers.

The bus seals a letter for its channel. So what is read here was written by a node of the same
database, to this node. Whether it comes again, late or out of order is the readers' to find out:
``Incoming`` and ``Outgoing`` number what they send.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from handlers.lanes.decide import ENTROPY_BYTES, Answer, Reply, Submission
from handlers.step import Actor
from protocol.commands import COMMANDS, Command, event_of
from protocol.errors import ErrorCode
from server.bus.letters import decoded
from server.bus.living_nodes import NodeName

#: Bytes of a letter from which on the rest goes with the next one. A letter is encoded, sealed and
#: read at once, so this bounds how long the event loop stands still.
LETTER_BYTES: Final = 256 * 1024


#: An event's id on the wire; longer ones are no ids.
EventName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]


class ForwardedCommand(msgspec.Struct, array_like=True, frozen=True):
    """A command, its sender as checked by the socket's node, and the randomness it decides with.

    A guest's token is good for one event; its node has refused any other.
    """

    event: str
    payload: bytes
    user: str
    name: str
    entropy: Annotated[bytes, Meta(min_length=ENTROPY_BYTES, max_length=ENTROPY_BYTES)]
    expires: datetime
    issued: datetime | None


class Commands(msgspec.Struct, array_like=True, frozen=True):
    """Commands in the order sent; ``first`` is the number of the first one in its ``stream``."""

    stream: int
    first: int
    commands: list[ForwardedCommand]


class ForwardedAnswer(msgspec.Struct, array_like=True, frozen=True):
    """The answer to the command ``number`` of a stream."""

    number: int
    message: bytes
    error: str | None
    is_only_user: bool
    """Whether no other node uses the event: its next command need not be forwarded."""


class Answers(msgspec.Struct, array_like=True, frozen=True):
    """Answers in any order, and how far the commands of ``stream`` have come."""

    stream: int
    number: int
    received: int
    """The number of the last command that came."""
    is_broken: bool
    """Whether a command is missing: none of the stream is taken any more."""
    answers: list[ForwardedAnswer]


class Letter(msgspec.Struct, array_like=True, frozen=True):
    """From ``node``, written when its clock showed ``at``."""

    node: NodeName
    at: float
    commands: Commands | None
    answers: Answers | None
    used: list[EventName] = []
    """Events that ``node`` uses, and takes their home to be the reader."""
    shared: list[EventName] = []
    """Events that the reader and another node use."""


_letters = msgspec.msgpack.Decoder(Letter)
_encoder = msgspec.msgpack.Encoder()
_union: Any = COMMANDS[0]
for _kind in COMMANDS[1:]:
    _union |= _kind
_commands: msgspec.json.Decoder[Command] = msgspec.json.Decoder(_union)


def channel_to(node: str) -> str:
    """Return the channel of the letters to ``node``."""
    return f"node:{node}"


def encode_letter(letter: Letter) -> bytes:
    """Return a letter as it is sent, in the encoding that ``decode_letter`` reads."""
    return _encoder.encode(letter)


def decode_letter(text: bytes) -> Letter | None:
    """Return the letter; ``None`` if it is none."""
    return decoded(_letters, text)


def forwarded(event: str, submission: Submission) -> ForwardedCommand:
    """Return a submission as it is forwarded; it must be a client's."""
    assert submission.expires is not None
    user, name = submission.actor
    return ForwardedCommand(
        event,
        submission.payload,
        user,
        name,
        submission.entropy,
        submission.expires,
        submission.issued,
    )


def submission_of(command: ForwardedCommand, reply: Reply) -> Submission:
    """Return the submission again: its command, sender and randomness are the same.

    Raises ``msgspec.DecodeError`` or ``ValueError`` for a defect of the node that sent it.
    """
    found = _commands.decode(command.payload)
    if event_of(found) not in (None, command.event):
        raise ValueError("the command is for another event")
    return Submission(
        found,
        Actor(command.user, command.name),
        entropy=command.entropy,
        reply=reply,
        expires=command.expires,
        issued=command.issued,
        payload=command.payload,
    )


def forwarded_answer(number: int, answer: Answer, *, is_only_user: bool) -> ForwardedAnswer:
    """Return an answer as it is sent back."""
    error = None if answer.error is None else answer.error.value
    return ForwardedAnswer(number, answer.message, error, is_only_user)


def answer_of(answer: ForwardedAnswer) -> Answer:
    """Return the answer; raises ``ValueError`` for an error that there is not."""
    return Answer(answer.message, None if answer.error is None else ErrorCode(answer.error))
