"""Numbers that a page says in a sentence are those of the code; no script writes these."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.lanes.lane import MAX_STATE_BYTES
from handlers.lanes.lanes import MAX_IDLE_BYTES
from protocol.text import MAX_MARKS
from server.admin.door import WRONG_TOKEN_BURST, WRONG_TOKENS_PER_SECOND
from server.config.settings import Settings
from server.identity.auth import LEEWAY
from server.limits import quotas
from server.limits.event_log_throttle import MAX_LOGGED_EVENTS
from server.limits.fair_slots import SLOT_GRACE_TTL_S
from server.limits.reconnect_throttle import (
    MAX_ADMISSION_DELAY_S,
    OFFENDER_TTL_S,
    UNAUTHENTICATED_BURST,
)
from server.process import UNSENT_BYTES
from server.rooms.journal_folder import MAX_FOLDED_BYTES
from server.rooms.memory_budget import FAIR_ROOM_BYTES, MAX_ROOM_BYTES, MAX_USER_ROOM_BYTES
from server.services.command_router import STRANGER_BURST, STRANGER_PER_SECOND
from server.services.pruning import FINAL_ERROR_TTL_S
from server.sessions.flood import MAX_BAD_FRAMES
from server.totals.shared_usage import USAGE_TTL_S
from server.transport import http_scheduler
from server.transport.budgets import Budgets
from server.transport.large_answers import MAX_LARGE_BYTES, MAX_LARGE_PER_USER, MIN_LARGE_BYTES
from server.transport.user_requests import MAX_REQUESTS_PER_USER
from tests.parts import ROOT

MIB = 1 << 20
WORDS = {2: "two", 3: "three", 4: "four", 10: "ten", 20: "twenty"}
_DEFAULTS = Settings()

#: A page, a sentence of it with ``{}`` for each number, and the numbers.
SAID: list[tuple[str, str, tuple[Any, ...]]] = [
    (
        "protocol",
        "not a member: {} at once, then one in {} s",
        (STRANGER_BURST, 1 / STRANGER_PER_SECOND),
    ),
    (
        "protocol",
        "{} ms of the server's processor time a second, {} ms at once",
        (quotas.MS_PER_SECOND, quotas.BURST_MS),
    ),
    ("protocol", "answer costs {} ms", (quotas.MS_PER_MEGABYTE,)),
    (
        "protocol",
        "After {} s, or behind {} others",
        (quotas.QUERY_WAIT_TIMEOUT_S, quotas.MAX_WAITING_QUERIES),
    ),
    (
        "protocol",
        "than the server's settings allow ({}, {} and {})",
        (_DEFAULTS.churn_membership, _DEFAULTS.churn_votes, _DEFAULTS.churn_comments),
    ),
    ("protocol", "with {} s of leeway", (LEEWAY.total_seconds(),)),
    ("protocol", "more than {} combining marks", (MAX_MARKS,)),
    ("protocol", "after {} of them close `4501`", (WORDS[MAX_BAD_FRAMES],)),
    (
        "protocol",
        "without progress for {} seconds is cut",
        (WORDS[int(Budgets().stall_timeout_s)],),
    ),
    ("protocol", "An answer of {} KiB or more is *large*", (MIN_LARGE_BYTES // 1024,)),
    ("protocol", "A user may have {} of them in transit", (WORDS[MAX_LARGE_PER_USER],)),
    ("protocol", "user with {} requests in progress", (MAX_REQUESTS_PER_USER,)),
    ("admin", "past their {} hours", (FINAL_ERROR_TTL_S // 3_600,)),
    (
        "admin",
        "{} at once, then one in {} seconds",
        (WORDS[WRONG_TOKEN_BURST], WORDS[round(1 / WRONG_TOKENS_PER_SECOND)]),
    ),
    ("architecture/exactly-once", "for {} hours", (FINAL_ERROR_TTL_S // 3_600,)),
    ("architecture/journal", "for {} hours", (FINAL_ERROR_TTL_S // 3_600,)),
    (
        "operations",
        "{} MiB (`MAX_IDLE_BYTES`), or one event of {} MiB",
        (MAX_IDLE_BYTES // MIB, MAX_STATE_BYTES // MIB),
    ),
    ("operations", "{} MiB (`MAX_FOLDED_BYTES`)", (MAX_FOLDED_BYTES // MIB,)),
    (
        "operations",
        "{} MiB (`MAX_LARGE_BYTES`), {} of a user",
        (MAX_LARGE_BYTES // MIB, WORDS[MAX_LARGE_PER_USER]),
    ),
    ("operations", "at most {} MiB (`MAX_USER_ROOM_BYTES`)", (MAX_USER_ROOM_BYTES // MIB,)),
    ("operations", "take {} MiB (`MAX_ROOM_BYTES`)", (MAX_ROOM_BYTES // MIB,)),
    ("operations", "more than {} MiB of them get `busy`", (FAIR_ROOM_BYTES // MIB,)),
    ("operations", "at most {} events an hour", (MAX_LOGGED_EVENTS,)),
    (
        "operations",
        "up to {} a second, with a burst of {}",
        (http_scheduler.REQUESTS_PER_SECOND, http_scheduler.REQUEST_BURST),
    ),
    (
        "operations",
        "{} probes a second are answered",
        (WORDS[int(http_scheduler.PROBES_PER_SECOND)].title(),),
    ),
    ("operations", "throttled for {} s after the last", (OFFENDER_TTL_S,)),
    ("operations", "good `hello` ({}, then one a second)", (UNAUTHENTICATED_BURST,)),
    ("operations", "may wait up to {} s for their turn", (MAX_ADMISSION_DELAY_S,)),
    ("operations", "new ones of its own address for {} s", (SLOT_GRACE_TTL_S,)),
    ("operations", "at most {} KiB wait in the kernel", (UNSENT_BYTES // 1024,)),
    ("scaling", "are dropped within {} seconds", (USAGE_TTL_S,)),
]


def as_said(number: Any) -> str:
    return number if isinstance(number, str) else f"{number:,g}"


@pytest.mark.parametrize(("page", "sentence", "numbers"), SAID, ids=[row[1] for row in SAID])
def test_a_number_in_a_sentence_is_the_codes(
    page: str, sentence: str, numbers: tuple[Any, ...]
) -> None:
    text = " ".join((ROOT / "docs" / f"{page}.md").read_text().split())
    assert sentence.format(*map(as_said, numbers)) in text
