"""Whether a recorded history keeps what the server promises.

The journal is replayed through the reference model in the order of ``seq``; on the way every answer
and refusal is compared, and every stream folded and compared. Other walks hold the operations'
answers against the journal, and the journal's order against real time. All of it is linear in what
was recorded.

The invariants, by their numbers in the design: 1 what is acked is in the journal, at its seq, with
its hash; 2 one effect and one answer per id; 3 every effect was asked for; 4 no hole in seq; 5 the
model gives every stored answer; 6 real time; 7 a snapshot is the state at its seq; 8 diffs are
contiguous, lead from state to state, and reach the top; 9 nobody sees what did not commit; 10 a
final answer stays final; 13 nothing by or for someone outside their membership.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Generator, Iterator
from itertools import islice, pairwise

from tests.model.asking import NO_EFFECT, UNKNOWN, check_asked, lost_words
from tests.model.chain import instant, raw, verify_chain
from tests.model.deciding import asked
from tests.model.deleted import check_export, judged
from tests.model.difference import answer_differs, difference
from tests.model.erased import check_erasures, since, versions
from tests.model.folding import Meeting, Moment, parts_of
from tests.model.history import History, Json, Operation, Violation
from tests.model.ids import given_ids
from tests.model.reference import Model
from tests.model.refusals import Refusals
from tests.model.shapes import asked_by, command_of, given, stored
from tests.model.sightings import Sightings
from tests.model.terms import LIMIT_NAMES

#: The server's names of the model's limits, if they differ.
SERVER_NAMES = {mine: theirs for theirs, mine in LIMIT_NAMES.items()}
#: Refusals of the model that mean: the command had no effect.
OUTSIDE = frozenset(("not_found", "not_a_member", "forbidden"))


def check(history: History, *, most: int = 100) -> list[Violation]:
    """The broken promises found, at most ``most``; those of the journal come first."""
    rows = [row for row in history.rows if row["seq"] is not None]
    rows.sort(key=lambda row: int(row["seq"]))
    return list(islice(_violations(history, rows), most))


def _violations(history: History, rows: list[Json]) -> Iterator[Violation]:
    yield from _positions(rows, history.set_back)
    yield from (Violation(1, seq, what) for seq, what in verify_chain(rows))
    yield from check_erasures(rows, history.rows)
    if history.deletion is not None:
        yield from check_export(history.deletion, rows)
    sightings = Sightings(history, rows)
    yield from _answers(history, sightings)
    yield from check_asked(history, rows, sightings)
    yield from _real_time(history, rows)
    yield from _replay(history, rows)


def _positions(rows: list[Json], set_back: int) -> Iterator[Violation]:
    """4: 1…n, and time grows with it, except as often as the clock was ``set_back``."""
    for position, row in enumerate(rows, 1):
        if row["seq"] != position:
            yield Violation(4, row["seq"], f"stands where {position} should")
            return
    for before, row in pairwise(rows):
        if instant(row["at"]) >= instant(before["at"]):
            continue
        set_back -= 1
        if set_back < 0:
            yield Violation(4, row["seq"], "was decided before the one it follows")


# --- the operations against the journal


def _answers(history: History, sightings: Sightings) -> Iterator[Violation]:
    """1, 2, 10: each answer to a client agrees with the journal."""
    lines: dict[tuple[str, str], Json] = {}
    for line in history.rows:
        if (line["user"], line["id"]) in lines:
            yield Violation(2, line["seq"], f"{line['user']} {line['id']} is decided twice")
        lines[line["user"], line["id"]] = line
    joined = _joined(history.rows)
    told_first: set[tuple[str, str]] = set()
    for operation in history.operations:
        answer, key = operation.answer, (operation.user, operation.command["id"])
        if answer is None or answer.get("code") in NO_EFFECT | UNKNOWN:
            continue
        row = lines.get(key)
        if history.deletion is not None:
            wrong = judged(history.deletion, operation, row)
            if wrong is not None:
                yield from wrong
                continue
        if row is None:
            if answer.get("code") == "not_found" and not sightings.floor(operation.sent_at):
                # No client knew of the event yet: perhaps it did not exist, and nothing could be
                # remembered.
                continue
            yield from _unfounded(operation, answer)
            continue
        # For a refusal whose payload no client sent, only the answer is known.
        is_same = row["payload"] is None or asked_by(row) == asked(operation.command)
        if not is_same and (_found_no_event(operation) or answer.get("code") == "too_late"):
            # Not remembered: for example a stranger's command that comes too late.
            continue
        is_late = answer.get("code") == "too_late" and not answer.get("replayed")
        if is_late and joined.get(key[0], math.inf) > sightings.floor(operation.sent_at):
            # Nor is a stranger's own: sent again by a member, it is decided.
            continue
        is_conflict = answer.get("code") == "id_conflict"
        if answer.get("code") == row["answer"].get("code") == "not_found":
            # A stranger gets it for any payload: a conflict would reveal that the event exists.
            continue
        # Since its words were erased, the server knows a repeat by its id alone.
        may_differ = answer.get("replayed") and lost_words(row, operation, sightings)
        if (
            row["payload"] is not None
            and is_conflict == is_same
            and not (may_differ and not is_same)
        ):
            yield Violation(2, row["seq"], f"{key}: other words or not, {answer['type']} {answer}")
        elif not is_conflict:
            yield from _same_answer(key, answer, row)
            # A stranger's "not found" never shows that it is a repeat.
            if not answer.get("replayed") and answer.get("code") != "not_found":
                if key in told_first:
                    what = f"{key} was twice told to be decided just now"
                    yield Violation(2, row["seq"], what)
                told_first.add(key)


def _joined(rows: list[Json]) -> dict[str, int]:
    """The position from which each user surely has a membership."""
    found: dict[str, int] = {}
    for row in rows:
        if row["seq"] is None:
            continue
        if row["command"] in ("event.create", "membership.join"):
            found.setdefault(row["user"], row["seq"])
        elif row["command"] == "membership.add" and row["payload"] is not None:
            for person in asked_by(row)["people"] or ():
                found.setdefault(person.get("user"), row["seq"])
    return found


def _unfounded(operation: Operation, answer: Json) -> Iterator[Violation]:
    """An answer to a command that the journal does not have."""
    what = f"{operation.user} {operation.command['id']}"
    code = answer.get("code")
    if answer["type"] == "ack":
        yield Violation(1, answer["seq"], f"{what} was acked and is not in the journal")
    elif code == "id_conflict":
        yield Violation(2, None, f"{what}: id_conflict with nothing")
    elif code == "too_late":
        if "not_after" not in operation.command:
            yield Violation(10, None, f"{what} was too late, and never said for what")
    elif code != "bad_request" and not _found_no_event(operation):
        # A bad request may not have reached the event.
        yield Violation(10, None, f"{what} was refused ({code}), and that is not remembered")


def _found_no_event(operation: Operation) -> bool:
    """Whether the refusal could not be remembered."""
    code, kind = (operation.answer or {}).get("code"), operation.command["type"]
    return bool(code) and (
        kind == "event.create" or (kind, code) == ("membership.join", "not_found")
    )


def without_secrets(answer: Json) -> Json:
    """An answer without the secrets of invitations, which the server derives and never stores."""
    listed = (answer.get("result") or {}).get("invitations")
    if not isinstance(listed, list):
        return answer
    bare = [{name: one[name] for name in one if name != "secret"} for one in listed]
    return answer | {"result": answer["result"] | {"invitations": bare}}


def _same_answer(key: tuple[str, str], answer: Json, row: Json) -> Iterator[Violation]:
    seq = row["seq"]
    if answer["type"] == "ack" and answer["seq"] != seq:
        yield Violation(1, answer["seq"], f"{key} was acked there and stands at {seq}")
    elif answer["type"] == "ack" and bytes.fromhex(answer["hash"]) != raw(row["hash"]):
        yield Violation(1, seq, f"{key} was acked with another hash")
    said = given(without_secrets(answer))
    # A repeat after an erasure may get an answer without the words.
    if all(difference(stored(version), said) for version in versions(row)):
        differs = difference(stored(row), said)
        yield Violation(2 if answer["type"] == "ack" else 10, seq, f"{key} was answered: {differs}")


def _real_time(history: History, rows: list[Json]) -> Iterator[Violation]:
    """6: a command that was answered or shown before another was sent has the lower ``seq``."""
    seqs = {(row["user"], row["id"]): int(row["seq"]) for row in rows}
    first_sent: dict[tuple[str, str], float] = {}
    moments: list[tuple[float, bool, int, str]] = []  # (when, whether a sending, seq, what)
    for operation in history.operations:
        key, answer = (operation.user, operation.command["id"]), operation.answer
        first_sent[key] = min(operation.sent_at, first_sent.get(key, operation.sent_at))
        if answer and answer["type"] == "ack" and operation.answered_at is not None:
            moments.append((operation.answered_at, False, answer["seq"], f"the ack of {key[1]}"))
    for stream in history.streams:
        for when, message in zip(stream.heard_at, stream.messages, strict=False):
            if "seq" in message:
                moments.append((when, False, message["seq"], f"what {stream.socket} heard"))
    moments += [(when, True, seqs[key], key[1]) for key, when in first_sent.items() if key in seqs]
    known, known_by = 0, ""
    # At the same moment a sending is sorted first: only a surely earlier position counts.
    for _, is_sending, seq, what in sorted(moments, key=lambda moment: (moment[0], not moment[1])):
        if is_sending and seq <= known:
            yield Violation(6, seq, f"{what} was sent after {known_by} had shown {known}")
        elif not is_sending and seq > known:
            known, known_by = seq, what


# --- the journal against the model


def _replay(history: History, rows: list[Json]) -> Iterator[Violation]:
    """5, 7, 8, 9, 10, 13: each row through the model, with the answers and refusals of its time."""
    model = Model(**history.limits)
    meetings: dict[int, list[Meeting]] = defaultdict(list)
    every_part = []
    for stream in history.streams:
        parts, strays = parts_of(stream)
        yield from strays
        every_part += parts
    for part in every_part:
        yield from part.gaps()
        for meeting in part.meetings():
            meetings[meeting[0]].append(meeting)
    refusals, names = Refusals(history, rows), _names(history, rows)
    yield from refusals.at(model)
    for row in rows:
        if row["command"] == "event.erase":
            model = yield from _without_words(history, rows, row["seq"])
        try:
            yield from _step(model, row, names.get(row["seq"], ""))
        except _Astray as astray:
            yield astray.violation  # from here on, the states would differ
            return
        yield from refusals.at(model)
        now = Moment(model)
        for _, meet in meetings.pop(model.seq, ()):
            yield from meet(now)
    top = Moment(model)
    for part in every_part:
        yield from part.end(top)
    for audience, document in history.final.items():
        if differs := difference(top.state(audience), document):
            yield Violation(7, top.seq, f"the final state for {audience}: {differs}")
    for seq in meetings:
        if seq > top.seq:
            yield Violation(9, seq, f"was shown, and the journal ends at {top.seq}")


def _without_words(
    history: History, rows: list[Json], seq: int
) -> Generator[Violation, None, Model]:
    """5: what is left after the erasure at ``seq`` gives the same history; return its model."""
    model = Model(**history.limits)
    left = [since(row, seq) for row in rows]
    names = _names(history, left)
    for row in left[: seq - 1]:
        try:
            yield from _step(model, row, names.get(row["seq"], ""))
        except _Astray as astray:
            yield astray.violation
            break
    return model


class _Astray(Exception):
    def __init__(self, invariant: int, row: Json, what: str) -> None:
        self.violation = Violation(invariant, row["seq"], f"{row['command']}: {what}")


def _step(model: Model, row: Json, name: str) -> Iterator[Violation]:
    """Apply a row to the model; raises ``_Astray`` if its effects would differ."""
    command = command_of(row)
    result = row["answer"].get("result") or {}
    patches = row.get("patches") or {}
    ids = given_ids(model, result, lambda: patches.get("member", {}))
    try:
        answer = model.apply(row["user"], name, command, instant(row["at"]), ids=ids)
    except Exception as err:  # any exception that a foreign journal can cause
        raise _Astray(5, row, f"cannot be replayed: {err!r}") from err
    if answer[0] == "error":
        raise _Astray(13 if answer[1]["code"] in OUTSIDE else 5, row, f"should be {answer}")
    if model.seq != row["seq"]:
        raise _Astray(2, row, "was decided before")
    if answer[1]["applied"] != row["answer"]["applied"]:
        raise _Astray(5, row, f"should be {answer}")
    if differs := answer_differs(answer, stored(row)):
        yield Violation(5, row["seq"], f"{row['command']}: {differs}")
    recorded = row["answer"].get("limits", {})
    for name, limit in model.limits.items():
        if recorded.get(SERVER_NAMES.get(name, name), limit) != limit:
            yield Violation(5, row["seq"], f"records {name} {recorded}, decided by {limit}")


def _names(history: History, rows: list[Json]) -> dict[int, str]:
    """Names come with tokens: the next patch that shows a member has its name from the join."""
    names: dict[int, str] = {}
    seen: dict[str, str] = {}
    for row in reversed(rows):
        # The placeholder of a name that was erased is none of the name's own steps.
        is_erasure = row["command"] == "event.erase"
        patches = {} if is_erasure else row.get("patches") or {}
        for audience, collection in (("member", "members"), ("admin", "requests")):
            for user, shown in patches.get(audience, {}).get(collection, {}).items():
                if shown and "name" in shown:
                    seen[user] = shown["name"]
        if row["command"] in ("event.create", "membership.join") and row["answer"]["applied"]:
            user = row["user"]
            names[row["seq"]] = seen.pop(user, history.names.get(user, user))
        elif row["command"] == "membership.rename":
            # A member who is shown after it has the new name.
            seen.pop(row["user"], None)
    return names
