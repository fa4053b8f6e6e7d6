"""The text of msgspec's errors, from which the wrong field is read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from protocol.codec import wrong_field


class Inner(msgspec.Struct):
    count: int


class Outer(msgspec.Struct):
    name: str
    inner: Inner | None = None
    items: list[Inner] = []


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ({"name": 1}, "name", "Expected `str`, got `int`"),
        ({}, "name", "Object missing required field `name`"),
        ({"name": "", "inner": {}}, "inner.count", "Object missing required field `count`"),
        ({"name": "", "items": [{"count": ""}]}, "items[0].count", "Expected `int`, got `str`"),
        ([], "", "Expected `object`, got `array`"),
    ],
)
def test_the_wrong_field_is_read_from_msgspecs_text(value: Any, path: str, reason: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert(value, Outer)
    assert wrong_field(raised.value) == (path, reason)
