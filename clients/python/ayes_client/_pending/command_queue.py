"""The commands without an answer, and which of them is sent next.

The oldest ready command goes first. Of the commands about one thing only the oldest is sent, until
it has its answer: a delayed vote is never overtaken by its own retraction. Nothing here waits or
writes. The clock is passed in, and a session sends.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable

from ayes_client._pending.deadline import same, with_deadline
from ayes_client._pending.entry import Entry, EntryState
from ayes_client._pending.ready import ReadyCommands
from ayes_client._wire.backoff import MAX_INTERNAL_TRIES, Backoff
from ayes_client._wire.error_message import from_message
from ayes_client.command import Ack, Command, Pending
from ayes_client.errors import AyesError, IdConflict, NotSent, Stopped, TooLarge, Unanswered
from ayes_client.state import Json

#: Shortest wait until the same id is sent again, if the server names no time. A server that answers
#: at once must not be asked in a tight loop.
MIN_RETRY_DELAY_S = 0.1


class CommandQueue:
    """The pending commands of one client.

    ``ended`` is called with the id of each command that got its answer.
    """

    def __init__(
        self, ended: Callable[[str], None], new_backoff: Callable[[], Backoff] = Backoff
    ) -> None:
        self._ended = ended
        self._new_backoff = new_backoff
        self.acked: Callable[[Pending, Ack], None] = lambda pending, ack: None
        """Called with each command that is acked, before its wait ends."""
        self._numbers = itertools.count()
        self._entries: dict[str, Entry] = {}
        self._sequences: dict[tuple[str, str], deque[Entry]] = {}
        self._ready = ReadyCommands()
        # The heap may hold entries whose state has changed since: the state decides.
        self._delayed: list[tuple[float, int, Entry]] = []
        self.in_flight = 0
        """Commands sent on this connection and not answered."""
        self.paused_until = 0.0
        """The server asked for silence until then, in seconds of the loop's clock."""

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self) -> list[Entry]:
        """List all of them, the oldest first."""
        return list(self._entries.values())

    def get(self, id: str) -> Entry | None:
        """Return the entry of a command without an answer."""
        return self._entries.get(id)

    # Adding.

    def add(
        self,
        command: Command,
        *,
        kept: bool,
        since: float | None = None,
        lifetime: float | None = None,
    ) -> Entry:
        """Take a command, or return its entry if it is pending already.

        ``lifetime``: seconds until its ``not_after``, if that was not given as a time. Raises
        ``IdConflict`` if another command has its id.
        """
        existing = self._entries.get(command.id)
        if existing is not None:
            if not same(existing.command, command, but_for_deadline=lifetime is not None):
                raise IdConflict(id=command.id, event=command.event)
            return existing
        since = time.time() if since is None else since
        entry = Entry(next(self._numbers), command, since=since, backoff=self._new_backoff())
        self._entries[command.id] = entry
        if entry.ordering_key is not None:
            self._sequences.setdefault(entry.ordering_key, deque()).append(entry)
        if kept:
            self.mark_kept([entry])
        return entry

    def add_from_outbox(
        self, command: Command, since: float, user: str | None, *, sent: bool = True
    ) -> Entry:
        """Take a command that an outbox held.

        ``since``: when it was given, in seconds since the epoch. ``sent``: an earlier client may
        have sent it.
        """
        entry = self.add(command, kept=True, since=since)
        entry.earlier_run, entry.user, entry.kept = True, user, True
        entry.sent_earlier = entry.marked_sent = sent
        return entry

    def assign_owner(self, user: str) -> list[Entry]:
        """Give ``user`` the commands without an owner; return them, to be kept."""
        found = [entry for entry in self._entries.values() if entry.user is None]
        for entry in found:
            entry.user = user
        return found

    def claim(self, user: str, subject: str | None) -> list[Entry]:
        """Continue as ``user``, who was welcomed with a token of ``subject``.

        Return the commands that must be kept again, under this user, before they are sent. Another
        user's commands end here with ``Stopped``, and stay in the outbox for them.
        """
        claimed = [
            entry
            for entry in self._entries.values()
            if entry.user != user
            and (entry.user is None or entry.user == subject or entry.has_opaque_owner())
        ]
        for entry in claimed:
            entry.user = user
        for entry in [entry for entry in self._entries.values() if entry.user != user]:
            self._end(entry, Stopped("it is another user's, and stays in the outbox for them"))
        # The outbox records that a command may have been sent, before it is sent.
        unmarked = [entry for entry in self._entries.values() if not entry.marked_sent]
        rewritten = {entry.number: entry for entry in [*claimed, *unmarked]}
        for entry in rewritten.values():
            self._set_state(entry, EntryState.UNKEPT)
        return list(rewritten.values())

    def set_deadlines(self, server_time: float, now: float) -> None:
        """Give commands their ``not_after`` by the server's clock, which was unknown before.

        ``server_time``: seconds since the epoch; ``now``: the loop's time.
        """
        for entry in self._entries.values():
            if entry.lifetime is not None and not entry.may_have_been_sent:
                age = max(time.time() - entry.since, now - entry.given_at)
                command = dataclasses.replace(entry.command, not_after=entry.lifetime)
                entry.replace(with_deadline(command, server_time - age))
                # The outbox has it without the deadline.
                entry.marked_sent = False
            entry.lifetime = None

    def mark_kept(self, entries: Iterable[Entry]) -> None:
        """Mark ``entries``, which are in the outbox now and may be sent."""
        for entry in entries:
            entry.kept = True
            if entry.state is EntryState.UNKEPT:
                self._set_state(
                    entry, EntryState.READY if self._is_first(entry) else EntryState.BLOCKED
                )

    # Sending.

    def take(
        self, now: float, *, most: int, most_bytes: int, one_per_event: bool = False
    ) -> list[Entry]:
        """Take the oldest ready commands that fit one frame, at most ``most``, into flight.

        ``one_per_event``: none of an event that has one in flight.
        """
        if now < self.paused_until:
            return []
        self._release_delayed(now)
        taken: list[Entry] = []
        # The brackets of an array; each message brings a comma.
        size = 2
        while (
            len(taken) < most
            and (entry := self._ready.first(one_per_event=one_per_event)) is not None
        ):
            if len(entry.body) > most_bytes:
                self.refuse(entry, TooLarge(details={"limit": most_bytes}))
                continue
            size += len(entry.body) + 1
            if size > most_bytes and taken:
                break
            self._set_state(entry, EntryState.IN_FLIGHT)
            entry.tries += 1
            entry.unknown_tries += 1
            entry.sent_at = now
            taken.append(entry)
        return taken

    def next_at(self, now: float) -> float | None:
        """Return the time, in seconds of the client's clock, at which a command may be sent.

        ``None`` if none waits for time alone.
        """
        if self._ready.first() is not None:
            return max(now, self.paused_until)
        if self._delayed:
            return max(self._delayed[0][0], self.paused_until)
        return None

    def retry_overdue(self, now: float, timeout: float) -> bool:
        """Make commands ready again that were sent ``timeout`` seconds ago; return if any were."""
        overdue = [
            entry
            for entry in self._entries.values()
            if entry.state is EntryState.IN_FLIGHT
            and entry.sent_at is not None
            and entry.sent_at + timeout <= now
        ]
        for entry in overdue:
            self._set_state(entry, EntryState.READY)
        return bool(overdue)

    def connection_lost(self) -> None:
        """Make all that was in flight or delayed ready again."""
        self._delayed.clear()
        self._ready.forget_turns()
        self.paused_until = 0.0
        for entry in list(self._entries.values()):
            if entry.once:
                self._lose(entry)
            elif entry.state in (EntryState.IN_FLIGHT, EntryState.DELAYED):
                self._set_state(entry, EntryState.READY)

    def _lose(self, entry: Entry) -> None:
        if not entry.may_have_effect:
            self.refuse(entry, NotSent())
        elif entry.command.event is None:
            self.refuse(entry, Unanswered())
        else:
            self._set_state(entry, EntryState.LOST)

    def lost(self) -> list[Entry]:
        """Return the commands that are never sent again, and whose answers are unknown."""
        return [entry for entry in self._entries.values() if entry.state is EntryState.LOST]

    def waits_since(self) -> float | None:
        """Return when the oldest command in flight was sent, in seconds of the client's clock."""
        sent = (entry.sent_at for entry in self._entries.values() if entry.sent_at is not None)
        return min(sent, default=None)

    # Answers.

    def on_ack(self, message: Json) -> None:
        """Settle the command of an ack. A second ack of one command changes nothing."""
        entry = self._entries.get(message["id"])
        if entry is not None:
            ack = Ack.from_message(message)
            self._forget(entry)
            self.acked(entry.pending(), ack)
            self._ended(entry.command.id)
            if not entry.future.done():
                entry.future.set_result(ack)

    def on_error(self, message: Json, now: float) -> AyesError | None:
        """Settle or retry the command of an error; ``now`` is the loop's time.

        Return the error if the token has to be renewed before the id is sent again.
        """
        entry = self._entries.get(message["id"])
        if entry is None:
            return None
        error = from_message(message)
        if error.retry == "auth":
            entry.unknown_tries = max(0, entry.unknown_tries - 1)
            if entry.state is EntryState.IN_FLIGHT:
                self._set_state(entry, EntryState.READY)
            return error
        if error.effect == "none":
            entry.unknown_tries = max(0, entry.unknown_tries - 1)
        if error.code == "internal":
            entry.internal_errors += 1
        may_retry = error.retry == "same" or error.effect == "unknown"
        if not may_retry or entry.internal_errors >= MAX_INTERNAL_TRIES:
            self.refuse(entry, error)
        elif entry.state is EntryState.IN_FLIGHT:
            self._retry_later(entry, error, now)
        return None

    def refuse(self, entry: Entry, error: AyesError) -> None:
        """End ``entry`` with ``error``, for good."""
        self.withdraw(entry)
        self.settle(entry, error)

    def withdraw(self, entry: Entry) -> None:
        """Send ``entry`` no more. It still has to be settled."""
        if entry.state is not EntryState.ENDED:
            self._forget(entry)
            self._ended(entry.command.id)

    def settle(self, entry: Entry, error: AyesError) -> None:
        """Raise ``error`` from the wait for ``entry``, unless that has ended."""
        error.id = entry.command.id
        if error.event is None:
            error.event = entry.command.event
        if not entry.future.done():
            entry.future.set_exception(error)

    def end(self, make: Callable[[bool], AyesError]) -> None:
        """End every command with an error. The outbox keeps what it has.

        ``make`` gets whether the command may have been sent.
        """
        for entry in list(self._entries.values()):
            self._end(entry, make(entry.may_have_been_sent))
        self._ready.clear()
        self._delayed.clear()

    # States.

    def _set_state(self, entry: Entry, state: EntryState) -> None:
        was_in_flight = entry.state is EntryState.IN_FLIGHT
        self.in_flight += (state is EntryState.IN_FLIGHT) - was_in_flight
        entry.state = state
        if state is EntryState.READY:
            self._ready.push(entry)
        elif state is EntryState.IN_FLIGHT:
            self._ready.taken(entry)
        if was_in_flight:
            self._ready.landed(entry)
        if state is not EntryState.IN_FLIGHT:
            entry.sent_at = None

    def _is_first(self, entry: Entry) -> bool:
        """Return whether no older command is about the same thing."""
        return entry.ordering_key is None or self._sequences[entry.ordering_key][0] is entry

    def _retry_later(self, entry: Entry, error: AyesError, now: float) -> None:
        if error.retry_after_ms is not None:
            wait = error.retry_after_ms / 1000
        else:
            wait = max(MIN_RETRY_DELAY_S, entry.backoff.next())
        # A wrong entrance code counts against the user's guesses, not against their other commands.
        # An unknown effect says nothing about the others either.
        if error.effect == "none" and entry.command.type != "membership.join":
            self.paused_until = max(self.paused_until, now + wait)
            self._set_state(entry, EntryState.READY)
        else:
            self._set_state(entry, EntryState.DELAYED)
            heapq.heappush(self._delayed, (now + wait, entry.number, entry))

    def _release_delayed(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            entry = heapq.heappop(self._delayed)[2]
            if entry.state is EntryState.DELAYED:
                self._set_state(entry, EntryState.READY)

    def _end(self, entry: Entry, error: AyesError) -> None:
        self._forget(entry)
        self.settle(entry, error)

    def _forget(self, entry: Entry) -> None:
        self._set_state(entry, EntryState.ENDED)
        self._entries.pop(entry.command.id, None)
        if entry.ordering_key is not None:
            sequence = self._sequences[entry.ordering_key]
            sequence.remove(entry)
            if not sequence:
                del self._sequences[entry.ordering_key]
            elif sequence[0].state is EntryState.BLOCKED:
                self._set_state(sequence[0], EntryState.READY)
