"""A log line is one fact with its ids, and never contains a secret."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from server.observability.log_format import (
    MASKED,
    MAX_FIELD_CHARACTERS,
    MAX_TRACEBACK_CHARACTERS,
    JsonFormat,
    TextFormat,
    format_for,
)
from tests.promises.running import token


def record(message: str, *args: Any, **facts: Any) -> logging.LogRecord:
    """A record of ``ayes.lanes`` with these facts."""
    made = logging.LogRecord("ayes.lanes", logging.WARNING, "x.py", 1, message, args, None)
    vars(made).update(facts)
    return made


def test_json_has_one_object_a_line_with_ids() -> None:
    line = JsonFormat().format(record("%d wait", 3, event="e1", command="c-12345678", ms=1.5))
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "warning",
        "logger": "ayes.lanes",
        "message": "3 wait",
        "event": "e1",
        "command": "c-12345678",
        "ms": 1.5,
    }


def test_text_names_each_id_once() -> None:
    line = TextFormat().format(record("event %s: %d wait", "e1", 3, event="e1", connection="c1"))
    assert line.endswith(" WARNING ayes.lanes event e1: 3 wait connection=c1")


@pytest.mark.parametrize("format", ["text", "json"])
def test_what_a_client_sent_cannot_begin_a_line(format: str) -> None:
    forged = "Ada\n2026-11-23 CRITICAL ayes\r\x1b[2Jforged\u2028\ud800"
    line = format_for(format).format(record("a client of %s", forged, user=forged))
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    line.encode()


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize(
    "secret",
    [
        lambda: token("ada"),
        lambda: f"Bearer {'x' * 20}",
        lambda: "postgresql://ayes:hunter2hunter2@db/ayes",
        lambda: f"wss://h/v1/socket?token={token('ada')}",
    ],
)
def test_no_token_and_no_password_is_in_a_line(format: str, secret: Any) -> None:
    made = secret()
    try:
        raise OSError(f"refused: {made}")
    except OSError:
        found = record("could not: %s", made, user=made)
        found.exc_info = sys.exc_info()
        line = format_for(format).format(found)
    for part in (made, "hunter2", "x" * 20, made.rpartition(".")[2] if "eyJ" in made else made):
        assert part not in line
    assert MASKED in line


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_line_is_bounded(format: str) -> None:
    found = record("%s", "x" * 1_000_000, user="y" * 1_000_000)
    found.exc_text = "z" * 1_000_000 + " the end"
    line = format_for(format).format(found)
    assert len(line) < 2 * MAX_FIELD_CHARACTERS + MAX_TRACEBACK_CHARACTERS + 400
    assert "the end" in line
