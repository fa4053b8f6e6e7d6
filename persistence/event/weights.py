"""How many bytes of memory records take: an upper bound, reckoned from their lengths.

A record's fixed part was measured with ``tracemalloc`` on CPython 3.11 (64 bits), as the database
gives it: its object, its ids, its times, its place in a dict. Texts are reckoned exactly, since
people choose how long they are.
"""

from __future__ import annotations

from typing import Any, Final

from persistence.event.records import (
    Ballot,
    Comment,
    Event,
    Item,
    ItemVersion,
    Membership,
    Option,
    Proposal,
    Vote,
)

#: Bytes of a text without its characters: the object's head.
TEXT_BYTES: Final = 74
#: Bytes of an id in a list, and of what else a record refers to.
ID_BYTES: Final = 96
#: Bytes of a record without its texts; of ``None``, which stands for what is not there, too.
FIXED_BYTES: Final[dict[type, int]] = {
    Proposal: 1_500,
    Comment: 500,
    Item: 450,
    ItemVersion: 600,
    Option: 350,
    Membership: 650,
    Ballot: 450,
    Vote: 360,
    type(None): 160,
}
#: Bytes of a key that leads to no record: an entrance code, a set that is complete.
NAME_BYTES: Final = 250
#: Bytes of an event that nothing else is known of: its row, the empty tables, the lane.
EVENT_BYTES: Final = 8_192


def text_bytes(text: str | None) -> int:
    """Bytes that ``text`` takes, at most."""
    if text is None:
        return 0
    length = len(text)
    if text.isascii():
        return TEXT_BYTES + length
    # Python keeps two bytes a character, or four if one lies beyond U+FFFF; encoding leaves the
    # text's UTF-8 beside them.
    is_wide = len(text.encode("utf-16-le", "surrogatepass")) > 2 * length
    return TEXT_BYTES + length * (4 if is_wide else 2) + len(text.encode("utf-8", "surrogatepass"))


def record_bytes(record: Any) -> int:
    """Bytes that a record of an event takes, at most."""
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
        case Ballot():
            return len(record.criterion_order) * ID_BYTES
        case _:
            return 0


def event_bytes(event: Event | None) -> int:
    """Bytes that an event's own row takes, at most; its results have a bound of their own."""
    return EVENT_BYTES + (text_bytes(event.subject) if event is not None else 0)
