"""``ayes journal``, ``verify`` and ``export``: print the journal, and prove it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from handlers.commands import registry
from handlers.proof.disclosure import Broken, disclosed, entry_of_line, prove, shows_ballots
from handlers.proof.entry import Entry, entry_of
from handlers.proof.erasure import record_key
from handlers.proof.replay import Difference, Replay
from persistence.database.pool import Database
from persistence.event.records import Event
from persistence.event.state import EventState
from persistence.journal import audit
from protocol.text import escaped

#: Type and version of an export, in its first line.
FORMAT = {"type": "ayes.export", "version": 2}
#: Versions that can be verified. In version 1, no line records limits.
KNOWN_VERSIONS = (1, 2, 4)
#: Version of an export for the public; its lines are those of `/v1/events/{event}/journal`.
PUBLIC_VERSION = 3
#: Version of an export that has lines whose words were erased: these have digests and no salt.
ERASED_VERSION = 4
#: Lines by older servers that a verification lists one by one; beyond that it prints their number.
MAX_NAMED_DIFFERENCES = 20
#: Seconds between two reads of new lines, with ``--follow``.
FOLLOW_INTERVAL_S = 0.5

#: Fields of the event's row that no step decides: the journal's head, and the epoch.
_HEAD = ("seq", "hash", "epoch")


class AuditError(Exception):
    """The journal cannot be read or proved. The message can be shown to the operator."""


async def show(database: Database, event_id: str, *, after: int, follow: bool) -> None:
    """Print the journal, one line per entry; with ``follow``, until interrupted.

    Raises ``AuditError`` if there is no such event.
    """
    await _existing(database, event_id)
    while True:
        async for row in audit.lines(database, event_id, after=after):
            after = row["seq"]
            who = row["user_id"] or "(server)"
            answer = orjson.loads(row["answer"])
            mark = "" if answer["applied"] else " (nothing to change)"
            line = (
                f"#{row['seq']} {row['at']:%Y-%m-%d %H:%M:%S} {who} {row['command']}{mark} "
                f"{orjson.dumps(answer['result']).decode()}"
            )
            # Ids and texts come from users, and a terminal would interpret control characters.
            _print(escaped(line))
        if not follow:
            return
        await asyncio.sleep(FOLLOW_INTERVAL_S)


async def export(
    database: Database,
    event_id: str,
    *,
    public: bool = False,
    write: Callable[[str], None] | None = None,
) -> Event:
    """Print the journal as JSON Lines with its seals, or ``write`` it; return the event then.

    ``public``: without secrets. ``write`` gets each line without its end. Raises ``AuditError`` if
    there is no such event.
    """
    put = write or _print
    event = await _existing(database, event_id)
    limits = orjson.loads(event.limits) if event.limits is not None else None
    head = FORMAT | {"event": event_id, "epoch": event.epoch, "limits": limits}
    if public:
        head["version"] = PUBLIC_VERSION
    elif await audit.has_erased(database, event_id):
        head["version"] = ERASED_VERSION
    put(orjson.dumps(head).decode())
    named = shows_ballots(event)
    last: dict[str, Any] = {"seq": 0, "hash": bytes(32)}
    async for row in audit.lines(database, event_id):
        # Later entries are behind the position of the first line.
        if row["seq"] > event.seq:
            break
        last = row
        if public:
            put(orjson.dumps(disclosed(entry_of(row), ballots=named)).decode())
        else:
            put(orjson.dumps(_in_full(row)).decode())
    put(orjson.dumps({"end": last["seq"], "hash": last["hash"].hex()}).decode())
    return event


def _in_full(row: dict[str, Any]) -> dict[str, Any]:
    line = {
        "seq": row["seq"],
        "at": row["at"].isoformat(),
        "command": row["command"],
        "user": row["user_id"],
        "id": row["command_id"],
    }
    if row["digests"] is None:
        line["salt"] = row["salt"].hex()
    else:
        line["digests"] = orjson.loads(row["digests"])
    return line | {
        "payload": row["payload"],
        "answer": row["answer"],
        "patches": row["patches"],
        "prev_hash": row["prev_hash"].hex(),
        "hash": row["hash"].hex(),
    }


async def verify_event(database: Database, event_id: str, *, strict: bool = False) -> str:
    """Check an event's journal and tables; return the result in words. Raises ``AuditError``.

    ``strict``: raise also if an entry has no recorded limits.
    """
    await _existing(database, event_id)
    registry.check()
    # The tables first: entries that are written meanwhile are behind their position.
    event, tables = await audit.everything(database, event_id)
    replay = Replay(event_id)
    async for entry in _entries(database, event_id, event.seq):
        if difference := replay.run([entry]):
            raise AuditError(_described(difference))
    state = replay.state
    if (state.seq, state.hash) != (event.seq, event.hash):
        raise AuditError(
            f"the journal ends at line {state.seq}, the event stands at {event.seq}: "
            "lines were removed"
        )
    # A name that was never shown is in this table only.
    replay.take_names({member.user_id: member.name for member in tables["memberships"]})
    # Ballots that are gone may have been dropped by an older server.
    replay.take_revisions({each.user_id: each.ballot_revision for each in tables["memberships"]})
    replay.take_ceiling(event.request_ceiling)
    for name, records in tables.items():
        _compare(name, records, state)
    _compare_event(event, state)
    agrees = (
        "all were decided again; the hash chain, every answer, every patch and the tables agree"
    )
    return _found(f"{event.seq} lines: {agrees}", replay, strict)


async def _entries(database: Database, event_id: str, to: int) -> AsyncIterator[Entry]:
    async for row in audit.lines(database, event_id):
        if row["seq"] > to:
            return
        yield entry_of(row)


def verify_file(path: Path, *, strict: bool = False) -> str:
    """Check an export like ``verify_event``, without the tables.

    Raises ``AuditError`` with the first fault.
    """
    registry.check()
    lines = iter(path.read_bytes().splitlines())
    try:
        head = orjson.loads(next(lines, b"null"))
        if not isinstance(head, dict) or head.get("type") != FORMAT["type"]:
            raise AuditError("this is no export of an Ayes event")
        if head.get("version") == PUBLIC_VERSION:
            return _verify_public(lines)
        if head.get("version") not in KNOWN_VERSIONS:
            raise AuditError(f"an export of version {head.get('version')} is not known here")
        replay = Replay(head["event"])
        ended: list[dict[str, Any]] = []
        if difference := replay.run(_exported(lines, ended)):
            raise AuditError(_described(difference))
    except (ValueError, KeyError, TypeError) as err:
        raise AuditError(f"the file is damaged: {err}") from err
    end = ended[0] if ended else None
    if end is None or (end["end"], end["hash"]) != (replay.state.seq, replay.state.hash.hex()):
        raise AuditError(f"the file ends after line {replay.state.seq}: lines were removed")
    record = replay.state.event_record
    limits = orjson.loads(record.limits) if record is not None and record.limits else None
    if head.get("limits") != limits:
        raise AuditError(f"the file's head says limits {head.get('limits')}, its lines {limits}")
    agrees = "all were decided again; the hash chain, every answer and every patch agree"
    return _found(f"{replay.state.seq} lines: {agrees}", replay, strict)


def _verify_public(lines: Iterator[bytes]) -> str:
    """Check the chain of an export for the public: what is secret in it cannot be decided again."""
    ended: list[dict[str, Any]] = []
    try:
        proved = prove(_until_end(lines, ended))
    except Broken as broken:
        raise AuditError(str(broken)) from None
    if not ended or (ended[0]["end"], ended[0]["hash"]) != (proved.lines, proved.hash.hex()):
        raise AuditError(f"the file ends after line {proved.lines}: lines were removed")
    return (
        f"{proved.lines} lines: the chain agrees; of {proved.secret} lines, which tell "
        "votes or ballots or lost words, it covers digests"
    )


def _found(agrees: str, replay: Replay, strict: bool) -> str:
    reservations = list(_reservations(replay))
    if strict and reservations:
        raise AuditError(reservations[0])
    return "\n".join((agrees, *reservations))


def _reservations(replay: Replay) -> Iterator[str]:
    """Yield the entries without recorded limits, and the limits that they are consistent with."""
    found = "; ".join(replay.consistent.words()) or "any limits"
    if replay.recorded_from is None:
        yield f"limits are not recorded; all lines are consistent with these: {found}"
    elif replay.recorded_from > 1 or replay.unrecorded:
        named = [f"those before line {replay.recorded_from}"] if replay.recorded_from > 1 else []
        named += [str(seq) for seq in replay.unrecorded[:MAX_NAMED_DIFFERENCES]]
        if (more := len(replay.unrecorded) - MAX_NAMED_DIFFERENCES) > 0:
            named.append(f"{more} more")
        yield (
            f"lines by servers that recorded no limits: {', '.join(named)}; "
            f"they are consistent with these: {found}"
        )


def _exported(lines: Iterator[bytes], ended: list[dict[str, Any]]) -> Iterator[Entry]:
    return map(entry_of_line, _until_end(lines, ended))


def _until_end(lines: Iterator[bytes], ended: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The lines before the last one, which is put into ``ended``."""
    for line in lines:
        fields = orjson.loads(line)
        if "end" in fields:
            ended.append(fields)
            return
        yield fields


def _compare(name: str, records: list[Any], state: EventState) -> None:
    """Raise unless the rows of a table and the records of the replay are the same."""
    left = {key: record for key, record in getattr(state, name).items() if record is not None}
    stored = {record_key(name, record): record for record in records}
    for key in sorted(left.keys() | stored.keys(), key=str):
        if left.get(key) != stored.get(key):
            raise AuditError(
                f"table {name}, row {key}: holds {stored.get(key)}; "
                f"by the journal it is {left.get(key)}"
            )


def _compare_event(event: Event, state: EventState) -> None:
    for field in Event.__struct_fields__:
        stored, left = getattr(event, field), getattr(state.event, field)
        if field not in _HEAD and stored != left:
            raise AuditError(f"the event's {field} is {stored!r}; by the journal it is {left!r}")


def _described(difference: Difference) -> str:
    return f"line {difference.seq} {difference.what}"


async def _existing(database: Database, event_id: str) -> Event:
    event = await audit.event_row(database, event_id)
    if event is None:
        raise AuditError(f"there is no event {event_id}")
    return event


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
