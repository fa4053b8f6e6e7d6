"""The way of every command, over a WebSocket or HTTP, to the lane that decides it.

Budgets are charged here. A sender who is no member of the event is refused early, by committed
rows: the command of a stranger, or one to an event that does not exist, would take a place in a
transaction and could not succeed. Whether a member may give a command is decided under the lock.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final, Protocol

from msgspec.structs import replace

from handlers.lanes import deadlines
from handlers.lanes.decide import Answer, Reply, Submission, failed
from handlers.rules.lateness import check_in_time
from persistence.database.batch_loader import BatchLoader
from persistence.database.overload import unreachable
from persistence.database.pool import Database
from persistence.queries import event_reads, prechecks
from persistence.queries.prechecks import EventAccess, Pair
from protocol.commands import Command, EventCreate, InvitationCreate, MembershipJoin, event_of
from protocol.errors import ErrorCode, FinalError, ProtocolError, RetryableError
from server.config.settings import Settings
from server.homes.homes import Homes
from server.identity.auth import Identity
from server.identity.entry import EntryKey, Invited
from server.limits.churn import Churn
from server.limits.code_guesses import CodeGuessLimiter
from server.limits.rate_limiter import RateLimiter
from server.measures.counters import Counters
from server.services.entropy import entropy

log = logging.getLogger("ayes.commands")

#: Namespace of event ids: an id is the UUIDv5 of (user, command id), so that a repeated
#: ``event.create`` finds the event that it made.
EVENTS: Final = uuid.UUID("6f2f9e4e-0f5b-5c5e-9d0a-617965732e31")
#: Pairs of event and user that are known to be members. Beyond it the least recently used is
#: forgotten, which costs that user's next command a share of a query. Some 20 MB.
MAX_MEMBERS: Final = 100_000
#: Commands that a user may give at once to an event without being a member of it, and how many more
#: a second; beyond it, ``rate_limited``. At once it is what a socket may send in a second, so that
#: a removed member, or a bot that tries every command, gets the reason. Each may leave a final
#: error of some 500 bytes in the journal for 96 hours, so that one user and event can leave some
#: 30 MB.
STRANGER_BURST: Final = 200
STRANGER_PER_SECOND: Final = 1 / 10
#: Ids of such commands that are remembered, so that a repeat is not charged again. Fewer than there
#: may be commands: a user can name any number of events, and memory must not follow.
STRANGER_IDS: Final = 20
#: Milliseconds until a client tries again whose membership could not be read in time.
RETRY_AFTER_MS: Final = 500


def event_id_of(user: str, command_id: str) -> str:
    """Return the id of the event that an ``event.create`` makes."""
    return str(uuid.uuid5(EVENTS, f"{user}\0{command_id}"))


class _Unknown(Exception):
    """The sender's membership cannot be read: the database is out of reach."""


class CommandObserver(Protocol):
    """Observes commands from their receipt."""

    def received(self, submission: Submission, connection: str, traceparent: str | None) -> None:
        """Note a command before it is decided; may replace its ``reply``. Must not raise."""


class CommandRouter:
    """Hands commands to the homes of their events; answers at once those that it refuses."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        homes: Homes,
        guesses: CodeGuessLimiter,
        churn: Churn,
        entry: EntryKey,
        counters: Counters | None = None,
    ) -> None:
        self._entry = entry
        self._counters = counters or Counters()
        self._database = database
        self._homes = homes
        self._guesses = guesses
        self.churn = churn
        self._strangers = RateLimiter(STRANGER_PER_SECOND, STRANGER_BURST, STRANGER_IDS)
        self._members: OrderedDict[Pair, None] = OrderedDict()
        self._entering: dict[Pair, asyncio.Future[None]] = {}
        """The latest join or create of each pair; the pair's later commands wait for its answer."""
        self._event_access: BatchLoader[Pair, EventAccess] = BatchLoader(self._look)
        self.observers: tuple[CommandObserver, ...] | None = None

    def submit(
        self, command: Command, identity: Identity, reply: Reply, *, connection: str = ""
    ) -> Coroutine[Any, Any, None] | None:
        """Hand a command to its lane, or answer it; ``reply`` is called with the answer, once.

        ``connection``: the id of its socket, for logs and traces.

        Returns what has to be awaited first, if anything. Commands that come behind it on the same
        socket must wait for that as well, since they are decided in the order sent.
        """
        traceparent = command.traceparent
        if traceparent is not None:
            # No part of the command: a repeat may belong to another trace.
            command.traceparent = None
        invited = None
        if type(command) is MembershipJoin and command.invitation is not None:
            invited = self._entry.invited_by(command.invitation)
        if invited is not None:
            # The journal keeps no secret.
            command = replace(command, invitation=invited.invitation)
        submission = Submission(
            command,
            identity.actor,
            entropy=entropy(),
            reply=partial(self._answered, reply),
            expires=identity.expires,
            issued=identity.issued,
        )
        submission.received = time.monotonic()
        if self.observers is not None:
            for observer in self.observers:
                observer.received(submission, connection, traceparent)
        event = event_of(command)
        only = identity.event
        if event is None:
            if isinstance(command, MembershipJoin):
                return self._join(submission, command, invited, only)
            if only is not None:
                err = RetryableError(ErrorCode.FORBIDDEN, "this token is good for one event")
                submission.respond(failed(submission, err))
                return None
            self._create(submission)
            return None
        if only is not None and only != event:
            err = RetryableError(ErrorCode.NOT_FOUND, details={"path": "event"})
            submission.respond(failed(submission, err))
            return None
        if type(command) is InvitationCreate:
            submission.reply = self._entry.disclosing(event, submission.reply)
        if not self._has_budget(submission, event):
            return None
        pair = (event, submission.actor.user)
        if pair not in self._members:
            return self._find_out(submission, pair)
        self._members.move_to_end(pair)
        self._homes.submit(event, submission)
        return None

    def _answered(self, reply: Reply, submission: Submission, answer: Answer) -> None:
        if answer.error == ErrorCode.NOT_A_MEMBER:
            # The sender has left, or was removed.
            event = event_of(submission.command) or ""
            self._members.pop((event, submission.actor.user), None)
        reply(submission, answer)

    def _has_budget(self, submission: Submission, event: str) -> bool:
        """Charge the sender; if the budget is used up, answer and return ``False``."""
        wait = self.churn.charge(submission, event, time.monotonic())
        if wait:
            err = RetryableError(ErrorCode.RATE_LIMITED, "too often", retry_after_ms=wait)
            submission.respond(failed(submission, err))
        return not wait

    # Commands that name their event.

    async def _find_out(self, submission: Submission, pair: Pair) -> None:
        """Read the sender's membership, then hand the command to its lane or refuse it."""
        event, _ = pair
        try:
            async with asyncio.timeout(deadlines.COMMAND_TIMEOUT_S):
                if (entering := self._entering.get(pair)) is not None:
                    await asyncio.shield(entering)
                found = await self._look_up(pair)
            if found is None or found.status != "accepted":
                self._charge_stranger(submission, event)
                if found is None:
                    await self._check_in_time(submission)
                    raise FinalError(ErrorCode.NOT_FOUND, details={"path": "event"})
            else:
                self._remember(pair)
        except _Unknown:
            pass
        except Exception as err:
            submission.respond(failed(submission, _as_answer(err)))
            return
        self._homes.submit(event, submission)

    async def _look_up(self, pair: Pair) -> EventAccess | None:
        """Return the sender's membership; raises ``_Unknown`` if the database is out of reach.

        The lane gets such a command: it tries again, and answers once its budget is used up.
        """
        try:
            return await self._event_access.load(pair)
        except Exception as err:
            if isinstance(unreachable(err), RetryableError):
                raise _Unknown from err
            raise

    def _charge_stranger(self, submission: Submission, event: str) -> None:
        """Count a command of a user who is no member; raises ``rate_limited``.

        Counted whether the event exists or not, so that the answer does not show it. A command that
        succeeds is free: a request taken back, or a repeat of what was done as a member.
        """
        user, id = submission.key
        if wait := self._strangers.charge(user, event, id, time.monotonic()):
            self._counters.refused["strangers"] += 1
            raise RetryableError(ErrorCode.RATE_LIMITED, "too often", retry_after_ms=wait)
        reply = submission.reply

        def heard(submission: Submission, answer: Answer) -> None:
            if answer.error is None:
                self._strangers.refund(user, event)
            reply(submission, answer)

        submission.reply = heard

    async def _check_in_time(self, submission: Submission) -> None:
        """Raise ``too_late`` for a command to no event, which reaches no lane."""
        if submission.command.not_after is not None:
            check_in_time(submission.command, await event_reads.clock(self._database))

    async def _look(self, pairs: list[Pair]) -> dict[Pair, EventAccess]:
        return await prechecks.event_access(self._database, pairs)

    def _remember(self, pair: Pair) -> None:
        self._members[pair] = None
        if len(self._members) > MAX_MEMBERS:
            self._members.popitem(last=False)

    # Commands that do not.

    def _create(self, submission: Submission) -> None:
        """Submit an ``event.create``: the event's id follows from the user and the command's id."""
        user, id = submission.key
        event = event_id_of(user, id)
        if not self._has_budget(submission, event):
            return
        if isinstance(submission.command, EventCreate) and submission.command.entrance_code:
            submission.reply = self._guesses.hiding_taken_codes(submission.reply)
        self._enter(event, submission)

    async def _join(
        self,
        submission: Submission,
        command: MembershipJoin,
        invited: Invited | None,
        only: str | None,
    ) -> None:
        """Submit a ``membership.join``: its code or its invitation names the event.

        ``only``: the event that the sender's token is good for, if it is good for one alone.
        """
        user, id = submission.key
        try:
            async with asyncio.timeout(deadlines.COMMAND_TIMEOUT_S):
                self._guesses.check(user)
                event = invited.event if invited else await self._opened_by(command, user, id)
            self._guesses.check(user)
            if event is None or only not in (None, event):
                self._guesses.failed(user)
                await self._check_in_time(submission)
                path = "code" if command.invitation is None else "invitation"
                raise FinalError(
                    ErrorCode.NOT_FOUND, f"this {path} opens nothing", details={"path": path}
                )
            if not self._has_budget(submission, event):
                return
            self._charge_stranger(submission, event)
        except Exception as err:
            submission.respond(failed(submission, _as_answer(err)))
            return
        submission.reply = self._guesses.counting(submission.reply)
        self._enter(event, submission)

    async def _opened_by(self, command: MembershipJoin, user: str, id: str) -> str | None:
        """Return the event that the command's code opens.

        A retired code is good for a repeat that the journal remembers. For any other command it
        counts as a wrong guess.
        """
        if command.code is None:
            return None
        found = await prechecks.opened_by(self._database, command.code, user=user, id=id)
        if found is None or not (found.is_current or found.is_known):
            return None
        return found.event

    def _enter(self, event: str, submission: Submission) -> None:
        """Submit a join or create; later commands of the same user to the event wait for it."""
        pair = (event, submission.actor.user)
        entering = self._entering[pair] = asyncio.get_running_loop().create_future()
        reply = submission.reply

        def heard(submission: Submission, answer: Answer) -> None:
            entering.set_result(None)
            if self._entering.get(pair) is entering:
                del self._entering[pair]
            reply(submission, answer)

        submission.reply = heard
        self._homes.submit(event, submission)


def _as_answer(err: Exception) -> ProtocolError:
    """Return ``err`` as an error for the sender; a defect is logged."""
    if isinstance(err, TimeoutError):
        return RetryableError(ErrorCode.OVERLOADED, retry_after_ms=RETRY_AFTER_MS)
    found = unreachable(err)
    if isinstance(found, ProtocolError):
        return found
    log.error("a command could not be submitted", exc_info=err)
    return RetryableError(ErrorCode.INTERNAL)
