"""The remains of an event that an operator deleted: its export, and the answers to its commands.

The history has the journal as it was just before. From the deletion on, a command that has a line
there gets its answer again, by its id alone and without names. Any other command is ``not_found``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from tests.model.chain import instant, raw
from tests.model.deciding import Answer
from tests.model.difference import difference
from tests.model.erased import since
from tests.model.history import Deletion, Json, Operation, Violation
from tests.model.shapes import given, stored

#: Commands whose results have names, which go with the event.
NAMING = frozenset(("membership.rename", "invitation.create"))
#: Answers about the command alone, whatever the event was.
OF_THE_COMMAND = frozenset(("too_late", "bad_request"))


def check_export(deletion: Deletion, rows: Sequence[Json]) -> Iterator[Violation]:
    """1: the export has every line of the journal, as it stood at the deletion; what is left."""
    yield from deletion.left
    head, *lines, end = deletion.exported
    by_seq = {line["seq"]: line for line in lines}
    for row in rows:
        line = by_seq.pop(row["seq"], None)
        if line is None:
            what = f"{row['user']} {row['id']} was in the journal, and is not in the export"
            yield Violation(1, row["seq"], what)
        elif differs := difference(_exported(since(row, len(rows) + 1)), _read(line)):
            yield Violation(1, row["seq"], f"the export has it as: {differs}")
    for seq in by_seq:
        yield Violation(1, seq, "is in the export, and was not in the journal")
    top = rows[-1] if rows else None
    if top is not None and (end["end"], end["hash"]) != (top["seq"], raw(top["hash"]).hex()):
        yield Violation(1, top["seq"], f"the export ends with {end}, and begins with {head}")


def _exported(row: Json) -> Json:
    """A line as an export must have it, its texts parsed."""
    sealed = {"digests": row["digests"]} if row.get("digests") else {"salt": raw(row["salt"]).hex()}
    hashes = {name: raw(row[name]).hex() for name in ("prev_hash", "hash")}
    same = {name: row[name] for name in ("seq", "user", "id", "command", "payload", "answer")}
    return same | sealed | hashes | {"patches": row["patches"], "at": instant(row["at"])}


def _read(line: Json) -> Json:
    texts = {name: json.loads(line[name]) for name in ("payload", "answer", "patches")}
    return line | texts | {"at": instant(line["at"])}


def _answer(row: Json) -> Answer:
    """The answer that is left of a line."""
    if row["command"] not in NAMING:
        return stored(row)
    return "ack", {"applied": row["answer"]["applied"], "result": {}}


def judged(deletion: Deletion, operation: Operation, row: Json | None) -> list[Violation] | None:
    """The violations in an answer that a deleted event gave; ``None`` if the event gave it.

    ``row`` is the command's own line, or refusal, from before.
    """
    answer = operation.answer or {}
    if operation.answered_at is None or operation.answered_at <= deletion.began:
        return None
    is_after = operation.sent_at >= deletion.ended
    what, code = f"{operation.user} {operation.command['id']}", answer.get("code")
    if row is None or row["seq"] is None:
        if code == "not_found":
            return []
        if not is_after or code in OF_THE_COMMAND:
            return None
        return [Violation(10, None, f"{what}: of a deleted event, {answer}")]
    if answer.get("type") != "ack":
        forgot = f"{what} was decided, and the deleted event answers {code}"
        return [Violation(2, row["seq"], forgot)] if is_after else None
    wanted = _answer(row)
    if not is_after and (not answer["replayed"] or difference(wanted, given(answer))):
        return None
    found = []
    if (answer["seq"], answer["hash"]) != (row["seq"], raw(row["hash"]).hex()):
        found.append(Violation(1, row["seq"], f"{what} was acked elsewhere by the deleted event"))
    if differs := difference(wanted, given(answer)):
        found.append(Violation(2, row["seq"], f"{what} was answered later: {differs}"))
    if not answer["replayed"]:
        found.append(Violation(2, row["seq"], f"{what} was decided by a deleted event"))
    return found
