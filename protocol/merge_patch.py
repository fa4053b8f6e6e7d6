"""JSON Merge Patch, RFC 7396, and the two operations a stream of them needs.

``apply`` is the RFC's own algorithm. ``compose`` makes one patch of two that follow each other:
``apply(apply(d, p), q) == apply(d, compose(p, q))`` for every ``d``, **provided** no object in
``q`` stands where ``p`` has ``null``: the composition cannot say "remove, then make anew", and old
fields would stay. Whoever makes such patches writes the fields that the new object lacks as
explicit ``null``.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


def apply(document: Json, patch: Json) -> Json:
    """Fold ``patch`` into ``document`` in place, and return it."""
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
    """Fold ``second`` into the patch ``first`` in place, keeping its ``null``s, and return it."""
    for key, value in second.items():
        existing = first.get(key)
        if isinstance(value, dict):
            first[key] = compose(existing if isinstance(existing, dict) else {}, value)
        else:
            first[key] = value
    return first


def difference(before: Json, after: Json) -> Json:
    """The smallest patch that turns ``before`` into ``after``; ``{}`` where they are equal.

    Objects below are compared by key, everything else by value.
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
