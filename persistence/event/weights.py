"""Bytes of memory that records take: an upper bound, computed from their lengths.

The fixed part of a record was measured with ``tracemalloc`` on CPython 3.11 (64 bits), for records
as the database returns them: object, ids, times, dict entry. Texts are counted exactly, since users
choose their length.
"""

from __future__ import annotations

from typing import Any, Final

from persistence.event.records import (
    Ballot,
    Comment,
    Event,
    Invitation,
    Item,
    ItemVersion,
    Membership,
    Option,
    Proposal,
    Vote,
)

#: Bytes of a text without its characters: the object's header.
TEXT_BYTES: Final = 74
#: Bytes of an id in a list, and of other references of a record.
ID_BYTES: Final = 96
#: Bytes of a record without its texts, and of ``None`` for an absent one.
FIXED_BYTES: Final[dict[type, int]] = {
    Proposal: 1_500,
    Comment: 500,
    Item: 450,
    ItemVersion: 600,
    Option: 350,
    Membership: 650,
    Invitation: 500,
    Ballot: 450,
    Vote: 360,
    type(None): 160,
}
#: Bytes of a key without a record: an entrance code, a complete set.
NAME_BYTES: Final = 250
#: Bytes of an event with no records: its row, the empty tables, the lane.
EVENT_BYTES: Final = 8_192


def text_bytes(text: str | None) -> int:
    """Return an upper bound of the bytes that ``text`` takes."""
    if text is None:
        return 0
    length = len(text)
    if text.isascii():
        return TEXT_BYTES + length
    # Python uses two bytes per character, or four if one is beyond U+FFFF; encoding adds a copy in
    # UTF-8.
    is_wide = len(text.encode("utf-16-le", "surrogatepass")) > 2 * length
    return TEXT_BYTES + length * (4 if is_wide else 2) + len(text.encode("utf-8", "surrogatepass"))


def record_bytes(record: Any) -> int:
    """Return an upper bound of the bytes that a record of an event takes."""
    return FIXED_BYTES[type(record)] + _texts(record)


def _texts(record: Any) -> int:
    match record:
        case Proposal():
            reasons = text_bytes(record.reason) + text_bytes(record.resolution_reason)
            return text_bytes(record.content) + reasons
        case Comment() | ItemVersion() | Option():
            return text_bytes(record.content)
        case Item():
            return text_bytes(record.content) + text_bytes(record.conclusion)
        case Membership():
            return text_bytes(record.name) + text_bytes(record.user_id)
        case Invitation():
            return text_bytes(record.name) + text_bytes(record.ref)
        case Ballot():
            return (len(record.criterion_order) + len(record.chosen)) * ID_BYTES
        case _:
            return 0


def event_bytes(event: Event | None) -> int:
    """Return an upper bound of the bytes of an event's row; its results have their own bound."""
    return EVENT_BYTES + (text_bytes(event.subject) if event is not None else 0)
