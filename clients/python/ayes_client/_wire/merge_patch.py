"""JSON Merge Patch (RFC 7396) on values that are never changed in place.

A patched value is copied as far as the patch reaches, and shared beyond. So a state that a reader
holds stays as it was.
"""

from __future__ import annotations

from ayes_client.state import Json


def fold(document: Json, patch: Json) -> Json:
    """Return ``document`` with ``patch`` merged in (RFC 7396 2)."""
    folded = dict(document)
    for key, value in patch.items():
        if value is None:
            folded.pop(key, None)
        elif isinstance(value, dict):
            existing = folded.get(key)
            folded[key] = fold(existing if isinstance(existing, dict) else {}, value)
        else:
            folded[key] = value
    return folded


def compose(first: Json, second: Json) -> Json:
    """Return the patch that does what ``first`` and then ``second`` do.

    Exact for the patches of a room: a thing that is made again under an old key comes with explicit
    ``null``s for the fields that it lacks.
    """
    composed = dict(first)
    for key, value in second.items():
        existing = composed.get(key)
        if isinstance(value, dict):
            composed[key] = compose(existing if isinstance(existing, dict) else {}, value)
        else:
            composed[key] = value
    return composed
