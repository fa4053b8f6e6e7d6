"""``/v1/schema``: one definition for every message, complete, and true to the types."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from jsonschema import Draft202012Validator

from persistence.event import records
from protocol import state
from protocol.closes import CLOSES
from protocol.commands import COMMANDS
from protocol.errors import ERRORS
from protocol.fields import TextLimits
from protocol.messages import Ack, Diff, Error, Snapshot
from protocol.published import json_schema
from protocol.replies import MESSAGES, Journal
from protocol.requests import REQUESTS
from protocol.results import RESULTS

DOCUMENT = json_schema.document()
DEFS = DOCUMENT["$defs"]


def nodes(made: Any) -> Iterator[dict[str, Any]]:
    """Every object within ``made``."""
    if isinstance(made, list):
        for inner in made:
            yield from nodes(inner)
    elif isinstance(made, dict):
        yield made
        for inner in made.values():
            yield from nodes(inner)


def test_it_is_a_schema_of_2020_12() -> None:
    assert DOCUMENT["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(DOCUMENT)


def test_every_reference_leads_somewhere() -> None:
    refs = {node["$ref"] for node in nodes(DOCUMENT) if "$ref" in node}
    assert {f"#/$defs/{name}" for name in DEFS} >= refs


def test_client_and_server_messages_are_told_apart_by_type() -> None:
    for union, kinds in (("ClientMessage", (*COMMANDS, *REQUESTS)), ("ServerMessage", MESSAGES)):
        named = [choice["$ref"].rpartition("/")[2] for choice in DEFS[union]["oneOf"]]
        assert named == [kind.__name__ for kind in kinds]
        types = [DEFS[name]["properties"]["type"]["const"] for name in named]
        assert len(set(types)) == len(types)
        assert all("type" in DEFS[name]["required"] for name in named)


def test_no_type_is_both_the_clients_and_the_servers() -> None:
    heard = {kind.__struct_config__.tag for kind in (*COMMANDS, *REQUESTS)}
    assert not heard & {kind.__struct_config__.tag for kind in MESSAGES}


def test_every_command_has_a_result() -> None:
    for command, result in RESULTS.items():
        assert DEFS[f"{command.__name__}Result"] == {"$ref": f"#/$defs/{result.__name__}"}


def test_the_error_codes_are_enumerated_with_their_effect_and_retry() -> None:
    assert DEFS["ErrorCode"]["enum"] == [code.value for code in ERRORS]
    check = Draft202012Validator({"$ref": "#/$defs/Error", "$defs": DEFS})
    for code, rule in ERRORS.items():
        error: dict[str, Any] = {"type": "error", "code": code.value, "message": "", "details": {}}
        assert check.is_valid(error | {"effect": rule.effect, "retry": rule.retry})
        other = "unknown" if rule.effect == "none" else "none"
        assert not check.is_valid(error | {"effect": other, "retry": rule.retry})
        wrong = "fix" if rule.retry != "fix" else "no"
        assert not check.is_valid(error | {"effect": rule.effect, "retry": wrong})


def test_the_close_codes_are_enumerated() -> None:
    assert DEFS["CloseCode"]["enum"] == [int(code) for code in CLOSES]


def test_texts_have_the_limits_of_this_server() -> None:
    limits = TextLimits(subject=7, content=8, reason=9, comment=10, option=11)
    defs = json_schema.document(limits)["$defs"]
    assert defs["EventCreate"]["properties"]["subject"]["maxLength"] == 7
    assert defs["EventCreate"]["properties"]["criteria"]["items"]["maxLength"] == 8
    assert defs["EventCreate"]["properties"]["options"]["items"]["maxLength"] == 11
    assert defs["CommentAdd"]["properties"]["content"]["maxLength"] == 10
    reason = defs["ProposalReject"]["properties"]["reason"]["anyOf"][0]
    assert reason["maxLength"] == 9
    assert "minLength" not in reason


def test_patterns_are_those_of_ecma_262_and_all_of_them_anchored() -> None:
    patterns = {node["pattern"] for node in nodes(DOCUMENT) if isinstance(node.get("pattern"), str)}
    assert patterns
    for pattern in patterns:
        assert pattern.startswith("^")
        assert pattern.endswith("$")
        assert "\\A" not in pattern
        assert "\\Z" not in pattern
        re.compile(pattern)


def test_every_example_is_valid() -> None:
    found = 0
    for node in nodes(DOCUMENT):
        for example in node.get("examples", ()) if isinstance(node.get("examples"), list) else ():
            found += 1
            Draft202012Validator(node).validate(example)
    assert found


def test_every_message_says_what_it_is() -> None:
    silent = [
        kind.__name__
        for kind in (*COMMANDS, *REQUESTS, *MESSAGES, *RESULTS.values())
        if not DEFS[kind.__name__].get("description", "").strip()
    ]
    assert not silent


def test_a_patch_may_remove_what_may_be_absent_and_nothing_else() -> None:
    check = Draft202012Validator({"$ref": "#/$defs/StatePatch", "$defs": DEFS})
    proposal = "p_" + "a" * 16
    assert check.is_valid({})
    assert check.is_valid({"proposals": {proposal: None}})
    assert check.is_valid({"proposals": {proposal: {"opens_at": None, "agree": 2}}})
    assert check.is_valid({"members": {"ada": {"role": "admin"}}})
    assert not check.is_valid({"proposals": {proposal: {"revision": None}}})
    assert not check.is_valid({"proposals": None})
    assert not check.is_valid({"event": None})
    assert not check.is_valid({"proposals": {"nonsense": {}}})


def test_the_vocabulary_is_the_databases() -> None:
    """The records define these words separately; one day they may import them."""
    for name in ("EventStatus", "MembershipStatus", "ProposalStatus", "Resolution"):
        assert get_args(getattr(state, name)) == get_args(getattr(records, name))


@pytest.mark.parametrize("name", ["json_schema", "asyncapi", "openapi"])
def test_it_can_be_printed(name: str) -> None:
    made = subprocess.run(
        [sys.executable, "-m", f"protocol.published.{name}"], check=True, capture_output=True
    ).stdout
    document = __import__(f"protocol.published.{name}", fromlist=["document"]).document()
    assert made == json_schema.encode(document)


def test_the_types_decode_what_a_server_says() -> None:
    decoder = msgspec.json.Decoder(Ack | Error | Diff | Snapshot | Journal)
    got = decoder.decode(
        b'{"type":"diff","event":"0190a4d2-9f0e-5c5e-9d0a-617965732e31","epoch":"00","from":3,'
        b'"seq":4,"patch":{},"something new":1}'
    )
    assert isinstance(got, Diff)
    assert (got.from_, got.seq) == (3, 4)
