"""Sends commands to their event's home, and takes them back from a home that fails."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from functools import partial
from itertools import count
from typing import Final

from handlers.lanes import deadlines
from handlers.lanes.decide import Answer, Reply, Submission, failed
from handlers.lanes.lanes import MAX_LANE_COMMANDS, Lanes
from persistence.journal.transaction import CommandKey
from protocol.errors import ERRORS, FINAL, ErrorCode, RetryableError
from server.bus.living_nodes import LivingNodes
from server.bus.port import Bus
from server.homes.counts import ForwardCounts, LocalCause
from server.homes.letters import (
    Answers,
    Letter,
    answer_of,
    channel_to,
    decode_letter,
    encode_letter,
)
from server.homes.outgoing import MAX_OUTGOING, Outbound, Outgoing
from server.homes.reception import Charge, Reception
from server.homes.routes import Route
from server.homes.shared import SharedEvents
from server.homes.uses import Uses

log = logging.getLogger("ayes.homes")

#: Seconds by which a letter may be late; a later one is not read. Its writer has given up on it by
#: then (``SILENCE_TIMEOUT_S``), or soon will.
MAX_LATENESS_S: Final = 1.0
#: Seconds between two looks at homes that commands were sent to, and at commands that wait here.
LOOK_INTERVAL_S: Final = 0.1
#: Seconds that commands are held at most until those before them, on another way, are answered;
#: then they follow them on that way.
HOLD_TIMEOUT_S: Final = 0.5
#: Events whose route is remembered, some 30 MB; beyond that the one least recently used is
#: forgotten.
MAX_ROUTES: Final = 50_000
#: Errors that stand although the command may have been decided elsewhere meanwhile: the journal has
#: them, or has another command under the id.
_SETTLED: Final = FINAL | {ErrorCode.ID_CONFLICT}


class Homes:
    """The commands between this node and the homes of its events."""

    def __init__(
        self,
        bus: Bus,
        nodes: LivingNodes,
        lanes: Lanes,
        is_watched_elsewhere: Callable[[str], bool],
        *,
        charge: Charge = lambda submission, event, now: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self._nodes = nodes
        self._lanes = lanes
        self._clock = clock
        self._shared = SharedEvents(is_watched_elsewhere)
        self._routes: OrderedDict[str, Route] = OrderedDict()
        self._outgoing: dict[str, Outgoing] = {}
        self._held: dict[Route, float] = {}
        """The routes with held commands, and since when."""
        self._streams = count(1)
        self._looking: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_over = False
        self.counts = ForwardCounts()
        self._is_started = False
        self._uses = Uses(bus.node, self._post, self._shared.share)
        self._reception = Reception(lanes, self.counts, self._route, self._post, charge, clock)

    def start(self) -> None:
        """Start to forward commands, and to be a home for the commands of other nodes."""
        self._is_started = True
        self._bus.listen(channel_to(self._bus.node), self._on_letter)

    def stop(self) -> None:
        """Stop looking at homes and waiting commands."""
        self._is_over = True
        if self._looking is not None:
            self._looking.cancel()

    # Commands of this node's clients.

    def submit(self, event: str, submission: Submission) -> None:
        """Have a command decided, here or at its event's home; it will be answered.

        Commands of one event are decided in the order in which they were submitted here.
        """
        route = self._routes.get(event)
        if route is None:
            if not self._is_started or not self._nodes.homes:
                self._lanes.submit(event, submission)
                return
            route = self._route(event)
        else:
            self._routes.move_to_end(event)
        self._uses.use(route, self._bus.node, self._clock())
        if not route.held and self._turn(route):
            self._dispatch(route, submission)
        elif len(route.held) < MAX_LANE_COMMANDS:
            route.held.append(submission)
            self._held.setdefault(route, self._clock())
            self._look_soon()
        else:
            self._refuse(submission)

    def pending(self, event: str, keys: Collection[CommandKey]) -> set[CommandKey]:
        """The ``keys`` whose commands wait for their decision, here or at the home."""
        found = self._lanes.pending(event, keys)
        route = self._routes.get(event)
        if route is None or route.is_idle:
            return found
        here = {submission.key for submission in route.held}
        for outgoing in self._outgoing.values():
            here |= {each.submission.key for each in outgoing if each.route is route}
        return found | here.intersection(keys)

    def nodes_changed(self) -> None:
        """Forget what waits for nodes that are gone."""
        self._uses.forget(self._nodes.lives)

    def moved(self, event: str) -> None:
        """Note that another node has moved an event whose state this node had."""
        self._shared.moved(event, self._clock())

    async def drained(self) -> None:
        """Wait until no command waits, at a home or here."""
        while not self._idle.is_set() or self._held or self._lanes.waiting():
            await self._idle.wait()
            await self._lanes.drained()
            # What was held goes on, and may be sent or wait in a lane again.
            await asyncio.sleep(0)

    def waiting(self) -> int:
        """Commands that were sent to a home and are not answered."""
        return sum(len(outgoing) for outgoing in self._outgoing.values())

    # Routes.

    def _route(self, event: str) -> Route:
        route = self._routes.get(event)
        if route is None:
            route = self._routes[event] = Route(event, self._clock())
            if len(self._routes) > MAX_ROUTES:
                oldest = next(iter(self._routes.values()))
                self._routes.move_to_end(oldest.event)
                if oldest.is_idle and oldest is not route:
                    del self._routes[oldest.event]
        return route

    def _turn(self, route: Route) -> bool:
        """Point ``route`` to where its next command goes; ``False`` if earlier ones come first."""
        target, cause = self._target(route)
        if target != route.target:
            if route.outgoing:
                return False
            if route.target is None and self._lanes.waiting_for(route.event):
                if not route.waits_for_lane:
                    route.waits_for_lane = True
                    self._lanes.when_idle(route.event, partial(self._lane_idle, route))
                return False
            route.target = target
        if cause is not None:
            self.counts.local[cause] += 1
        return True

    def _target(self, route: Route) -> tuple[str | None, LocalCause | None]:
        """Return the home to send to, if any, or why the event's home cannot be used."""
        nodes, now = self._nodes, self._clock()
        if route.changes != nodes.changes:
            route.changes, home = nodes.changes, nodes.home_of(route.event)
            if home != route.home:
                route.home, route.reports_from = home, now
        home = route.home
        if home is None or home == self._bus.node:
            return None, None
        if route.event not in self._shared:
            self._uses.report(route, now)
            return None, None
        if not self._bus.is_up:
            return None, "bus"
        outgoing = self._outgoing.get(home)
        if outgoing is not None and not outgoing.is_trusted(now):
            return None, "distrusted"
        return home, None

    def _dispatch(self, route: Route, submission: Submission) -> None:
        home = route.target
        if home is None or submission.expires is None:
            self._lanes.submit(route.event, submission)
            return
        now = self._clock()
        outgoing = self._outgoing.get(home)
        if outgoing is None:
            outgoing = self._outgoing[home] = Outgoing(home, self._streams, now)
        if len(outgoing) >= MAX_OUTGOING:
            self._refuse(submission)
            return
        outgoing.put(Outbound(route, submission, now))
        route.outgoing += 1
        self.counts.forwarded += 1
        self._post(home)
        self._idle.clear()
        self._look_soon()

    def _resume(self, route: Route) -> None:
        """Let the held commands go on, if those before them are answered."""
        if route.held and self._turn(route):
            self._go_on(route)

    def _go_on(self, route: Route) -> None:
        """Send the held commands where the route points."""
        self._held.pop(route, None)
        held, route.held = route.held, []
        for submission in held:
            self._dispatch(route, submission)

    def _lane_idle(self, route: Route) -> None:
        route.waits_for_lane = False
        self._resume(route)

    def _refuse(self, submission: Submission) -> None:
        self._lanes.counts.full += 1
        busy = RetryableError(ErrorCode.BUSY, retry_after_ms=deadlines.BUSY_RETRY_DELAY_MS)
        submission.respond(failed(submission, busy))

    # Letters.

    def _post(self, node: str) -> None:
        self._bus.post(channel_to(node), partial(self._write, node))

    def _write(self, node: str) -> bytes | None:
        """Write to ``node``, with all that has gathered."""
        now = self._clock()
        outgoing = self._outgoing.get(node)
        commands = outgoing.take(now) if outgoing is not None else None
        answers = self._reception.write(node, now)
        used, shared = self._uses.take(node)
        if outgoing is not None and outgoing.has_unsent:
            self._post(node)
        if commands is None and answers is None and not used and not shared:
            return None
        return encode_letter(Letter(self._bus.node, now, commands, answers, used, shared))

    def _on_letter(self, text: bytes | None) -> None:
        if text is None:
            self._nodes.offer()
            return
        letter = decode_letter(text)
        if letter is None:
            self.counts.refused["unreadable"] += 1
            return
        lateness = self._nodes.lateness(letter.node, letter.at)
        if lateness is None or lateness > MAX_LATENESS_S:
            self.counts.refused["stranger" if lateness is None else "late"] += 1
            return
        if letter.answers is not None:
            self._hear(letter.node, letter.answers)
        if letter.commands is not None:
            self._reception.take(letter.node, letter.commands)
            self._look_soon()
        now = self._clock()
        for event in letter.used:
            self._uses.use(self._route(event), letter.node, now)
        for event in letter.shared:
            self._shared.share(event)

    # Answers of homes.

    def _hear(self, node: str, answers: Answers) -> None:
        outgoing = self._outgoing.get(node)
        now = self._clock()
        heard = None if outgoing is None else outgoing.hear(answers, now)
        if outgoing is None or heard is None:
            self.counts.refused["order"] += 1
            return
        for answer in answers.answers:
            outbound = outgoing.answered(answer, now)
            if outbound is None:
                continue
            route, submission = outbound.route, outbound.submission
            route.outgoing -= 1
            if answer.is_only_user:
                self._shared.is_mine(route.event)
            self.counts.answered += 1
            if submission.received:
                self._lanes.counts.answer_seconds.observe(time.monotonic() - submission.received)
            submission.respond(answer_of(answer))
            if not route.outgoing:
                self._resume(route)
        if not heard:
            self._decide_here(outgoing.take_back(), "lost")
        self._settle()

    # Homes that fail.

    def _look_soon(self) -> None:
        if self._looking is None and not self._is_over:
            loop = asyncio.get_running_loop()
            self._looking = loop.call_later(LOOK_INTERVAL_S, self._look)

    def _look(self) -> None:
        """Take commands back from homes that fail; confirm what waits here."""
        self._looking = None
        now = self._clock()
        for home, outgoing in list(self._outgoing.items()):
            if not len(outgoing):
                continue
            if not self._nodes.lives(home):
                self._decide_here(outgoing.take_back(), "gone")
            elif outgoing.is_silent(now):
                outgoing.distrust(now)
                self._decide_here(outgoing.take_back(), "silent")
            elif outgoing.is_stuck(now):
                outgoing.pause(now)
                self._decide_here(outgoing.take_back(), "stuck")
        for route, since in list(self._held.items()):
            if now - since > HOLD_TIMEOUT_S:
                # Behind those before them on their way, whatever better way there is by now.
                self._go_on(route)
        is_waiting = self._reception.confirm(self._nodes.lives, now)
        self._settle()
        if is_waiting or self._held or not self._idle.is_set():
            self._look_soon()

    def _decide_here(self, taken_back: Iterable[Outbound], cause: LocalCause) -> None:
        """Decide commands here whose home failed; it may have decided them, or yet do so."""
        routes = {}
        for outbound in taken_back:
            route, submission = outbound.route, outbound.submission
            routes[route.event] = route
            route.outgoing -= 1
            route.target = None
            self.counts.local[cause] += 1
            submission.commit_attempted = True
            submission.reply = partial(_unless_unknown, submission.reply)
            self._lanes.submit(route.event, submission)
        for route in routes.values():
            self._resume(route)

    def _settle(self) -> None:
        """Forget homes that are gone; note whether all commands are answered."""
        if any(len(outgoing) for outgoing in self._outgoing.values()):
            return
        for home in [home for home in self._outgoing if not self._nodes.lives(home)]:
            del self._outgoing[home]
        self._idle.set()


def _unless_unknown(reply: Reply, submission: Submission, answer: Answer) -> None:
    """Answer a command that its home may yet decide.

    What the journal does not hold would not stop it, so such an answer may not say that nothing
    happened.
    """
    error = answer.error
    if error is not None and error not in _SETTLED and ERRORS[error].effect == "none":
        delay = deadlines.BUSY_RETRY_DELAY_MS
        unknown = RetryableError(ErrorCode.COMMIT_UNKNOWN, retry_after_ms=delay)
        answer = failed(submission, unknown)
    reply(submission, answer)
