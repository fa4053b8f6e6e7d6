"""The commands that have no answer yet, and which of them is to be sent next.

    given ──▶ kept ──▶ ready ──▶ in flight ──▶ answered
                         ▲           │
                         └───────────┘   the line broke, or "the same id again, please"

``kept``: written to the outbox, where there is one; nothing is sent before. The oldest ready one
goes first, and of those about one thing only the oldest goes at all, until it has its answer: a
vote that is put off is never overtaken by its own retraction. Nothing here waits or writes: the
clock is passed in, and ``Session`` sends.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable

import orjson

from ayes_client._wire.backoff import MOST_INTERNAL, Backoff
from ayes_client._wire.jwt import OPAQUE
from ayes_client.command import Ack, Command, Pending
from ayes_client.errors import AyesError, IdConflict, Stopped, TooLarge, from_message
from ayes_client.state import Json

#: Seconds until the same id is sent again, where the server names no time.
AGAIN_SECONDS = 0.1


class Entry:
    """A command on its way, and the future that its answer settles."""

    __slots__ = (
        "about",
        "backoff",
        "before",
        "body",
        "command",
        "future",
        "internal",
        "kept",
        "number",
        "ready",
        "sent_at",
        "since",
        "tries",
        "user",
    )

    def __init__(
        self, number: int, command: Command, *, since: float, kept: bool, backoff: Backoff
    ) -> None:
        self.number = number
        self.command = command
        self.about = thing_of(command)
        self.before = False
        self.ready = False
        self.user: str | None = None
        self.since = since
        self.kept = kept
        self.body = orjson.dumps(command.message())
        self.future: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        # Nobody may wait for it: an error is then nobody's loss.
        self.future.add_done_callback(_look)
        self.backoff = backoff
        self.tries = 0
        self.internal = 0
        self.sent_at: float | None = None

    def only_here(self) -> bool:
        """Whether no token named its user, and this client was given it: the next welcome tells."""
        return not self.before and self.user is not None and self.user.startswith(OPAQUE)

    def __lt__(self, other: Entry) -> bool:
        return self.number < other.number


def thing_of(command: Command) -> tuple[str, str] | None:
    """What a command is about, where another one about the same must not overtake it."""
    if command.event is None:
        return None
    proposal = command.args.get("proposal")
    if isinstance(proposal, str):
        return command.event, proposal
    family = command.type.partition(".")[0]
    return (command.event, family) if family in ("ballot", "event") else None


def _look(future: asyncio.Future[Ack]) -> None:
    if not future.cancelled():
        future.exception()


class Flight:
    """``ended`` is called with the id of each command that has its answer."""

    def __init__(
        self, ended: Callable[[str], None], new_backoff: Callable[[], Backoff] = Backoff
    ) -> None:
        self._ended = ended
        self._new_backoff = new_backoff
        self._numbers = itertools.count()
        self._entries: dict[str, Entry] = {}
        self._about: dict[tuple[str, str], deque[Entry]] = {}
        self._ready: list[Entry] = []
        self._parked: list[tuple[float, int, Entry]] = []
        self._inflight: dict[str, Entry] = {}
        self.paused_until = 0.0
        """Nothing is sent before (seconds of the loop's clock): the server asked for it."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def inflight(self) -> int:
        """Commands sent on this socket and not answered."""
        return len(self._inflight)

    def pending(self) -> list[Pending]:
        """All of them, the oldest first."""
        return [
            Pending(
                id=entry.command.id,
                type=entry.command.type,
                event=entry.command.event,
                args=entry.command.args,
                since=entry.since,
                sent=entry.before or entry.tries > 0,
                tries=entry.tries,
            )
            for entry in self._entries.values()
        ]

    def future(self, id: str) -> asyncio.Future[Ack] | None:
        """What settles with the answer to ``id``, while there is none."""
        entry = self._entries.get(id)
        return None if entry is None else entry.future

    # Coming in.

    def add(self, command: Command, *, kept: bool, since: float | None = None) -> Entry:
        """Take a command; the one that is there already where it is the same one.

        Raises ``IdConflict`` where its id stands for another one.
        """
        held = self._entries.get(command.id)
        if held is not None:
            if held.command != command:
                raise IdConflict(id=command.id, event=command.event)
            return held
        since = time.time() if since is None else since
        number, backoff = next(self._numbers), self._new_backoff()
        entry = Entry(number, command, since=since, kept=kept, backoff=backoff)
        self._entries[command.id] = entry
        if entry.about is not None:
            self._about.setdefault(entry.about, deque()).append(entry)
        self._consider(entry)
        return entry

    def add_kept(self, command: Command, since: float, user: str | None) -> Entry:
        """Take a command that an outbox held: an earlier client may have sent it."""
        entry = self.add(command, kept=True, since=since)
        entry.before, entry.user = True, user
        return entry

    def own(self, user: str) -> list[Entry]:
        """Give ``user`` the commands without an owner; return them, for the outbox."""
        owned = [entry for entry in self._entries.values() if entry.user is None]
        for entry in owned:
            entry.user = user
        return owned

    def claim(self, user: str, subject: str | None) -> list[Entry]:
        """Continue as ``user``, welcomed with a token of ``subject``.

        Returns the commands that have to be kept again, under this user, before they are sent.
        Another user's commands end here with ``Stopped``, and stay in the outbox for them.
        """
        claimed = [
            entry
            for entry in self._entries.values()
            if entry.user != user
            and (entry.user is None or entry.user == subject or entry.only_here())
        ]
        for entry in claimed:
            entry.user, entry.kept, entry.ready = user, False, False
        self._ready = [entry for entry in self._ready if entry.ready]
        heapq.heapify(self._ready)
        for entry in [entry for entry in self._entries.values() if entry.user != user]:
            error = Stopped("it is another user's, and waits in the outbox for them")
            self._settle(entry, error)
        return claimed

    def keep(self, entries: Iterable[Entry]) -> None:
        """These are in the outbox now, and may be sent."""
        for entry in entries:
            if not entry.kept and entry.command.id in self._entries:
                entry.kept = True
                self._consider(entry)

    def _consider(self, entry: Entry) -> None:
        """Make ``entry`` ready, where nothing older about the same thing waits."""
        if entry.kept and (entry.about is None or self._about[entry.about][0] is entry):
            self._make_ready(entry)

    def _make_ready(self, entry: Entry) -> None:
        """Queue ``entry`` to be sent, once however often it is asked for."""
        if not entry.ready:
            entry.ready = True
            heapq.heappush(self._ready, entry)

    def _pop_ready(self) -> Entry:
        entry = heapq.heappop(self._ready)
        entry.ready = False
        return entry

    # Going out.

    def take(self, now: float, *, most: int, most_bytes: int) -> list[Entry]:
        """The oldest ready ones, at most ``most``, that fit one frame; they are in flight now."""
        if now < self.paused_until:
            return []
        while self._parked and self._parked[0][0] <= now:
            self._make_ready(heapq.heappop(self._parked)[2])
        taken: list[Entry] = []
        # The brackets of an array; each message brings a comma.
        size = 2
        while self._ready and len(taken) < most:
            entry = self._ready[0]
            id = entry.command.id
            if self._entries.get(id) is not entry or id in self._inflight:
                self._pop_ready()
            elif len(entry.body) > most_bytes:
                self._pop_ready()
                self.refuse(entry, TooLarge(details={"limit": most_bytes}))
            elif size + len(entry.body) + 1 > most_bytes and taken:
                break
            else:
                size += len(entry.body) + 1
                taken.append(self._pop_ready())
        for entry in taken:
            entry.tries += 1
            entry.sent_at = now
            self._inflight[entry.command.id] = entry
        return taken

    def next_at(self, now: float) -> float | None:
        """When there may be something to send again, where nothing but time is waited for."""
        if self._ready:
            return max(now, self.paused_until)
        if self._parked:
            return max(self._parked[0][0], self.paused_until)
        return None

    def overdue(self, now: float, patience: float) -> bool:
        """Make ready again what was sent ``patience`` seconds ago; whether there was any."""
        late = [
            entry
            for entry in self._inflight.values()
            if entry.sent_at is not None and entry.sent_at + patience <= now
        ]
        for entry in late:
            self._land(entry)
            self._make_ready(entry)
        return bool(late)

    def lost(self) -> None:
        """The line broke: what was in flight is ready again, and nothing has to wait."""
        for entry in self._inflight.values():
            self._make_ready(entry)
        self._inflight.clear()
        for _, _, entry in self._parked:
            self._make_ready(entry)
        self._parked.clear()
        self.paused_until = 0.0

    # Answers.

    def ack(self, message: Json) -> None:
        """An ack came; one that nobody waits for is a second answer, and says nothing new."""
        entry = self._entries.get(message["id"])
        if entry is not None:
            self._forget(entry)
            self._ended(entry.command.id)
            if not entry.future.done():
                entry.future.set_result(Ack.from_message(message))

    def error(self, message: Json, now: float) -> AyesError | None:
        """An error came; returned where the token has to be renewed before the id goes again."""
        entry = self._entries.get(message["id"])
        if entry is None:
            return None
        error = from_message(message)
        if error.retry == "auth":
            self._land(entry)
            self._make_ready(entry)
            return error
        if error.code == "internal":
            entry.internal += 1
        again = error.retry == "same" or error.effect == "unknown"
        if not again or entry.internal >= MOST_INTERNAL:
            self.refuse(entry, error)
            return None
        if entry.sent_at is not None:
            self._again(entry, error, now)
        return None

    def _again(self, entry: Entry, error: AyesError, now: float) -> None:
        self._land(entry)
        if error.retry_after_ms is not None:
            wait = error.retry_after_ms / 1000
        else:
            wait = max(AGAIN_SECONDS, entry.backoff.next())
        # A wrong entrance code is held against who guessed, not against their other commands; an
        # unknown effect says nothing of the others either.
        if error.effect == "none" and entry.command.type != "membership.join":
            self.paused_until = max(self.paused_until, now + wait)
            self._make_ready(entry)
        else:
            heapq.heappush(self._parked, (now + wait, entry.number, entry))

    def refuse(self, entry: Entry, error: AyesError) -> None:
        """``entry`` ends with ``error``, for good."""
        self._settle(entry, error)
        self._ended(entry.command.id)

    def _settle(self, entry: Entry, error: AyesError) -> None:
        self._forget(entry)
        error.id = entry.command.id
        if error.event is None:
            error.event = entry.command.event
        if not entry.future.done():
            entry.future.set_exception(error)

    def end(self, make: Callable[[bool], AyesError]) -> None:
        """Every command ends with an error; the outbox keeps what it has.

        ``make`` is told whether the command may have been sent.
        """
        entries, self._entries = list(self._entries.values()), {}
        self._about.clear()
        self._ready.clear()
        self._parked.clear()
        self._inflight.clear()
        for entry in entries:
            error = make(entry.before or entry.tries > 0)
            error.id, error.event = entry.command.id, entry.command.event
            if not entry.future.done():
                entry.future.set_exception(error)

    def _land(self, entry: Entry) -> None:
        self._inflight.pop(entry.command.id, None)
        entry.sent_at = None

    def _forget(self, entry: Entry) -> None:
        self._land(entry)
        self._entries.pop(entry.command.id, None)
        if entry.about is not None:
            waiting = self._about[entry.about]
            waiting.remove(entry)
            if waiting:
                self._consider(waiting[0])
            else:
                del self._about[entry.about]
