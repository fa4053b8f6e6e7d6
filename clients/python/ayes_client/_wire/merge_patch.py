"""JSON Merge Patch, RFC 7396, on values that are never changed in place.

What is patched is copied where the patch reaches and shared where it does not, so a state that
somebody still holds stays as it was.
"""

from __future__ import annotations

from ayes_client.state import Json


def fold(document: Json, patch: Json) -> Json:
    """``document`` with ``patch`` merged in (RFC 7396 2)."""
    folded = dict(document)
    for key, value in patch.items():
        if value is None:
            folded.pop(key, None)
        elif isinstance(value, dict):
            held = folded.get(key)
            folded[key] = fold(held if isinstance(held, dict) else {}, value)
        else:
            folded[key] = value
    return folded


def compose(first: Json, second: Json) -> Json:
    """The patch that does what ``first`` and then ``second`` do.

    Exact for the patches of a room: what is made anew under an old key comes with explicit
    ``null``s for the fields that it lacks.
    """
    composed = dict(first)
    for key, value in second.items():
        held = composed.get(key)
        if isinstance(value, dict):
            composed[key] = compose(held if isinstance(held, dict) else {}, value)
        else:
            composed[key] = value
    return composed
