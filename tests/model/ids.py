"""The server chooses ids, and they are opaque, so the model takes them from the answers.

The answer names the record that a step made. Without a name, it is the record in the room (or in
the step's patch) that the model does not know yet. If there are several, their positions show the
first one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.model.deciding import Ids
from tests.model.rows import Rows

Json = dict[str, Any]

NAMED = {
    "options": "option",
    "assumptions": "assumption",
    "criteria": "criterion",
    "proposals": "proposal",
    "comments": "comment",
    "event": "event",
    "entrance_code": "entrance_code",
}


def given_ids(rows: Rows, result: Json, document: Callable[[], Json]) -> Ids:
    """The ids of the records that a step made, from its ``result`` and a state or patch."""
    tables = {
        "options": rows.options,
        "assumptions": rows.items,
        "criteria": rows.items,
        "proposals": rows.proposals,
        "comments": rows.comments,
    }

    def next_id(collection: str) -> str:
        if collection == "invitations":
            made = [str(one["invitation"]) for one in result["invitations"]]
            return next(id for id in made if id not in rows.invitations)
        if NAMED[collection] in result:
            return str(result[NAMED[collection]])
        shown = document().get(collection, {})
        fresh = [id for id in shown if shown[id] is not None and id not in tables[collection]]
        return str(min(fresh, key=lambda id: shown[id].get("position", 0)))

    return next_id
