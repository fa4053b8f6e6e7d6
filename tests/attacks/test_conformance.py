"""RFC 6455 by cases, after sections 1 to 7 and 10 of Autobahn|Testsuite, on both ways in.

The suite itself needs Python 2.7; ``autobahn.py`` runs it if there is one. Its verdicts are kept in
``autobahn.json``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.attacks.autobahn import BASELINE, BINARY, EXPECTED_TO_FAIL, Outcome, failures
from tests.attacks.echo import PATHS, echoing
from tests.server.raw import BINARY as BYTES
from tests.server.raw import CLOSE, CONT, PING, PONG, TEXT, Raw, masked, raw

Frames = list[tuple[int, bytes]]


class Case(NamedTuple):
    """The bytes to send, in one write or split, and the frames to receive before the close."""

    said: list[bytes]
    back: Frames
    code: int = 1000
    """Of the server's close frame; 1005 for an empty one."""
    cut: bool = False
    """Whether the bytes are sent one at a time."""
    binary: bool = False


def close(code: int = 1000, reason: bytes = b"") -> bytes:
    """A client's close frame."""
    return masked(CLOSE, code.to_bytes(2) + reason)


UTF8 = {
    "ascii": b"Hello-World",
    "greek": "Hello-µ@ßöäüàá-UTF-8!!".encode(),
    "kosme": "κόσμε".encode(),
    "last of two": b"\xdf\xbf",
    "first of three": b"\xe0\xa0\x80",
    "before the surrogates": b"\xed\x9f\xbf",
    "behind the surrogates": b"\xee\x80\x80",
    "not a character": b"\xef\xbf\xbf",
    "first of four": b"\xf0\x90\x80\x80",
    "the last there is": b"\xf4\x8f\xbf\xbf",
    "zero": b"\x00",
}
NO_UTF8 = {
    "continuation alone": b"\x80",
    "cut after one of two": b"\xc3",
    "cut after two of three": b"\xe2\x82",
    "cut after three of four": b"\xf0\x90\x80",
    "too long for an ascii": b"\xc0\xaf",
    "too long for a zero": b"\xe0\x80\x80",
    "too long for two": b"\xf0\x82\x82\xac",
    "surrogate": b"\xed\xa0\x80",
    "a pair of them": b"\xed\xa0\xbd\xed\xb8\x80",
    "beyond the last": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "fe": b"\xfe",
    "ff": b"\xff",
}
GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
TWO = [masked(TEXT, b"one ", fin=False), masked(CONT, b"two")]


def cases() -> Iterator[tuple[str, Case]]:
    """Name → case; the numbers are the suite's sections."""
    yield from _messages()
    yield from _pings()
    yield from _violations()
    yield from _fragments()
    for name, text in UTF8.items():
        said = [masked(TEXT, b"a" + text + b"z"), close()]
        yield f"6 {name}", Case(said, [(TEXT, b"a" + text + b"z")])
        parts = [masked(TEXT, b"", fin=False)]
        parts += [masked(CONT, text[at : at + 1], fin=False) for at in range(len(text))]
        said = [*parts, masked(CONT), close()]
        yield f"6 {name}, byte by byte", Case(said, [(TEXT, text)])
    for name, text in NO_UTF8.items():
        yield f"6 {name}", Case([masked(TEXT, b"ok" + text)], [], 1007)
        said = [masked(TEXT, b"ok", fin=False), masked(CONT, text)]
        yield f"6 {name}, in a fragment", Case(said, [], 1007)
    yield from _closes()


def _messages() -> Iterator[tuple[str, Case]]:
    for size in (0, 1, 125, 126, 127, 128, 65_535, 65_536):
        text = b"*" * size
        yield f"1 text of {size}", Case([masked(TEXT, text), close()], [(TEXT, text)])
        told = Case([masked(BYTES, text), close()], [(BYTES, text)], binary=True)
        yield f"1 binary of {size}", told
    for size in (126, 300):
        text = b"*" * size
        said = [masked(TEXT, text), close()]
        yield f"1 text of {size}, byte by byte", Case(said, [(TEXT, text)], cut=True)
    text = b"*" * (1 << 20)
    yield "10 a MiB in one frame", Case([masked(TEXT, text), close()], [(TEXT, text)])
    parts = [masked(CONT, bytes(1300), fin=False)] * 49
    said = [masked(TEXT, bytes(1300), fin=False), *parts, masked(CONT, bytes(536)), close()]
    yield "10 fragments of 1,300", Case(said, [(TEXT, bytes(65_536))])


def _pings() -> Iterator[tuple[str, Case]]:
    for size in (0, 12, 125):
        data = bytes(range(131, 131 + size))[:size].ljust(size, b"\xfe")
        yield f"2 ping of {size}", Case([masked(PING, data), close()], [(PONG, data)])
    yield "2 ping of 125, byte by byte", Case([masked(PING, b"p" * 125), close()],
                                             [(PONG, b"p" * 125)], cut=True)  # fmt: skip
    ten = [bytes([48 + n]) for n in range(10)]
    said = [*(masked(PING, data) for data in ten), close()]
    yield "2 ten pings", Case(said, [(PONG, data) for data in ten])
    yield (
        "2 pongs nobody asked for",
        Case([masked(PONG), masked(PONG, b"x"), masked(PING, b"y"), close()], [(PONG, b"y")]),
    )
    yield "2 ping of 126", Case([masked(PING, bytes(126))], [], 1002)


def _violations() -> Iterator[tuple[str, Case]]:
    text, ping = masked(TEXT, b"first"), masked(PING)
    before: Frames = [(TEXT, b"first")]
    for rsv in (0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70):
        for opcode in (TEXT, PING, CLOSE):
            said = [text, masked(opcode, b"x", rsv=rsv), ping]
            yield f"3 reserved bits {rsv:#x} on {opcode}", Case(said, before, 1002)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        for data in (b"", b"x"):
            said = [text, masked(opcode, data), ping]
            yield f"4 opcode {opcode}, {len(data)}", Case(said, before, 1002)
    yield "5.1 unmasked", Case([text, b"\x81\x01x"], before, 1002)


def _fragments() -> Iterator[tuple[str, Case]]:
    whole: Frames = [(TEXT, b"one two")]
    for name, between in {"nothing": b"", "a pong": masked(PONG, b"x")}.items():
        yield f"5 two fragments, {name} between", Case([TWO[0], between, TWO[1], close()], whole)
    said = [TWO[0], masked(PING, b"p"), TWO[1], close()]
    yield "5 a ping between", Case(said, [(PONG, b"p"), *whole])
    yield "5 a ping between, byte by byte", Case(said, [(PONG, b"p"), *whole], cut=True)
    said = [TWO[0], masked(PING, b"1"), masked(CONT, b"x", fin=False), masked(PING, b"2"),
            masked(CONT, b"y"), masked(TEXT, b"z"), close()]  # fmt: skip
    yield (
        "5 pings in their places",
        Case(said, [(PONG, b"1"), (PONG, b"2"), (TEXT, b"one xy"), (TEXT, b"z")]),
    )
    for opcode in (PING, PONG, CLOSE):
        for fin, rest in ((False, masked(CONT, b"x")), (False, b"")):
            said = [masked(opcode, b"\x03\xe8", fin=fin), rest]
            yield f"5 control frame {opcode} in fragments, {len(rest)}", Case(said, [], 1002)
    for fin in (True, False):
        yield f"5 stray continuation, {fin}", Case([masked(CONT, b"x", fin=fin)], [], 1002)
        said = [*TWO, masked(CONT, b"x", fin=fin), masked(TEXT, b"y")]
        yield f"5 continuation behind the last, {fin}", Case(said, whole, 1002)
        said = [TWO[0], masked(TEXT, b"x", fin=fin)]
        yield f"5 text in a text, {fin}", Case(said, [], 1002)
        yield f"5 binary in a text, {fin}", Case([TWO[0], masked(BYTES, fin=fin)], [], 1002)


def _closes() -> Iterator[tuple[str, Case]]:
    hello, echo = masked(TEXT, b"hello"), [(TEXT, b"hello")]
    yield "7 after a message", Case([hello, close()], echo)
    yield "7 twice", Case([close(), close()], [])
    yield "7 then a ping", Case([close(), masked(PING)], [])
    yield "7 then a message", Case([close(), hello], [])
    yield "7 empty", Case([masked(CLOSE)], [], 1005)
    yield "7 of one byte", Case([masked(CLOSE, b"x")], [], 1002)
    yield "7 with a reason", Case([close(1000, b"*" * 123)], [])
    yield "7 with a reason too long", Case([close(1000, b"*" * 124)], [], 1002)
    yield "7 with a reason that is no UTF-8", Case([close(1000, b"\xce\xba\xed\xa0\x80")], [], 1007)
    for code in GOOD_CODES:
        yield f"7 with {code}", Case([hello, close(code)], echo, code)
    for code in BAD_CODES:
        yield f"7 with {code}", Case([hello, close(code)], echo, 1002)


async def outcome(peer: Raw, case: Case, *, waits: bool) -> tuple[Frames, int]:
    """The frames received, and the close code; with ``waits``, read before the last part."""
    pieces = case.said
    if case.cut:
        whole = b"".join(pieces)
        pieces = [whole[at : at + 1] for at in range(len(whole))]
    got = b""
    for number, data in enumerate(pieces):
        if waits and number == len(pieces) - 1:
            while len(frames_in(got)) < len(case.back) and (more := await peer.hear()):
                got += more
        await peer.say(data)
    frames = frames_in(got + await peer.hear_all())
    if not frames or frames[-1][0] != CLOSE:
        return frames, 1006
    data = frames.pop()[1]
    return frames, int.from_bytes(data[:2]) if data else 1005


def frames_in(data: bytes) -> Frames:
    """The server's frames that are complete."""
    found = []
    while len(data) >= 2:
        size, at = data[1], 2
        if size == 126:
            size, at = int.from_bytes(data[2:4]), 4
        elif size == 127:
            size, at = int.from_bytes(data[2:10]), 10
        if len(data) < at + size:
            break
        found.append((data[0] & 15, data[at : at + size]))
        data = data[at + size :]
    return found


@pytest.mark.parametrize("path", PATHS)
async def test_every_case_gets_what_the_standard_says(path: str) -> None:
    wrong = []
    async with echoing() as served:

        async def run(name: str, case: Case) -> None:
            async with raw(served, path) as peer:
                back, code = await outcome(peer, case, waits=path == "/asgi")
            # Before a violation, an answer that was not awaited may be lost on its way through
            # ASGI.
            lost = path == "/asgi" and case.code == 1002 and not back
            if code != case.code or (back != case.back and not lost):
                wrong.append(f"{name}: {back!r:.200} {code}")

        tried = [(n, c) for n, c in cases() if not (c.binary and path == "/wire")]
        for at in range(0, len(tried), 20):
            await asyncio.gather(*(run(*case) for case in tried[at : at + 20]))
    assert not wrong, wrong
    assert len(tried) > 130


def test_the_suite_found_nothing_but_what_is_documented() -> None:
    kept: Outcome = json.loads(BASELINE.read_text())
    assert failures(kept) == []
    assert {path: len(found) for path, found in kept.items()} == {"/wire": 266, "/asgi": 301}
    assert all("FAILED" in kept[path][case] for path in PATHS for case in EXPECTED_TO_FAIL)
    binary = tuple(name.removesuffix("*") for name in BINARY)
    assert not any(case.startswith(binary) for case in kept["/wire"])
