"""Statements take exactly the parameters that they name."""

from __future__ import annotations

import pytest

from persistence.database.statements import LOCK_EVENT


def test_a_missing_parameter_is_an_error() -> None:
    with pytest.raises(TypeError, match="event"):
        LOCK_EVENT.arguments({})


def test_a_misspelt_parameter_is_an_error_and_not_null() -> None:
    with pytest.raises(TypeError, match="evnet"):
        LOCK_EVENT.arguments({"evnet": "e_1"})
    with pytest.raises(TypeError, match="evnet"):
        LOCK_EVENT.arguments({"event": "e_1", "evnet": "e_1"})


def test_the_values_stand_in_the_order_of_the_placeholders() -> None:
    assert LOCK_EVENT.arguments({"event": "e_1"}) == ["e_1"]
