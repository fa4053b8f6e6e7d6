"""Every golden transcript, played against a real server."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from protocol.errors import ERRORS
from server.identity.auth import Authenticator
from tests.fixtures.servers import patient
from tests.promises.running import AUDIENCE, SECRET, running
from tests.protocol_schema.validity import message_problems
from tests.transcripts.matching import Memory, Mismatch
from tests.transcripts.playing import Player, lines_of, stream_of

__all__ = ["patient"]

HERE = Path(__file__).parent
TRANSCRIPTS = sorted(HERE.glob("*.jsonl"))


def token_of(asked: dict[str, Any]) -> str:
    """The token that a ``$token`` placeholder asks for."""
    secret = SECRET if asked.get("key", "right") == "right" else "w" * 64
    lifetime = timedelta(seconds=asked.get("expires_in", 3_600))
    user = asked["$token"]
    name = asked.get("name", user.capitalize())
    made = Authenticator(secret, audience=AUDIENCE).make(user, name, lifetime)
    if (ahead := asked.get("begins_in")) is None:
        return made
    claims = jwt.decode(made, options={"verify_signature": False})
    return jwt.encode(claims | {"nbf": claims["iat"] + ahead}, secret)


def note(direction: str, message: dict[str, Any]) -> None:
    """Keep a message for `scripts/check-schemas`, which names the file."""
    if (path := os.environ.get("AYES_TRANSCRIPTS_SAID")) is not None:
        with Path(path).open("a") as said:
            said.write(json.dumps({"dir": direction, "message": message}) + "\n")


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_the_server_says_what_the_transcript_has(database_url: str, path: Path) -> None:
    lines = lines_of(path)
    problems: list[str] = []

    def look(message: dict[str, Any]) -> None:
        problems.extend(message_problems(message))
        note("s", message)

    async with running(database_url, **lines[0].get("settings", {})) as server:
        player = Player(server.url, token_of, look, lambda message: note("c", message))
        await player.play(lines)
    assert not problems, problems


async def test_a_transcript_can_be_played_twice_to_one_server(database_url: str) -> None:
    lines = lines_of(HERE / "first-light.jsonl")
    async with running(database_url) as server:
        for _ in range(2):
            await Player(server.url, token_of).play(lines)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_it_is_well_formed(path: Path) -> None:
    lines = lines_of(path)
    assert "about" in lines[0]
    for line in lines:
        assert set(line) <= {"about", "settings"} or line["dir"] in ("c", "s")
        if line.get("dir") == "s":
            assert set(line) in ({"dir", "socket", "message"}, {"dir", "socket", "close"})


def test_the_transcripts_show_every_error_that_a_client_can_cause() -> None:
    shown = {
        line["message"].get("code")
        for path in TRANSCRIPTS
        for line in lines_of(path)
        if line.get("dir") == "s" and line.get("message", {}).get("type") == "error"
    }
    # Causes are load, faults and drains; ``not_eligible`` has no cause at present.
    others = {
        "busy", "rate_limited", "draining", "overloaded", "timeout", "commit_unknown", "internal",
        "not_eligible",
    }  # fmt: skip
    assert shown == {code.value for code in ERRORS} - others


# The matching itself


def memory() -> Memory:
    """A memory without bindings."""
    return Memory(lambda asked: "token")


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ({"a": 1}, {"a": 1}),
        ({"a": {"$any": "integer"}, "$more": True}, {"a": 1, "b": 2}),
        ([{"$bind": "x"}, {"$ref": "x"}], ["same", "same"]),
        ([{"$bind": "x", "is": "time"}], ["2026-11-23T08:00:00.000Z"]),
        ({"$bind:k": {"n": 2}, "$bind:l": {"n": 1}}, {"a": {"n": 1}, "b": {"n": 2}}),
        ([{"$bind": "x"}, {"$ref:x": 1}], ["key", {"key": 1}]),
    ],
)
def test_what_is_expected_is_matched(pattern: Any, value: Any) -> None:
    memory().match(pattern, value)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({}, {"a": 1}),
        ({"a": 1}, {}),
        ([1], [1, 1]),
        ([{"$bind": "x"}, {"$ref": "x"}], ["same", "other"]),
        ({"$any": "integer"}, True),
        ({"$any": "time"}, "yesterday"),
        ({"$bind:k": {"n": 3}}, {"a": {"n": 1}}),
        ({"$ref": "never bound"}, 1),
        ({"$id": "mine"}, "yours"),
    ],
)
def test_what_is_not_expected_is_a_mismatch(pattern: Any, value: Any) -> None:
    with pytest.raises(Mismatch):
        memory().match(pattern, value)


def test_order_is_looked_at_within_a_stream_only() -> None:
    ack = {"type": "ack", "id": "i", "event": "e"}
    diff = {"type": "diff", "event": "e"}
    own = {"type": "you", "event": "e"}
    pong = {"type": "pong", "ref": "r"}
    assert len({stream_of(message) for message in (ack, diff, own, pong)}) == 4
    assert stream_of(ack) == stream_of({"type": "error", "id": "j"})
    assert stream_of(diff) == stream_of({"type": "snapshot", "event": "e", "ref": "r"})
