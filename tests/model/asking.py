"""Invariant 3: clients asked for each decision, and no answer denies it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

from tests.model.deciding import asked
from tests.model.history import History, Json, Operation, Violation
from tests.model.shapes import asked_by
from tests.model.sightings import Sightings

#: Answers without a decision, by what the client may conclude.
NO_EFFECT = frozenset(
    [
        "bad_frame",
        "unknown_type",
        "too_large",
        "unauthenticated",
        "auth_expired",
        "rate_limited",
        "busy",
        "draining",
        "overloaded",
    ]
)
UNKNOWN = frozenset(("timeout", "commit_unknown", "internal"))
#: The server's own steps, and the beginnings of their ids.
SERVER_STEPS = {
    "proposal.expire": "expire-",
    "proposal.mature": "open-",
    "event.set_limits": "limits-",
    "event.erase": "erasure-",
    "event.start": "start-",
    "event.finish": "finish-",
}


def check_asked(history: History, rows: list[Json], sightings: Sightings) -> Iterator[Violation]:
    """3: each row has a client that sent it, and that got no answer saying it had no effect."""
    sent: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for operation in history.operations:
        sent[operation.user, operation.command["id"]].append(operation)
    for row in rows:
        what = f"{row['user']} {row['id']}"
        operations = sent[row["user"], row["id"]]
        if row["user"] == "":
            if not row["id"].startswith(SERVER_STEPS.get(row["command"], "\0")):
                yield Violation(3, row["seq"], f"the server has no step {row['command']}{what}")
        elif not operations:
            yield Violation(3, row["seq"], f"{what} was never sent")
        elif row["payload"] is not None and all(
            asked_by(row) != asked(operation.command) for operation in operations
        ):
            yield Violation(3, row["seq"], f"{what} was sent with other words")
        elif all(operation.answer for operation in operations) and all(
            operation.answer and operation.answer.get("code") in NO_EFFECT
            for operation in operations
        ):
            yield Violation(3, row["seq"], f"{what} has an effect and was told it had none")
        elif _nobody_was_first(operations) and not any(
            _lost_its_salt(history, row, operation, sightings) for operation in operations
        ):
            what = f"{what} was decided, and all who asked were told that it was before, or was not"
            yield Violation(3, row["seq"], what)


def _lost_its_salt(history: History, row: Json, operation: Operation, sightings: Sightings) -> bool:
    """Whether the salt of ``row`` may have gone while ``operation`` waited for its answer.

    By its salt a node knows a decision as its own, after a COMMIT that was not answered. Without
    it, the answer says ``replayed``.
    """
    deletion = history.deletion
    if (
        deletion is not None
        and operation.sent_at < deletion.ended
        and (operation.answered_at is None or operation.answered_at > deletion.began)
    ):
        return True
    known = sightings.floor(operation.sent_at)
    return lost_words(row, operation, sightings) and any(
        erased_at > known for erased_at, _ in row["rewritten"]
    )


def _nobody_was_first(operations: list[Operation]) -> bool:
    """Whether every sending has a definite answer, and none of them is the decision itself."""
    answers = [operation.answer for operation in operations]
    return not any(
        answer is None
        or answer.get("code") in UNKNOWN
        or (answer["type"] == "ack" and not answer["replayed"])
        for answer in answers
    )


def lost_words(row: Json, operation: Operation, sightings: Sightings) -> bool:
    """Whether the words of ``row`` may have been erased when ``operation`` was answered."""
    when = math.inf if operation.answered_at is None else operation.answered_at
    reached = sightings.ceiling(when)
    # The step that shows an erasure follows; a refusal may be rewritten without one.
    return any(erased_at - 1 <= reached for erased_at, _ in row.get("rewritten", ()))
