"""Ids that follow from their parts."""

from __future__ import annotations

from ayes_client import id_from
from ayes_client.ids import is_id


def test_the_same_parts_are_the_same_id_and_parts_do_not_run_together() -> None:
    assert id_from("invoice", 12) == id_from("invoice", "12") == id_from(b"invoice", 12)
    assert is_id(id_from("invoice", 12))
    assert len({id_from("ab", "c"), id_from("a", "bc"), id_from("abc")}) == 3
