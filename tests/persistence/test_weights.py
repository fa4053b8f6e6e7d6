"""The estimated weight of records is their real size, or slightly more."""

from __future__ import annotations

import secrets
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from persistence.event.records import Ballot, Comment, Membership, Proposal, Vote
from persistence.event.weights import record_bytes

#: Records of a kind: so many that one more or less makes no difference.
MANY = 1_000
#: Maximum of the estimate above the real size.
MARGIN = 2.0


def fresh(length: int = 36) -> str:
    """A text that no other record shares."""
    return secrets.token_hex(length // 2)


def now() -> datetime:
    return datetime.now(UTC)


def vote() -> Any:
    return Vote(proposal_id=fresh(18), user_id=fresh(), revision=1, active=True)


def membership() -> Any:
    return Membership(
        user_id=fresh(),
        name=fresh(20),
        status="accepted",
        requested_at=now(),
        joined_at=now(),
        decided_by=fresh(),
    )


def comment() -> Any:
    return Comment(
        id=fresh(18), number=1, proposal_id=fresh(18), author=fresh(), content="x", created_at=now()
    )


def ballot() -> Any:
    order = [fresh(18) for _ in range(10)]
    return Ballot(user_id=fresh(), option_id=fresh(18), criterion_order=order, criteria_rev=1)


def proposal(character: str) -> Callable[[], Any]:
    def made() -> Any:
        content, reason = (character * 1_900 + fresh(20) for _ in range(2))
        # As in the journal, whose texts keep their UTF-8 form.
        orjson.dumps([content, reason])
        return Proposal(
            id=fresh(18),
            number=1,
            kind="assumption",
            category="update",
            target=fresh(18),
            content=content,
            reason=reason,
            author=fresh(),
            created_at=now(),
        )

    return made


@pytest.mark.parametrize(
    "make",
    [vote, membership, comment, ballot, *(proposal(c) for c in ("a", "ü", "가", "😀"))],
    ids=["vote", "membership", "comment", "ballot", "ascii", "latin", "korean", "emoji"],
)
def test_records_weigh_what_they_take(make: Callable[[], Any]) -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        # Keyed as in the state, by a pair of the record's own texts at the longest.
        kept = {(index, "key"): make() for index in range(MANY)}
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    reckoned = sum(map(record_bytes, kept.values()))
    assert after - before <= reckoned <= MARGIN * (after - before)
