"""Questions that have no answer yet: asked again after a lost line, keyed by ``ref``."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import orjson

from ayes_client._wire.backoff import MOST_INTERNAL, Backoff
from ayes_client.errors import AyesError, Busy, from_message
from ayes_client.state import Json

#: Questions without an answer that one client holds. Who asks more has lost count of them, and a
#: wait would only hide it: the next one is refused.
MOST_OPEN = 10_000
#: Seconds until a question is asked again at the soonest, where the server names no time.
AGAIN_SECONDS = 0.1
#: The same, where a new token is needed first.
NEW_TOKEN_SECONDS = 1.0


class Question:
    """A question, and the future that its answer settles."""

    __slots__ = ("asked_at", "backoff", "body", "future", "internal")

    def __init__(self, message: Json, backoff: Backoff) -> None:
        self.body = orjson.dumps(message)
        self.future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self.asked_at: float | None = None
        self.backoff = backoff
        self.internal = 0


class Questions:
    """``say`` sends a body on the present socket, if there is one; whether it did."""

    def __init__(self, say: Callable[[bytes], bool], new_backoff: Callable[[], Backoff]) -> None:
        self._say = say
        self._new_backoff = new_backoff
        self._refs = itertools.count(1)
        self._waiting: dict[str, Question] = {}

    async def ask(self, message: Json) -> Json:
        """The answer; raises the error that refuses it, ``Busy`` where ``MOST_OPEN`` have none.

        Given up where the wait is cancelled.
        """
        if len(self._waiting) >= MOST_OPEN:
            why = f"{MOST_OPEN} questions wait without an answer"
            raise Busy(why, details={"limit": MOST_OPEN})
        ref = f"q-{next(self._refs)}"
        question = Question({**message, "ref": ref}, self._new_backoff())
        self._waiting[ref] = question
        try:
            self._ask(question)
            return await question.future
        finally:
            self._waiting.pop(ref, None)

    def again(self) -> None:
        """A new socket: ask everything on it."""
        for question in self._waiting.values():
            self._ask(question)

    def overdue(self, now: float, patience: float) -> list[bytes]:
        """Bodies of what was asked ``patience`` seconds ago, to be asked again."""
        late = [
            question
            for question in self._waiting.values()
            if question.asked_at is not None and question.asked_at + patience <= now
        ]
        for question in late:
            question.asked_at = now
        return [question.body for question in late]

    def lost(self) -> None:
        """The line broke."""
        for question in self._waiting.values():
            question.asked_at = None

    def answer(self, message: Json) -> None:
        """An answer came."""
        question = self._waiting.pop(str(message["ref"]), None)
        if question is not None and not question.future.done():
            del message["ref"]
            question.future.set_result(message)

    def refuse(self, message: Json, expired: Callable[[], None]) -> None:
        """An error came; ``expired`` is called where it is the token's fault."""
        question = self._waiting.get(str(message["ref"]))
        if question is None:
            return
        error = from_message(message)
        if error.code == "internal":
            question.internal += 1
        if error.retry in ("same", "auth") and question.internal < MOST_INTERNAL:
            wait = AGAIN_SECONDS
            if error.retry == "auth":
                wait = NEW_TOKEN_SECONDS
                expired()
            elif error.retry_after_ms is not None:
                wait = error.retry_after_ms / 1000
            else:
                wait = max(AGAIN_SECONDS, question.backoff.next())
            question.asked_at = None
            asyncio.get_running_loop().call_later(wait, self._ask_again, str(message["ref"]))
        elif not question.future.done():
            question.future.set_exception(error)

    def end(self, make: Callable[[], AyesError]) -> None:
        """Every question ends with an error."""
        for question in self._waiting.values():
            if not question.future.done():
                question.future.set_exception(make())
        self._waiting.clear()

    def _ask(self, question: Question) -> None:
        if self._say(question.body):
            question.asked_at = asyncio.get_running_loop().time()

    def _ask_again(self, ref: str) -> None:
        question = self._waiting.get(ref)
        if question is not None and question.asked_at is None:
            self._ask(question)
