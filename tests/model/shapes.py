"""The shapes that a command and its answer have: in the journal, on the wire, in the model."""

from __future__ import annotations

from tests.model.deciding import Answer, asked
from tests.model.history import Json


def command_of(row: Json) -> Json:
    """The command that a line of the journal was decided for."""
    return {**row["payload"], "type": row["command"], "id": row["id"]}


def asked_by(row: Json) -> Json:
    """The command's fields, with their defaults."""
    return asked(command_of(row))


def stored(row: Json) -> Answer:
    """The answer that a line of the journal holds."""
    answer = row["answer"]
    if row["seq"] is None:
        return "error", {"code": answer["code"], "details": answer["details"]}
    return "ack", {"applied": answer["applied"], "result": answer["result"]}


def given(answer: Json) -> Answer:
    """The answer that a client was sent."""
    keys = ("applied", "result") if answer["type"] == "ack" else ("code", "details")
    return answer["type"], {key: answer[key] for key in keys}
