"""Take one person's names and words out of an event, and prove that nothing else changed.

Each entry is decided again with placeholders in place of the words. The result must be what the
journal says, but for these words: whose votes counted, what was accepted, every total and every id.
A changed entry keeps the digests of what it said, so the chain still verifies; its salt is gone,
since with it a name could be tried.

Erased are the person's names in this event, and the name and reference of their invitation. Their
comments go, and the contents and reasons of their proposals and decisions, also from the items that
took them. Kept are ids, and an admin's texts of the event itself, such as its options.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
import orjson

from handlers import views
from handlers.proof.entry import Entry, digests_of
from handlers.proof.replay import Replay
from persistence.event.records import Event
from persistence.event.state import EventState

T = TypeVar("T")

#: Command → the fields of its payload that are its sender's words.
WORDS: Final = {
    "comment.add": ("content",),
    "comment.edit": ("content",),
    "membership.rename": ("name",),
    "proposal.create": ("content", "reason"),
    "proposal.moderate": ("reason",),
    "proposal.rebase": ("content",),
    "proposal.reject": ("reason",),
    "proposal.revert": ("reason",),
    "proposal.withdraw": ("reason",),
}
_PLACEHOLDER = re.compile(r"\[erased (\d{1,9})\]")


class NotErasable(Exception):
    """The journal does not verify, with the words or without; the message says where."""


class Erased(NamedTuple):
    """An event without one person's words."""

    entries: list[Entry]
    """Its journal."""
    changed: list[Entry]
    """The entries to write again."""
    state: EventState
    rows: dict[str, set[Any]]
    """Table → keys of the records in ``state`` to write again."""
    shown: dict[str, list[str]]
    """Table → ids of the records to write again that a room shows now."""
    proof: Replay
    """The replay of ``entries``, for the next step."""


def erase(
    event: Event,
    tables: Mapping[str, Sequence[Any]],
    entries: Sequence[Entry],
    user: str,
    invitations: Collection[str],
) -> Erased:
    """Return the event without the words of ``user``, whose ``invitations`` these are.

    ``event``, ``tables`` and ``entries`` are all there is of it, from one moment. Raises
    ``NotErasable`` if they do not agree, or would not without the words.
    """
    work = _Erasure(event.id, user, invitations, entries)
    after = [work.take(entry) for entry in entries]
    state = work.state
    if (state.seq, state.hash) != (event.seq, event.hash):
        raise NotErasable(f"the journal ends at line {state.seq}, the event stands at {event.seq}")
    # A name that no entry shows is in this table only.
    hidden = {one.user_id: one.name for one in tables["memberships"]}
    if user in hidden:
        hidden[user] = work.hide(hidden[user])
    work.take_names(hidden)
    rows = {name: set(work.differing(name, records)) for name, records in tables.items()}
    again = Replay(event.id)
    if difference := again.run(after):
        raise NotErasable(f"without the words, line {difference.seq} {difference.what}")
    again.take_names(hidden)
    for name in tables:
        if _present(again.state, name) != _present(state, name):
            raise NotErasable(f"without the words, the journal gives another table {name}")
    changed = [new for new, old in zip(after, entries, strict=True) if new is not old]
    rows = {name: keys for name, keys in rows.items() if keys}
    return Erased(after, changed, state, rows, _shown(state, rows), again)


def _present(state: EventState, table: str) -> dict[Any, Any]:
    return {key: one for key, one in getattr(state, table).items() if one is not None}


def _shown(state: EventState, rows: Mapping[str, set[Any]]) -> dict[str, list[str]]:
    """Return those of the records whose words are shown in the room."""
    found = {}
    for table in views.WORDS:
        keys = sorted(rows.get(table, ()))
        if ids := [key for key in keys if _is_shown(state, table, getattr(state, table)[key])]:
            found[table] = ids
    return found


def _is_shown(state: EventState, table: str, record: Any) -> bool:
    event = state.event
    match table:
        case "memberships":
            asks = views.request_view(record, event, numbers=True)
            return asks is not None or views.member_view(record, event) is not None
        case "items":
            return views.item_view(record) is not None
        case "proposals":
            return views.is_shown(record, event)
        case "comments":
            return views.comment_view(record, event, numbers=True) is not None
    return views.invitation_view(record, event) is not None


class _Erasure(Replay):
    """A replay in which one person's words are placeholders.

    The placeholders are as many as the words, so that equal texts stay equal and others different:
    some commands change nothing if their text is there already.
    """

    def __init__(
        self, event_id: str, user: str, invitations: Collection[str], entries: Iterable[Entry]
    ) -> None:
        super().__init__(event_id)
        self._user = user
        self._invitations = invitations
        self._known: set[str] = set()
        """Placeholders of earlier erasures."""
        self._number = 0
        for entry in entries:
            for said in (entry.payload, *(text.decode() for text in entry.patches.values())):
                for found in _PLACEHOLDER.finditer(said):
                    self._number = max(self._number, int(found[1]))
                    if entry.digests is not None:
                        self._known.add(found[0])
        self._placeholders: dict[str, str] = {}
        self._words: dict[str, str] = {}
        """Placeholder → what it stands for."""
        self._made: tuple[Any, dict[str, Any]] = ({}, {})
        """The answer and the patches of the last entry, with placeholders."""

    def take(self, entry: Entry) -> Entry:
        """Decide the next entry; return it without the words, or as it is if it has none.

        Raises ``NotErasable``.
        """
        hidden = entry._replace(payload=self._payload(entry), digests=digests_of(entry), salt=b"")
        if (difference := self.run([hidden])) is not None:
            raise NotErasable(f"line {entry.seq} {difference.what}")
        return self._rewritten(entry, hidden)

    def _rewritten(self, entry: Entry, hidden: Entry) -> Entry:
        body, patches = self._made
        answer = entry.answer
        if body != orjson.loads(answer):
            answer = orjson.dumps(body).decode()
        made = {
            label: text if orjson.loads(text) == patches[label] else orjson.dumps(patches[label])
            for label, text in entry.patches.items()
        }
        if (hidden.payload, answer, made) == (entry.payload, entry.answer, entry.patches):
            return entry
        return hidden._replace(answer=answer, patches=made)

    def _payload(self, entry: Entry) -> str:
        fields = orjson.loads(entry.payload)
        if entry.user == self._user:
            self._hide_fields(fields, WORDS.get(entry.command, ()))
        if entry.command == "membership.add":
            for person in fields["people"]:
                if person["user"] == self._user:
                    self._hide_fields(person, ("name",))
        elif entry.command == "invitation.create":
            made = orjson.loads(entry.answer)["result"].get("invitations", [])
            for person, one in zip(fields["people"], made, strict=False):
                if one["invitation"] in self._invitations:
                    self._hide_fields(person, ("name", "ref"))
        if fields == orjson.loads(entry.payload):
            return entry.payload
        return orjson.dumps(fields).decode()

    def _hide_fields(self, fields: dict[str, Any], names: Iterable[str]) -> None:
        for name in names:
            if fields.get(name):
                fields[name] = self.hide(fields[name])

    def hide(self, text: str) -> str:
        """Return the placeholder of a text. The user's id is no name: it stays where it is one."""
        if text in ("", self._user) or text in self._known:
            return text
        if text not in self._placeholders:
            self._number += 1
            placeholder = f"[erased {self._number}]"
            self._placeholders[text], self._words[placeholder] = placeholder, text
        return self._placeholders[text]

    def names_of(self, entry: Entry) -> dict[str, str]:
        names = super().names_of(entry)
        if self._user in names:
            names[self._user] = self.hide(names[self._user])
        return names

    def compare(
        self, entry: Entry, answer: Any, body: Any, patches: dict[str, Any]
    ) -> Iterator[str]:
        self._made = body, patches
        made = {label: self._spoken(patch) for label, patch in patches.items()}
        _leave_repeated(made["member"], orjson.loads(entry.patches.get("member", b"{}")))
        yield from super().compare(entry, answer, self._spoken(body), made)

    def differing(self, table: str, records: Iterable[Any]) -> Iterator[Any]:
        """Yield the keys of the table's records that have words to erase.

        Raises ``NotErasable`` if they differ in anything else.
        """
        left = _present(self.state, table)
        for stored in records:
            key = record_key(table, stored)
            record = left.pop(key, None)
            if record == stored:
                continue
            if record is None or self._spoken_record(record) != stored:
                raise NotErasable(f"table {table}, row {key}: by the journal it is another")
            yield key
        if left:
            raise NotErasable(f"table {table}, row {next(iter(left))}: is missing")

    def _spoken_record(self, record: Any) -> Any:
        fields = msgspec.structs.asdict(record)
        changes = {name: self._spoken(value) for name, value in fields.items() if value is not None}
        return msgspec.structs.replace(record, **changes)

    def _spoken(self, value: T) -> T:
        """Return ``value`` with the words in place of their placeholders."""
        found: Any = value
        if isinstance(found, str):
            found = self._words.get(found, found)
        elif isinstance(found, dict):
            found = {name: self._spoken(inner) for name, inner in found.items()}
        elif isinstance(found, list):
            found = [self._spoken(inner) for inner in found]
        return found  # type: ignore[no-any-return]


def _leave_repeated(made: dict[str, Any], recorded: dict[str, Any]) -> None:
    """Take the words out of ``made`` that the item already had from another user."""
    for collection in ("assumptions", "criteria"):
        before = recorded.get(collection, {})
        for id, change in made.get(collection, {}).items():
            for field in views.WORDS["items"] if change and before.get(id) else ():
                if field not in before[id]:
                    change.pop(field, None)


def record_key(table: str, record: Any) -> Any:
    """Return the key of a record in its table, as a state has it: an id, or a tuple of fields."""
    if table == "votes":
        return record.proposal_id, record.user_id
    if table == "item_history":
        return record.item_id, record.part, record.version
    return record.user_id if table in ("memberships", "ballots") else record.id
