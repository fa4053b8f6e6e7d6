"""Texts and JSON that are expensive for code whose time grows faster than their length."""

from __future__ import annotations

from collections.abc import Callable

#: Bytes of a published frame.
FRAME = 65_536


def _filled(unit: str) -> Callable[[int], str]:
    """Repeat ``unit`` up to a number of bytes in UTF-8."""
    return lambda size: unit * (size // len(unit.encode()))


def _unsorted(*marks: str) -> Callable[[int], str]:
    """A letter, then half of the bytes of each mark: canonical order moves the last ones first."""
    return lambda size: "a" + "".join(mark * (size // (2 * len(mark.encode()))) for mark in marks)


#: Texts of a given size in bytes.
TEXTS: dict[str, Callable[[int], str]] = {
    "plain": _filled("x"),
    "marks out of order": _unsorted("\u0301", "\u0316"),
    "marks of class 0 that decompose into others": _filled("\u0f73"),
    "marks that are two": _filled("\u0344\u0316"),
    "the longest runs there may be": _filled("a" + "\u0301" * 15 + "\u0316" * 15),
    "letters that become four": _filled("\u1f82"),
    "notes that become three": _filled("\U0001d160"),
    "syllables": _filled("\uac01"),
    "jamo": _filled("\u1100\u1161\u11a8"),
    "fillers": _filled("\u3164"),
    "joiners": _filled("\u200d"),
    "emoji with joiners": _filled("\U0001f469\u200d"),
    "overrides": _filled("\u202e"),
    "line ends": _filled("\r\n\u2028"),
    "byte order marks": _filled("\ufeff"),
    "a control character at the end": lambda size: "x" * (size - 1) + "\x07",
    "letters that grow in NFKC": _filled("\ufdfa"),
    "blanks": _filled(" "),
}

#: JSON of a given size, as the value of a field.
VALUES: dict[str, Callable[[int], str]] = {
    "one integer": lambda size: "1" * size,
    "one negative integer": lambda size: "-" + "9" * (size - 1),
    "integers as long as Python reads": lambda size: _array("1" * 4_300, size),
    "one fraction": lambda size: "0." + "1" * (size - 2),
    "a fraction of nothing": lambda size: "0." + "0" * (size - 3) + "1",
    "an endless exponent": lambda size: "1e" + "9" * (size - 2),
    "fractions between two others": lambda size: _array(f"9007199254740993.{'0' * 700}1", size),
    "small fractions": lambda size: _array("2.2250738585072011e-308", size),
    "numbers beyond all": lambda size: _array("1e400", size),
    "small integers": lambda size: _array("1", size),
    "lists": lambda size: _array("[]", size),
    "objects": lambda size: _array("{}", size),
    "texts": lambda size: _array('""', size),
    "letters": lambda size: _array('"\u00e9"', size),
    "one deep list": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "deep lists": lambda size: _array("[" * 400 + "]" * 400, size),
    "deep objects": lambda size: _array('{"a":' * 150 + "1" + "}" * 150, size),
    "one key again and again": lambda size: _object(['"a":1'] * (size // 6)),
    "different keys": lambda size: _object([f'"{n:05}":1' for n in range(size // 10)]),
    "escapes": lambda size: '"%s"' % ("\\u0301" * (size // 6)),
    "a lone surrogate behind": lambda size: '"%s\\ud800"' % ("x" * (size - 8)),
    "lone surrogates": lambda size: _array('"\\ud800"', size),
    "a deep surrogate under long keys": lambda size: (
        ('{"%s":' % ("k" * 600)) * (size // 620) + '"\\ud800"' + "}" * (size // 620)
    ),
}


def _array(item: str, size: int) -> str:
    items = ",".join([item] * (size // (len(item.encode()) + 1)))
    return f"[{items}]"


def _object(members: list[str]) -> str:
    return "{" + ",".join(members) + "}"
