"""The schema of clients' messages and the decoder agree about every message."""

from __future__ import annotations

import functools
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from protocol.codec import Invalid, decode_frame
from protocol.commands import COMMANDS
from protocol.fields import TextLimits
from protocol.published import json_schema
from protocol.requests import REQUESTS
from tests.protocol_schema.instances import Instances

DEFS = json_schema.document()["$defs"]
INSTANCES = Instances(DEFS)
KINDS = [kind.__name__ for kind in (*COMMANDS, *REQUESTS)]
EVENT = "0190a4d2-9f0e-5c5e-9d0a-617965732e31"

#: Examples of each message; they are the same in each run. 100 are the long run.
EXAMPLES = int(os.environ.get("AYES_SCHEMA_EXAMPLES", "12"))

modestly = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@functools.cache
def validator(name: str) -> Draft202012Validator:
    """A validator of values against a definition."""
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": DEFS})


def decodes(value: Any) -> str | None:
    """Why the server would refuse ``value``; ``None`` if it would accept it."""
    frame = decode_frame(
        json.dumps(value, ensure_ascii=False).encode(),
        limits=TextLimits(),
        message_bytes=10**7,
        longest_batch=256,
    )
    (message,) = frame.messages
    return str(message.error) if isinstance(message, Invalid) else None


@pytest.mark.parametrize("name", KINDS)
def test_it_decodes_exactly_where_the_schema_allows_it(name: str) -> None:
    @modestly
    @given(INSTANCES.of(name))
    def agree(value: dict[str, Any]) -> None:
        problem = decodes(value)
        assert validator(name).is_valid(value) == (problem is None), (problem, value)

    agree()


@pytest.mark.parametrize("name", KINDS)
def test_it_does_not_decode_without_a_field_that_is_required(name: str) -> None:
    @modestly
    @given(INSTANCES.of(name), st.data())
    def refuse(value: dict[str, Any], data: st.DataObject) -> None:
        value.pop(data.draw(st.sampled_from(DEFS[name]["required"])))
        assert decodes(value) is not None

    refuse()


@pytest.mark.parametrize("name", KINDS)
def test_a_field_of_another_kind_is_refused_by_both(name: str) -> None:
    @modestly
    @given(INSTANCES.of(name), st.data())
    def agree(value: dict[str, Any], data: st.DataObject) -> None:
        field = data.draw(st.sampled_from(sorted(DEFS[name]["properties"])))
        value[field] = data.draw(
            st.sampled_from([None, True, 0, -1, 2**53, 1.5, "", "\x00", "x" * 16_000, [], [1], {}])
        )
        problem = decodes(value)
        assert validator(name).is_valid(value) == (problem is None), (problem, value)

    agree()


PROPOSE = {"type": "proposal.create", "id": "propose-1", "event": EVENT}
BASE = {"target": "c_aaaaaaaaaaaaaaaa", "base_version": 1}


@pytest.mark.parametrize("kind", ["assumption", "criterion", "conclusion"])
@pytest.mark.parametrize("category", ["create", "update", "delete"])
@pytest.mark.parametrize("given_fields", range(8))
def test_the_schema_knows_which_fields_of_a_proposal_go_together(
    kind: str, category: str, given_fields: int
) -> None:
    fields = [BASE["target"], BASE["base_version"], "words"]
    names = ("target", "base_version", "content")
    command: dict[str, Any] = PROPOSE | {"kind": kind, "category": category}
    command |= {
        name: value
        for bit, (name, value) in enumerate(zip(names, fields, strict=True))
        if given_fields >> bit & 1
    }
    problem = decodes(command)
    assert validator("ProposalCreate").is_valid(command) == (problem is None), problem
