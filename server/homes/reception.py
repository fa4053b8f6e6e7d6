"""Takes other nodes' commands for events at home here, and sends the answers back."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from handlers.lanes.decide import Answer, Submission, failed
from handlers.lanes.lanes import Lanes
from protocol.errors import ErrorCode, RetryableError
from server.homes.counts import ForwardCounts
from server.homes.incoming import RECEIPT_INTERVAL_S, Incoming
from server.homes.letters import Answers, Commands, forwarded_answer, submission_of
from server.homes.routes import Route

#: Charges a command in an event at a moment of the node's clock; returns milliseconds to wait.
Charge: TypeAlias = Callable[[Submission, str, float], int]

log = logging.getLogger("ayes.homes")

#: Nodes whose place in their stream is remembered, beyond which the one least recently heard is
#: forgotten. More than live at once, so that no old letter of a node is taken for a new one.
MAX_SENDERS: Final = 2_048


class Reception:
    """The commands of other nodes that are decided here, as if their sockets were here.

    A node that sends one takes this node for the event's home. It need not be: the lane decides
    under the event's lock, whatever its node believes. ``clock`` returns seconds.
    """

    def __init__(
        self,
        lanes: Lanes,
        counts: ForwardCounts,
        route_of: Callable[[str], Route],
        post: Callable[[str], None],
        charge: Charge,
        clock: Callable[[], float],
    ) -> None:
        """``post(node)`` has a letter to ``node`` written soon."""
        self._lanes = lanes
        self._counts = counts
        self._route_of = route_of
        self._post = post
        self._charge = charge
        self._clock = clock
        self._senders: OrderedDict[str, Incoming] = OrderedDict()

    def take(self, node: str, commands: Commands) -> None:
        """Hand the commands of ``node`` to the lanes, unless they come again or out of order."""
        incoming = self._senders.get(node)
        if incoming is None:
            incoming = self._senders[node] = Incoming()
            if len(self._senders) > MAX_SENDERS:
                self._senders.popitem(last=False)
        self._senders.move_to_end(node)
        stream = incoming.accept(commands)
        if stream is None:
            self._counts.refused["order"] += 1
            self._post(node)
            return
        now = self._clock()
        for number, command in enumerate(commands.commands, commands.first):
            route = self._route_of(command.event)
            route.use(node, now)
            try:
                submission = submission_of(
                    command, partial(self._decided, node, incoming, stream, number, route)
                )
            except ValueError:
                # Its node decides what it has sent; nothing of this stream is taken any more.
                log.exception("a forwarded command cannot be read")
                incoming.refuse()
                self._post(node)
                return
            self._counts.received += 1
            # The sender's sockets at several nodes have one budget here.
            wait = self._charge(submission, command.event, self._clock())
            if wait:
                err = RetryableError(ErrorCode.RATE_LIMITED, "too often", retry_after_ms=wait)
                submission.respond(failed(submission, err))
            else:
                self._lanes.submit(command.event, submission)

    def _decided(
        self,
        node: str,
        incoming: Incoming,
        stream: int,
        number: int,
        route: Route,
        submission: Submission,
        answer: Answer,
    ) -> None:
        """Send the answer to a command of ``node`` back."""
        is_only_user = route.is_only_user(node, self._clock())
        back = forwarded_answer(number, answer, is_only_user=is_only_user)
        if incoming.answer(stream, back):
            self._post(node)

    def write(self, node: str, now: float) -> Answers | None:
        """Return what goes with the next letter to ``node``, if anything."""
        incoming = self._senders.get(node)
        if incoming is None:
            return None
        answers = incoming.take(now)
        if incoming.has_unsent:
            self._post(node)
        return answers

    def confirm(self, lives: Callable[[str], bool], now: float) -> bool:
        """Let the nodes whose commands wait here know that they do; whether there are any."""
        found = False
        for node, incoming in self._senders.items():
            if incoming.waiting > 0 and lives(node):
                found = True
                if now - incoming.written_at > RECEIPT_INTERVAL_S:
                    incoming.remind()
                    self._post(node)
        return found
