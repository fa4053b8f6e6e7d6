"""JSON Merge Patch, RFC 7396, with composition and difference.

``apply`` is the RFC's own algorithm. ``compose`` makes one patch of two consecutive ones:
``apply(apply(d, p), q) == apply(d, compose(p, q))`` for every ``d``, **provided** no object in
``q`` is at a place where ``p`` has ``null``. The composition cannot say "remove, then create", so
old fields would stay. A caller that makes such patches writes the missing fields of the new object
as explicit ``null``.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


def apply(document: Json, patch: Json) -> Json:
    """Apply ``patch`` to ``document`` in place, and return it."""
    for key, value in patch.items():
        if value is None:
            document.pop(key, None)
        elif isinstance(value, dict):
            existing = document.get(key)
            document[key] = apply(existing if isinstance(existing, dict) else {}, value)
        else:
            document[key] = value
    return document


def compose(first: Json, second: Json) -> Json:
    """Merge ``second`` into the patch ``first`` in place, keeping its ``null``s, and return it."""
    for key, value in second.items():
        existing = first.get(key)
        if isinstance(value, dict):
            first[key] = compose(existing if isinstance(existing, dict) else {}, value)
        else:
            first[key] = value
    return first


def difference(before: Json, after: Json) -> Json:
    """Return the smallest patch that turns ``before`` into ``after``; ``{}`` if they are equal.

    Nested objects are compared by key, other values as a whole.
    """
    patch: Json = dict.fromkeys(before.keys() - after.keys())
    for key, value in after.items():
        existing = before.get(key)
        if isinstance(value, dict) and isinstance(existing, dict):
            if inner := difference(existing, value):
                patch[key] = inner
        elif key not in before or existing != value or type(existing) is not type(value):
            patch[key] = value
    return patch
