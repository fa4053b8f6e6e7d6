"""Every message of a real server is published, field by field."""

from __future__ import annotations

import msgspec
import orjson

from protocol import answers
from protocol.commands import COMMANDS, type_of
from protocol.errors import ERRORS, ProtocolError
from protocol.replies import MESSAGES, Journal
from tests.promises.running import Running
from tests.protocol_schema.tour import Tour
from tests.protocol_schema.validity import SAID, message_problems, result_problems

#: Errors caused only by clocks, faults and floods, which have tests of their own.
UNSEEN = {
    "auth_early",
    "rate_limited",
    "busy",
    "draining",
    "overloaded",
    "timeout",
    "commit_unknown",
    "internal",
}


async def test_every_message_of_a_long_visit_is_as_published(server: Running) -> None:
    tour = Tour(server)
    await tour.all()

    problems = [told for message in tour.heard for told in message_problems(message)]
    problems += [
        told
        for command, answer in tour.answered
        if answer["type"] == "ack"
        for told in result_problems(command, answer["result"])
    ]
    assert not problems, "\n".join(problems[:20])

    # The visit left nothing out.
    acked = {command for command, answer in tour.answered if answer["type"] == "ack"}
    assert acked == {type_of(kind) for kind in COMMANDS}
    assert {message["type"] for message in tour.heard} == SAID.keys() - {"journal"}
    codes = {message["code"] for message in tour.heard if message["type"] == "error"}
    table = {code.value for code in ERRORS}
    assert codes == table - UNSEEN, (table - UNSEEN - codes, codes & UNSEEN)

    # The types decode it too.
    union = MESSAGES[0]
    for kind in MESSAGES[1:]:
        if kind is not Journal:
            union = union | kind  # type: ignore[assignment]
    decoder = msgspec.json.Decoder(union)
    for message in tour.heard:
        decoder.decode(orjson.dumps(message))


def test_every_error_there_can_be_is_as_published() -> None:
    """This includes errors that only clocks, faults and floods cause."""
    for code in ERRORS:
        err = ProtocolError(code, details={"path": "event"}, retry_after_ms=100)
        body = answers.error_body(err, id="x", ref=1, event="e", replayed=True)
        assert not message_problems(body)
        assert not message_problems(answers.error_body(ProtocolError(code)))
