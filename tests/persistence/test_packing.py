"""Packed columns arrive unchanged, and a value that cannot be packed is refused."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from sqlalchemy import JSON, BigInteger, Boolean, Text, func, select

from persistence.database.packing import END, NULL, join_fixed, pack, packer, unpacked
from persistence.database.statements import Statement

TEXTS = ["", "plain", 'quoted "and" \\ back', "lines\nand\ttabs", "über 👋 \u2028", "{1,2}", "NULL"]


async def arrived(url: str, type_: Any, values: list[Any]) -> list[Any]:
    """``values`` after a round trip through PostgreSQL."""
    statement = Statement("packed", select(unpacked("given", type_)))
    connection = await asyncpg.connect(url)
    try:
        row = await statement.row(connection, given=packer(type_)(values))
    finally:
        await connection.close()
    return list(row[0])


@pytest.mark.parametrize("values", [TEXTS, *([text] for text in TEXTS), ["", "", ""]])
async def test_texts_arrive_to_the_letter(postgres_url: str, values: list[str]) -> None:
    assert await arrived(postgres_url, Text(), values) == values


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        (BigInteger(), [0, -1, 2**63 - 1, None]),
        (Boolean(), [True, False]),
        (JSON(), ['{"a": "b\\u001f\\n",  "c":1}', None, "[]"]),
        (Text(), [None]),
        (Text(), ["a", None, "", None]),
    ],
)
async def test_other_values_arrive_and_none_is_null(
    postgres_url: str, type_: Any, values: list[Any]
) -> None:
    assert await arrived(postgres_url, type_, values) == values


async def test_no_values_are_no_rows(postgres_url: str) -> None:
    statement = Statement("packed", select(func.unnest(unpacked("given", Text()))))
    connection = await asyncpg.connect(postgres_url)
    try:
        assert await statement.rows(connection, given=pack([])) == []
    finally:
        await connection.close()


@pytest.mark.parametrize("value", [END, NULL, f"a{END}b", f"a{NULL}"])
def test_a_value_that_would_fall_apart_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        pack(["before", value, None])


def test_bytes_of_another_width_are_refused() -> None:
    assert join_fixed([b"abcd", None], 4) == b"abcd\0\0\0\0"
    with pytest.raises(ValueError, match="4 bytes"):
        join_fixed([b"abcde", None], 4)
