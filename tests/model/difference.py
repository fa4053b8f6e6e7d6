"""The difference between two values, in words."""

from __future__ import annotations

from typing import Any

from tests.model.deciding import Answer


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


def difference(expected: Any, got: Any, path: str = "") -> str:
    """The place where ``got`` differs from ``expected``; empty if they are equal."""
    if isinstance(expected, dict) and isinstance(got, dict):
        if expected == got:
            return ""
        inner = (
            difference(expected.get(key, ABSENT), got.get(key, ABSENT), f"{path}.{key}")
            for key in sorted(expected.keys() | got.keys())
        )
        return "; ".join(text for text in inner if text)
    if expected == got and type(expected) is type(got):
        return ""
    return f"{path or 'it'} is {got!r}, should be {expected!r}"


def answer_differs(expected: Answer, got: Answer) -> str:
    """The place where an answer differs from the model's; a refusal's details may have more."""
    if expected[0] == got[0] == "error":
        details = expected[1]["details"]
        kept = {key: value for key, value in got[1]["details"].items() if key in details}
        got = "error", {**got[1], "details": kept}
    if expected[0] != got[0]:
        return f"it is {got}, should be {expected}"
    return difference(expected[1], got[1])
