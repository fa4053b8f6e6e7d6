"""Another node's commands that are decided here, and their answers on the way back."""

from __future__ import annotations

from collections import deque
from typing import Final

from server.homes.letters import LETTER_BYTES, Answers, Commands, ForwardedAnswer

#: Seconds between two letters to a node whose commands wait here. It takes them back after several
#: of these without a word.
RECEIPT_INTERVAL_S: Final = 0.2
#: Bytes that an answer takes in a letter in addition to its message.
_OVERHEAD_BYTES: Final = 24


class Incoming:
    """The commands of one node.

    A stream begins with number 1, and each command has the next number. What does not follow is
    refused: it comes again, or out of order, or something before it was lost. A stream that was
    refused once, or followed by a newer one, is refused for good.
    """

    def __init__(self) -> None:
        self.waiting = 0
        """Commands of the current stream without an answer."""
        self.written_at = 0.0
        """When the last letter to this node was written."""
        self._stream = 0
        self._received = 0
        self._is_broken = False
        self._letters = 0
        self._answers: deque[ForwardedAnswer] = deque()
        self._is_due = False

    def accept(self, commands: Commands) -> int | None:
        """Return the stream of commands that are to be decided; ``None`` if they are refused."""
        if commands.stream > self._stream:
            self._stream = commands.stream
            self._received = self._letters = self.waiting = 0
            self._is_broken = False
            self._answers.clear()
        elif commands.stream < self._stream:
            return None
        if self._is_broken or commands.first <= self._received:
            return None
        if commands.first != self._received + 1:
            self.refuse()
            return None
        self._received += len(commands.commands)
        self.waiting += len(commands.commands)
        return self._stream

    def refuse(self) -> None:
        """Refuse the current stream from now on, and let its node know."""
        self._is_broken = True
        self._is_due = True

    def answer(self, stream: int, answer: ForwardedAnswer) -> bool:
        """Send an answer with the next letter; ``False`` if nobody waits for it any more."""
        if stream != self._stream:
            return False
        self.waiting -= 1
        self._answers.append(answer)
        return True

    def remind(self) -> None:
        """Confirm with the next letter what came, answers or not."""
        self._is_due = True

    @property
    def has_unsent(self) -> bool:
        """Whether something waits for a letter."""
        return self._is_due or bool(self._answers)

    def take(self, now: float) -> Answers | None:
        """Return what goes with the next letter; ``None`` if there is nothing."""
        if not self.has_unsent:
            return None
        taken, size = [], 0
        while self._answers and size < LETTER_BYTES:
            answer = self._answers.popleft()
            size += len(answer.message) + _OVERHEAD_BYTES
            taken.append(answer)
        self._is_due = False
        self._letters += 1
        self.written_at = now
        return Answers(self._stream, self._letters, self._received, self._is_broken, taken)
