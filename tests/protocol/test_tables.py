"""The tables of errors and close codes are complete, and equal to ``docs/protocol.md``."""

from __future__ import annotations

import pytest

from protocol import PROTOCOL_VERSION, SUBPROTOCOL
from protocol.closes import CLOSES, CloseCode, may_reconnect
from protocol.errors import (
    ERRORS,
    FINAL,
    ErrorCode,
    FinalError,
    ProtocolError,
    RetryableError,
    bad_request,
)

#: Effect, retry, HTTP status, whether it is final: ``docs/protocol.md``, "Errors".
SAYS = {
    **dict.fromkeys(("bad_frame", "unknown_type"), ("none", "fix", 400, False)),
    "bad_request": ("none", "fix", 400, True),
    "too_large": ("none", "fix", 413, False),
    **dict.fromkeys(("unauthenticated", "auth_expired"), ("none", "auth", 401, False)),
    "auth_early": ("none", "same", 401, False),
    **dict.fromkeys(("forbidden", "not_a_member", "not_eligible"), ("none", "no", 403, True)),
    "not_found": ("none", "no", 404, True),
    **dict.fromkeys(
        (
            *("event_not_in_progress", "event_finished", "event_full", "proposal_closed"),
            *("already_resolved", "last_admin", "limit_reached", "invalid_transition"),
        ),
        ("none", "no", 409, True),
    ),
    **dict.fromkeys(
        (
            *("target_gone", "stale", "revision_changed", "stale_criteria"),
            *("version_conflict", "too_late"),
        ),
        ("none", "fix", 409, True),
    ),
    "id_conflict": ("none", "fix", 422, False),
    **dict.fromkeys(("rate_limited", "busy"), ("none", "same", 429, False)),
    **dict.fromkeys(("draining", "overloaded"), ("none", "same", 503, False)),
    **dict.fromkeys(("timeout", "commit_unknown"), ("unknown", "same", 503, False)),
    "internal": ("unknown", "same", 500, False),
}


def test_every_code_has_a_row_and_every_row_a_code() -> None:
    assert set(ERRORS) == set(ErrorCode)
    assert {code.value for code in ErrorCode} == set(SAYS)


@pytest.mark.parametrize("code", list(ErrorCode))
def test_the_row_says_what_the_protocol_says(code: ErrorCode) -> None:
    rule = ERRORS[code]
    assert (rule.effect, rule.retry, rule.http, code in FINAL) == SAYS[code.value]
    assert rule.meaning.endswith(".")


def test_only_three_codes_may_say_unknown() -> None:
    unknown = {code.value for code, rule in ERRORS.items() if rule.effect == "unknown"}
    assert unknown == {"timeout", "commit_unknown", "internal"}


def test_an_error_says_what_its_code_means_unless_told_better() -> None:
    assert ProtocolError(ErrorCode.STALE).message == ERRORS[ErrorCode.STALE].meaning
    assert ProtocolError(ErrorCode.STALE, "better").message == "better"
    assert ProtocolError(ErrorCode.STALE).details == {}
    assert issubclass(FinalError, ProtocolError)
    assert issubclass(RetryableError, ProtocolError)
    error = bad_request("subject", "too long")
    assert (error.code, error.details) == (ErrorCode.BAD_REQUEST, {"path": "subject"})


#: ``docs/protocol.md``, "Close codes".
CODES = {
    4001: "draining",
    4002: "no_heartbeat",
    4004: "internal",
    4401: "token_expired",
    4402: "token_early",
    4408: "no_hello",
    4429: "flood",
    4500: "bad_token",
    4501: "protocol_violation",
    4503: "revoked",
    4504: "too_many_connections",
    4505: "origin_not_allowed",
    4506: "no_common_subprotocol",
}


def test_every_close_code_has_a_sentence() -> None:
    assert {int(code): code.name.lower() for code in CloseCode} == CODES
    assert set(CLOSES) == set(CloseCode)
    assert all(text.endswith(".") for text in CLOSES.values())


def test_the_range_alone_is_the_verdict() -> None:
    for code in CloseCode:
        assert may_reconnect(code) == (code < 4500)
    # The library's own codes: a client may try again after each of them.
    assert all(may_reconnect(code) for code in (1000, 1001, 1002, 1006, 1007, 1009, 1012))


def test_the_names_that_are_fixed() -> None:
    assert (PROTOCOL_VERSION, SUBPROTOCOL) == ("1.0", "ayes.v1")
