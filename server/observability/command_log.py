"""A line for each answered command, at level ``debug``: its ids, its answer, its time."""

from __future__ import annotations

import logging
import time

from handlers.lanes.decide import Answer, Submission
from protocol.commands import event_of, type_of

log = logging.getLogger("ayes.commands")


class CommandLog:
    """Logs commands as they are answered; a ``CommandObserver``."""

    def received(self, submission: Submission, connection: str, traceparent: str | None) -> None:
        """Log ``submission`` once it is answered."""
        began = time.monotonic()
        reply = submission.reply

        def answered(submission: Submission, answer: Answer) -> None:
            reply(submission, answer)
            log.debug(
                "command answered",
                extra={
                    "connection": connection,
                    "user": submission.actor.user,
                    "event": event_of(submission.command),
                    "command": submission.command.id,
                    "type": type_of(submission.command),
                    "status": "ack" if answer.error is None else answer.error.value,
                    "ms": round((time.monotonic() - began) * 1000, 1),
                },
            )

        submission.reply = answered
