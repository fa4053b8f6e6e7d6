"""JSON Merge Patch, written from RFC 7396, 2; on purpose not the server's own."""

from __future__ import annotations

from typing import Any


def fold(target: Any, patch: Any) -> Any:
    """``target`` with ``patch`` applied; neither is changed."""
    if not isinstance(patch, dict):
        return patch
    folded = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            folded.pop(name, None)
        else:
            folded[name] = fold(folded.get(name), value)
    return folded
