"""Every field of every message with every kind of wrong value: an error that names the field."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import Frame, Invalid, decode_frame
from protocol.commands import Command
from protocol.errors import ERRORS, ErrorCode
from tests.protocol.wrong import (
    LIMITS,
    MESSAGES,
    Wrong,
    example,
    name_of,
    texts_of,
    written,
    wrong_messages,
)

DOCUMENTED = {
    ErrorCode.BAD_REQUEST,
    ErrorCode.BAD_FRAME,
    ErrorCode.UNKNOWN_TYPE,
    ErrorCode.TOO_LARGE,
}


def decoded(payload: bytes, *, message_bytes: int = 1_000_000) -> Frame:
    return decode_frame(payload, limits=LIMITS, message_bytes=message_bytes, longest_batch=256)


def only(payload: bytes) -> Any:
    (message,) = decoded(payload).messages
    return message


@pytest.mark.parametrize("message", MESSAGES, ids=name_of)
def test_the_example_itself_is_right(message: type[msgspec.Struct]) -> None:
    found = only(written(example(message)))
    assert type(found) is message, found


@pytest.mark.parametrize("message", MESSAGES, ids=name_of)
def test_a_wrong_field_is_named(message: type[msgspec.Struct]) -> None:
    mistakes = []
    count = 0
    for wrong in wrong_messages(message):
        count += 1
        if problem := misjudged(message, wrong):
            mistakes.append(f"{wrong.what}: {problem}")
    assert count > 10
    assert not mistakes, "\n" + "\n".join(mistakes)


def misjudged(message: type[msgspec.Struct], wrong: Wrong) -> str | None:
    """The fault in the answer to ``wrong``, or ``None``."""
    found = only(wrong.payload)
    if not isinstance(found, Invalid):
        return f"taken as {found}"
    error = found.error
    if error.code is not ErrorCode.BAD_REQUEST:
        return f"{error.code}"
    if error.details.get("path") != wrong.path:
        return f"path {error.details.get('path')!r}, not {wrong.path!r} ({error.message})"
    key = found.id if issubclass(message, Command) else found.ref
    if wrong.keyed and key is None:
        return "not told under its id"
    return None


@pytest.mark.parametrize("message", MESSAGES, ids=name_of)
def test_the_longest_text_and_the_widest_range_are_right(message: type[msgspec.Struct]) -> None:
    for name, mark in texts_of(message).items():
        whole = example(message)
        # Letters of two code units in UTF-16 and four bytes in UTF-8 count as one each.
        text = "\U0001f355" * getattr(LIMITS, mark.kind)
        whole[name] = [text] if isinstance(whole[name], list) else text
        assert type(only(written(whole))) is message
    for optional in example(message).keys() - required(message):
        whole = example(message)
        del whole[optional]
        found = only(written(whole))
        if isinstance(found, Invalid):
            # It depends on another field; then the error says so.
            assert found.error.details["path"] in (optional, "content", "base_version", "target",
                                                   "proposal")  # fmt: skip


def required(message: type[msgspec.Struct]) -> set[str]:
    return {"type"} | {field.name for field in msgspec.structs.fields(message) if field.required}


def test_text_is_normalised_to_nfc() -> None:
    found = only(b'{"type":"event.create","id":"nfc-1234","subject":"Cafe\\u0301"}')
    assert found.subject == "Café"
    # The limit applies to the stored form.
    subject = "e\u0301" * 200
    found = only(written({"type": "event.create", "id": "nfc-1234", "subject": subject}))
    assert len(found.subject) == 200


def test_tabs_and_lines_are_text() -> None:
    found = only(b'{"type":"event.create","id":"tabs-123","subject":"a\\tb\\nc"}')
    assert found.subject == "a\tb\nc"


@pytest.mark.parametrize(
    ("payload", "code", "path"),
    [
        (b'{"id":"no-type1"}', "bad_request", "type"),
        (b'{"type":null,"id":"no-type1"}', "bad_request", "type"),
        (b'{"type":5,"id":"no-type1"}', "bad_request", "type"),
        (b'{"type":["ping"],"id":"no-type1"}', "bad_request", "type"),
        (b'{"type":"\\ud800","id":"no-type1"}', "unknown_type", "type"),
        (b'{"type":"","id":"no-type1"}', "unknown_type", "type"),
        (b'{"type":"ack","id":"no-type1"}', "unknown_type", "type"),
        (b'{"type":"proposal.expire","id":"no-type1"}', "unknown_type", "type"),
        (b"{}", "bad_request", "type"),
        (b'{"type":"ping","x":NaN}', "bad_frame", None),
        (b'{"type":"ping","x":Infinity}', "bad_frame", None),
        (b'{"type":"ping","x":-Infinity}', "bad_frame", None),
        (b'{"type":"ping","x":01}', "bad_frame", None),
        (b'{"type":"ping","x":"\x01"}', "bad_frame", None),
        (b'{"type":"ping"}x', "bad_frame", None),
        ("{}".encode("utf-16"), "bad_frame", None),
        (b"\xff", "bad_frame", None),
    ],
)
def test_what_is_no_message_at_all(payload: bytes, code: str, path: str | None) -> None:
    found = only(payload)
    assert isinstance(found, Invalid)
    assert found.error.code == code
    if path is not None:
        assert found.error.details["path"] == path
        assert found.id in ("no-type1", None)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"type":"ping","type":"hello","ref":"r"}',
        b'{"type":"hello","type":"ping","ref":"r"}',
        b'{"type":"ping","ref":"a","ref":"b"}',
        b'{"type":"ping","ref":5,"ref":true}',
        b'{"type":"event.pause","id":"first-id","id":"second-id","event":"e"}',
        b'{"type":"event.pause","id":"first-id","id":7,"event":"e"}',
        b'{"type":"event.pause","id":7,"id":"second-id","event":"e"}',
    ],
)
def test_a_key_given_twice_is_a_message_or_an_error(payload: bytes) -> None:
    found = only(payload)
    if isinstance(found, Invalid):
        assert found.error.code in DOCUMENTED


@pytest.mark.parametrize("depth", [100, 1_000, 10_000, 100_000])
@pytest.mark.parametrize("shape", ['{"type":"ping","x":%s}', '[{"type":"ping","x":%s}]', "%s"])
def test_deep_nesting_never_raises(depth: int, shape: str) -> None:
    for text in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, "[" * depth):
        for message in decoded((shape % text).encode()).messages:
            assert not isinstance(message, Invalid) or message.error.code in DOCUMENTED


def test_an_id_that_cannot_be_used_is_not_echoed() -> None:
    for id_ in ("", "x" * 65, "\u0000", "a\nb", 5, None, ["x"], {"a": 1}, True):
        found = only(written({"type": "event.pause", "id": id_, "event": "e"}))
        assert isinstance(found, Invalid)
        assert found.id is None
        assert found.error.details["path"] == "id"
    # A field that is only of the wrong form is kept: its sender recognises it.
    assert only(written({"type": "event.pause", "id": "short", "event": "e"})).id == "short"


def test_integers_are_no_texts_booleans_or_fractions() -> None:
    for wrong in ("true", "false", '"1"', "1.5", "1e-1", "-1", "2147483648", "1e400", "null"):
        payload = (
            '{"type":"vote.cast","id":"integer-1","event":"e","proposal":"p","revision":%s}' % wrong  # noqa: UP031
        )
        found = only(payload.encode())
        assert isinstance(found, Invalid), wrong
        assert found.error.details["path"] == "revision", wrong
        assert found.id == "integer-1"


# For any input

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([name_of(message) for message in MESSAGES]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "id", "event", "ref", "policy", "resume", "token"])
            | st.text(),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(_json)
def test_any_json_gives_messages_or_documented_errors(value: Any) -> None:
    for message in decoded(json.dumps(value).encode()).messages:
        assert not isinstance(message, Invalid) or message.error.code in DOCUMENTED


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_messages_or_documented_errors(payload: bytes) -> None:
    for message in decoded(payload).messages:
        assert not isinstance(message, Invalid) or message.error.code in DOCUMENTED


def test_damaged_messages_give_messages_or_documented_errors() -> None:
    rng = random.Random(7396)
    wholes = [written(example(message)) for message in MESSAGES]
    for _ in range(20_000):
        payload = bytearray(rng.choice(wholes))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(payload))
            match rng.randrange(4):
                case 0:
                    payload[at] = rng.randrange(256)
                case 1:
                    del payload[at:]
                    payload += b"}"
                case 2:
                    payload.insert(at, rng.randrange(256))
                case 3:
                    end = rng.randrange(at, len(payload)) + 1
                    payload[at:at] = payload[at:end]
        for message in decoded(bytes(payload)).messages:
            if isinstance(message, Invalid):
                assert message.error.code in DOCUMENTED
                assert ERRORS[message.error.code].effect == "none"
