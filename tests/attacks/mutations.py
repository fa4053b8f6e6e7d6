"""Messages made from the message types and then broken, as JSON text; endless, from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.protocol.hostile import TEXTS
from tests.protocol.hostile import VALUES as VALUES_OF_SIZE
from tests.protocol.wrong import LONG_RUNS, MAX_RUN, MESSAGES, NOTHING, example, name_of

#: JSON of values at the edge of what something allows, or beyond it.
VALUES = (
    *("null", "true", "false", "{}", "[]", "[[]]", '{"":{}}', '""', '" "', "0", "-0", "-1", "1"),
    *(str(edge + step) for edge in (200, 2**31, 2**32, 2**53, 2**63, 2**64) for step in (-1, 0, 1)),
    *("1" + "0" * 400, "-" + "9" * 5_000, "0.5", "1.0", "-0.0", "1e2", "1e308", "1e309", "1E-999"),
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "01",
        "+1",
        ".5",
        "1.",
        "0x10",
        "'x'",
        "undefined",
        "1e",
        "-",
    ),
    *(rf'"\u{code}"' for code in ("0000", "0009", "001f", "007f", "0085", "d800", "dfff", "fffe")),
    *(r'"\ud83d\ude00"', r'"\ude00\ud83d"', r'"\ud800x"', r'"\x"', r'"\u12"', '"\x00"', '"\x1f"'),
    *('"' + "x" * size + '"' for size in (1, 7, 8, 64, 65, 100, 101, 200, 201, 255, 256, 2_001)),
    *('"' + text * 70 + '"' for text in ("ü", "€", "😀", "e\u0301", "\u202e", "\u2028", "ﷺ")),
    *('"12345678"', '"ABC123"', '"abc123"', '"accepted"', '"admin"', '"assumption"', '"create"'),
    *("[" * 50 + "]" * 50, "[" * 3_000, '{"a":' * 600 + "1" + "}" * 600, '["12345678"]', "[1,2,3]"),
    *(json.dumps(made(n), ensure_ascii=False) for made in TEXTS.values() for n in (60, 400)),
    *(made(900) for made in VALUES_OF_SIZE.values()),
    *(rf'"{text}"' for text in (r"a\rb\r\nc", r"\ufeffa\u2028b\u2029", r"\u0085\u000b\u000c")),
    *('[{"event":"e","seq":-1}]', '{"assumption":{"threshold":1e9}}', '{"membership_auto":1}'),
)
VALUES += tuple(json.dumps(text) for text in (MAX_RUN, *LONG_RUNS, *NOTHING))
_JUNK = ("", "{", "}", "[", "]", ",", ":", '"', "\\", "\x00", "\ufeff", " \r\n\t", "//", "\u2028")


def messages(seed: int) -> Iterator[bytes]:
    """Endless frames: mostly one message, sometimes a batch, sometimes not JSON."""
    rng = random.Random(seed)
    good = [example(kind) for kind in MESSAGES]
    plain = [{key: json.dumps(value) for key, value in message.items()} for message in good]
    names = [f'"{name_of(kind)}"' for kind in MESSAGES]
    while True:
        kind = rng.random()
        if kind < 0.03:
            yield rng.randbytes(rng.randrange(200))
        elif kind < 0.05:
            yield _anything(rng, 4).encode("utf-8", "surrogatepass")
        elif kind < 0.10:
            parts = [_one(rng, plain, names) for _ in range(rng.choice((0, 1, 2, 5)))]
            parts += rng.choices(VALUES, k=rng.randrange(2))
            yield f"[{','.join(parts)}]".encode("utf-8", "surrogatepass")
        else:
            yield _damaged(rng, _one(rng, plain, names).encode("utf-8", "surrogatepass"))


def _one(rng: random.Random, plain: list[dict[str, str]], names: list[str]) -> str:
    """A valid message with some of its fields changed."""
    fields = list(rng.choice(plain).items())
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        at = rng.randrange(len(fields))
        kind = rng.randrange(8)
        name, value = fields[at]
        if kind < 4:
            fields[at] = (name, rng.choice(VALUES))
        elif kind == 4:
            fields[at] = (name, _anything(rng, 3))
        elif kind == 5 and len(fields) > 1:
            del fields[at]
        elif kind == 6:
            # Repeat a key, at another place.
            fields.insert(rng.randrange(len(fields) + 1), (name, rng.choice((value, *VALUES))))
        else:
            stranger = rng.choice(("type", "id", "ref", "event", "", "__proto__", "x" * 300))
            fields.append((stranger, rng.choice((rng.choice(names), rng.choice(VALUES)))))
    if rng.random() < 0.2:
        rng.shuffle(fields)
    space = rng.choice(("", "", "", " ", "\n\t"))
    return "{" + f",{space}".join(f'"{name}":{space}{value}' for name, value in fields) + "}"


def _anything(rng: random.Random, depth: int) -> str:
    """JSON of any shape."""
    kind = rng.randrange(4 if depth else 2)
    if kind == 0:
        return rng.choice(VALUES)
    if kind == 1:
        drawn: Any = rng.choice((rng.getrandbits(70), rng.random(), chr(rng.randrange(0xD800))))
        return json.dumps(drawn)
    inner = [_anything(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 2:
        return f"[{','.join(inner)}]"
    return "{" + ",".join(f'"{rng.choice("abc")}":{value}' for value in inner) + "}"


def _damaged(rng: random.Random, text: bytes) -> bytes:
    """Mostly unchanged; else cut short, with a byte changed, or with something inserted."""
    kind = rng.random()
    at = rng.randrange(len(text) + 1)
    if kind < 0.85:
        return text
    if kind < 0.90:
        return text[:at]
    if kind < 0.95:
        return text[:at] + rng.randbytes(1) + text[at + 1 :]
    return text[:at] + rng.choice(_JUNK).encode() + text[at:]
