"""From the bytes of a frame to messages."""

from __future__ import annotations

import json

import pytest

from protocol.codec import Frame, Invalid, decode_command, decode_frame, under_id
from protocol.commands import COMMANDS, EventPause, VoteCast, type_of
from protocol.errors import ErrorCode
from protocol.fields import TextLimits
from protocol.requests import REQUESTS, Ping

LIMITS = TextLimits()
VOTE = {"type": "vote.cast", "id": "vote-0001", "event": "e", "proposal": "p", "revision": 1}


def decoded(payload: bytes, *, message_bytes: int = 65_536, longest_batch: int = 4) -> Frame:
    return decode_frame(
        payload, limits=LIMITS, message_bytes=message_bytes, longest_batch=longest_batch
    )


def test_types_are_unique() -> None:
    names = [type_of(c) for c in COMMANDS] + [str(r.__struct_config__.tag) for r in REQUESTS]
    assert len(names) == len(set(names)) == 63


def test_one_message_or_a_batch() -> None:
    single = decoded(json.dumps(VOTE).encode())
    assert (single.is_batch, single.bad) == (False, False)
    assert isinstance(single.messages[0], VoteCast)
    batch = decoded(b" \n[" + json.dumps(VOTE).encode() + b',{"type":"ping"}]')
    assert (batch.is_batch, batch.bad) == (True, False)
    assert [type(message) for message in batch.messages] == [VoteCast, Ping]
    assert decoded(b"[]") == Frame([], is_batch=True)


def test_a_wrong_element_spares_its_neighbours() -> None:
    got = decoded(b'[{"type":"ping"},{"type":"vote.cast","id":"vote-0001"},7,{"type":"ping"}]')
    kinds = [type(message) for message in got.messages]
    assert kinds == [Ping, Invalid, Invalid, Ping]
    assert not got.bad
    second, third = got.messages[1:3]
    assert isinstance(second, Invalid)
    assert isinstance(third, Invalid)
    assert (second.error.code, second.id) == (ErrorCode.BAD_REQUEST, "vote-0001")
    assert third.error.code == ErrorCode.BAD_REQUEST


def test_a_batch_as_long_as_may_be() -> None:
    assert len(decoded(b'[{"type":"ping"}' + b',{"type":"ping"}' * 3 + b"]").messages) == 4
    (over,) = decoded(b'[{"type":"ping"}' + b',{"type":"ping"}' * 4 + b"]").messages
    assert isinstance(over, Invalid)
    assert (over.error.code, over.error.details) == (ErrorCode.TOO_LARGE, {"limit": 4})


def test_a_message_as_long_as_may_be() -> None:
    payload = json.dumps(VOTE | {"pad": "x" * 100}).encode()
    assert isinstance(decoded(payload, message_bytes=len(payload)).messages[0], VoteCast)
    (over,) = decoded(payload, message_bytes=len(payload) - 1).messages
    assert isinstance(over, Invalid)
    assert (over.error.code, over.id) == (ErrorCode.TOO_LARGE, "vote-0001")


@pytest.mark.parametrize("payload", [b"", b"x", b"7", b'"x"', b"null", b"{", b"[", b"[1", b"\xff"])
def test_what_is_no_object_or_array_is_a_bad_frame(payload: bytes) -> None:
    got = decoded(payload)
    assert got.bad
    (message,) = got.messages
    assert isinstance(message, Invalid)
    assert message.error.code == ErrorCode.BAD_FRAME


def test_unknown_fields_are_ignored_and_unknown_types_are_not() -> None:
    assert isinstance(decoded(json.dumps(VOTE | {"x": [{}]}).encode()).messages[0], VoteCast)
    (message,) = decoded(b'{"type":"vote.sell","id":"vote-0001","ref":7}').messages
    assert isinstance(message, Invalid)
    assert message.error.code == ErrorCode.UNKNOWN_TYPE
    assert (message.id, message.ref) == ("vote-0001", 7)


def test_fields_that_go_together() -> None:
    create = {"type": "proposal.create", "id": "create-01", "event": "e"}

    def path(**fields: object) -> str | None:
        (found,) = decoded(json.dumps(create | fields).encode()).messages
        return found.error.details["path"] if isinstance(found, Invalid) else None

    item = {"kind": "assumption"}
    at = {"target": "t", "base_version": 1}
    assert path(**item, category="create", content="c") is None
    assert path(**item, category="create") == "content"
    assert path(**item, category="create", content="c", target="t") == "target"
    assert path(**item, category="create", content="c", base_version=1) == "base_version"
    assert path(**item, category="update", content="c", **at) is None
    assert path(**item, category="update", content="c", base_version=1) == "target"
    assert path(**item, category="update", content="c", target="t") == "base_version"
    assert path(**item, category="delete", **at) is None
    assert path(**item, category="delete", content="c", **at) == "content"
    conclusion = {"kind": "conclusion"}
    assert path(**conclusion, category="create", content="c", **at) is None
    assert path(**conclusion, category="create", content="c") == "target"
    assert path(**conclusion, category="delete", **at) is None


def test_a_comment_is_on_one_thing() -> None:
    comment = {"type": "comment.add", "id": "comment-1", "event": "e", "content": "c"}
    for fields, right in (
        ({}, False),
        ({"proposal": "p"}, True),
        ({"criterion": "c"}, True),
        ({"proposal": "p", "criterion": "c"}, False),
    ):
        (found,) = decoded(json.dumps(comment | fields).encode()).messages
        assert isinstance(found, Invalid) != right


def test_a_body_over_http_is_one_command() -> None:
    pause = decode_command(b'{"type":"event.pause","id":"pause-001","event":"e"}', limits=LIMITS)
    assert pause == EventPause(id="pause-001", event="e")
    for payload, code in (
        (b'{"type":"ping"}', ErrorCode.UNKNOWN_TYPE),
        (b"[]", ErrorCode.BAD_FRAME),
        (b"", ErrorCode.BAD_FRAME),
        (b'{"type":"event.pause"}', ErrorCode.BAD_REQUEST),
    ):
        found = decode_command(payload, limits=LIMITS)
        assert isinstance(found, Invalid)
        assert found.error.code == code


@pytest.mark.parametrize(
    ("body", "with_id"),
    [
        (b'{"type":"event.start"}', b'{"id":"key-12345","type":"event.start"}'),
        (b' {"a":{"id":1}}', b'{"id":"key-12345","a":{"id":1}}'),
        (b"{ }", b'{"id":"key-12345"}'),
        (b'{"id":"own-12345"}', b'{"id":"own-12345"}'),
        (b'{"id":null}', b'{"id":null}'),
        (b"[]", b"[]"),
        (b"{", b"{"),
        (b"", b""),
    ],
)
def test_a_body_without_an_id_is_put_under_one(body: bytes, with_id: bytes) -> None:
    assert under_id(body, "key-12345") == with_id


def test_a_body_however_deep_is_put_under_an_id() -> None:
    deep = b"[" * 900 + b"]" * 900
    body = b'{"type":"event.pause","event":"e","more":%b}' % deep
    found = decode_command(under_id(body, "key-12345"), limits=LIMITS)
    assert found == EventPause(id="key-12345", event="e")


def test_a_broken_character_spares_its_neighbours() -> None:
    """JavaScript easily writes half a surrogate pair."""
    got = decoded(
        b'[{"type":"ping"},{"type":"event.create","id":"broken-01","subject":"\\ud83d"},'
        b'{"type":"ping"}]'
    )
    assert not got.bad
    assert [type(message) for message in got.messages] == [Ping, Invalid, Ping]
    broken = got.messages[1]
    assert isinstance(broken, Invalid)
    assert (broken.id, broken.error.code) == ("broken-01", ErrorCode.BAD_REQUEST)
    assert broken.error.details == {"path": "subject"}
