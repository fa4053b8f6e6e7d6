"""Columns of rows packed into one text each, for the statements that every vote runs.

As an array, a column costs the driver a third of a microsecond for each row: it asks of each
element whether it is an array itself. A text that PostgreSQL splits costs a tenth, on both sides.
Bytes of a fixed width are joined without a separator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, Boolean, Integer, Text, bindparam, cast, func
from sqlalchemy.types import TypeEngine

#: Ends each value. Ids have no control characters, and JSON writes them as escapes.
END: Final = "\x1f"
#: Stands for NULL.
NULL: Final = "\x1e"


def pack(values: Sequence[str | None]) -> str | None:
    """Return ``values`` as one text; none at all as NULL, whose rows are none as well.

    Raises ``ValueError`` if a value has a character that separates them: it would become two.
    """
    if not values:
        return None
    nulls = values.count(None)
    given: Iterable[Any] = values
    if nulls:
        given = [NULL if value is None else value for value in values]
    # An end, not a separator: one empty value is not the same as none.
    packed = END.join(given) + END
    if packed.count(END) != len(values) or packed.count(NULL) != nulls:
        raise ValueError("a value has a control character that separates values")
    return packed


def unpacked(name: str, type_: Any) -> Any:
    """Return the SQL expression for the array that the parameter ``name`` packs."""
    ended = func.string_to_array(bindparam(name, type_=Text), END, NULL)
    texts: Any = func.trim_array(ended, 1, type_=ARRAY(Text))
    return texts if isinstance(type_, Text) else cast(texts, ARRAY(type_))


def packer(type_: TypeEngine[Any]) -> Callable[[Sequence[Any]], str | None]:
    """Return the function that packs values of a column of this type, and raises as ``pack``."""
    if isinstance(type_, Boolean):
        return lambda values: pack(["t" if value else "f" for value in values])
    if isinstance(type_, Integer):
        return lambda values: pack([None if value is None else str(value) for value in values])
    return pack


def join_fixed(values: Sequence[bytes | None], width: int) -> bytes:
    """Return ``values`` joined, with zeros for ``None``; raise ``ValueError`` for another width."""
    zeros = bytes(width)
    joined = b"".join([zeros if value is None else value for value in values])
    if len(joined) != width * len(values):
        raise ValueError(f"a value is not {width} bytes long")
    return joined
