"""Things of a room that the command line names by their words."""

from __future__ import annotations

import re
import unicodedata
from typing import cast

from ayes_client._rooms.room import Room
from ayes_client.cli.output import COLLECTIONS, UsageError, plain
from ayes_client.errors import NotFound
from ayes_client.state import Json

#: The form of the ids of a room's things. What has it is never looked for among the words.
_ID = re.compile(r"[a-z]+_[a-z2-7]{16}")
#: Things that an error lists. The rest is in ``status``.
MAX_LISTED = 5


def is_id(text: str) -> bool:
    """Whether ``text`` has the form of an id."""
    return _ID.fullmatch(text) is not None


def named(room: Room, collection: str, text: str) -> str:
    """Return the id of the shown thing that ``text`` names: by its id, or by its exact words.

    An id that is not shown is returned too. Raises ``NotFound`` if nothing has these words, and
    ``UsageError`` if several have them.
    """
    shown: Json = cast(Json, room.state).get(collection, {})
    if text in shown or is_id(text):
        return text
    words = _comparable(text)
    found = [id for id, one in shown.items() if _comparable(one.get("content") or "") == words]
    if len(found) == 1:
        return found[0]
    what = COLLECTIONS[collection]
    if found:
        some = ", ".join(found[:MAX_LISTED])
        raise UsageError(f"{len(found)} {collection} are “{plain(text)}”: give an id, as {some}")
    listed = [f"“{plain(one.get('content') or '')}”" for one in shown.values()]
    more = ", …" if len(listed) > MAX_LISTED else ""
    there = f"; there are {', '.join(listed[:MAX_LISTED])}{more}" if listed else ""
    raise NotFound(f"no {what} has the id or the words “{plain(text)}”{there}", event=room.event)


def _comparable(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()
