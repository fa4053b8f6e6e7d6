"""The script of one hostile connection, frame by frame, and how it ends; made from a seed.

Most frames are good, so that the bad one meets a connection in an interesting state. After the
frame that must end it, a connection sends nothing. Data behind a client's own close makes the
kernel send a reset, and then nobody can read the server's verdict.
"""

from __future__ import annotations

import json
import random
import struct
from dataclasses import dataclass, field

from tests.server.raw import BINARY, CLOSE, CONT, HANDSHAKE, PING, PONG, TEXT

ENDINGS = ("close", "half-close", "reset", "wait")
_UPGRADE = b"GET /v1/socket HTTP/1.1\r\n" + HANDSHAKE + b"\r\n"
_SIZES = (0, 1, 2, 41, 125, 126, 127, 1_000, 4_096, 65_535, 65_536, 70_000)
_BROKEN_UTF8 = (b"\xc3\x28", b"\xed\xa0\x80", b"\xff", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"ok\xe2")


@dataclass
class Story:
    """The frames of one connection, and how it must end."""

    request: bytes
    upgrades: bool
    """Whether ``request`` must be accepted."""
    said: list[bytes] = field(default_factory=list)
    frames: int = 0
    ending: str = "close"
    closing: int | None = None
    """The code of the close frame it sends, which the server echoes; 1005 for none."""
    wild: bool = False
    """Whether it ends with random bytes, whose effect cannot be predicted."""


def masked(rng: random.Random, opcode: int, payload: bytes = b"", first: int = 0x80) -> bytes:
    """A client's frame; ``first`` has FIN and the reserved bits."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first | opcode, 0x80 | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first | opcode, 0xFE, size)
    else:
        head = struct.pack("!BBQ", first | opcode, 0xFF, size)
    mask = rng.choice((bytes(4), rng.randbytes(4)))
    key = (mask * (size // 4 + 1))[:size]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return head + mask + body


def story(rng: random.Random, tokens: list[str], event: str, most: int = 48) -> Story:
    """A connection: usually a good upgrade and a hello, then up to ``most`` frames."""
    if rng.random() < 0.08:
        return _no_upgrade(rng)
    told = Story(_UPGRADE, upgrades=True)
    if rng.random() < 0.9:
        resume = [{"event": event}] if rng.random() < 0.3 else []
        hello = {"type": "hello", "token": rng.choice(tokens), "resume": resume}
        _say(told, masked(rng, TEXT, json.dumps(hello).encode()))
        longest = rng.randint(1, most)
        while told.frames < longest:
            _good(rng, told, event)
    if rng.random() < 0.6:
        _bad(rng, told)
        told.ending = "wait"
    else:
        told.ending = rng.choices(ENDINGS[:3], [6, 2, 1])[0]
        if told.ending == "close":
            _close(rng, told)
    return told


def _say(told: Story, data: bytes, frames: int = 1) -> None:
    told.said.append(data)
    told.frames += frames


def _good(rng: random.Random, told: Story, event: str) -> None:
    """A frame or fragmented message that obeys the rules of WebSocket."""
    kind = rng.choices(range(7), [30, 8, 14, 10, 10, 2, 4])[0]
    if kind == 0:
        _say(told, masked(rng, TEXT, _message(rng, event)))
    elif kind == 1:
        # A list element that is not an object is one error, and does not count as a broken frame.
        _say(told, masked(rng, TEXT, b"[%d]" % rng.randrange(99)))
    elif kind in (2, 3):
        opcode = PING if kind == 2 else PONG
        _say(told, masked(rng, opcode, rng.randbytes(rng.choice((0, 1, 4, 124, 125)))))
    elif kind == 4:
        _fragments(rng, told, event)
    elif kind == 5:
        _say(told, masked(rng, BINARY, rng.randbytes(rng.choice(_SIZES[:9]))))
    else:
        # A good frame that trickles: its bytes in separate writes.
        whole = masked(rng, TEXT, _message(rng, event))
        cut = rng.randrange(1, len(whole))
        _say(told, whole[:cut], frames=0)
        _say(told, whole[cut:])


def _message(rng: random.Random, event: str) -> bytes:
    kind = rng.randrange(6)
    if kind == 0:
        message: object = {"type": "subscribe", "event": rng.choice((event, "nowhere"))}
    elif kind == 1:
        message = {"type": "comment.add", "id": f"{rng.getrandbits(64):016x}", "event": event}
    elif kind == 2:
        message = [{"type": "ping", "ref": ref} for ref in range(rng.randrange(4))]
    elif kind == 3:
        message = {"type": "x" * rng.choice(_SIZES)}
    else:
        message = {"type": "ping", "ref": rng.choice(("", "ü€😀" * 7, 0, 2**53 - 1))}
    return json.dumps(message, ensure_ascii=rng.random() < 0.5).encode()


def _fragments(rng: random.Random, told: Story, event: str) -> None:
    whole = _message(rng, event)
    count = rng.choice((2, 3, 8, 64))
    cuts = sorted(rng.randrange(len(whole) + 1) for _ in range(count - 1))
    parts = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    for number, part in enumerate(parts):
        first = 0x80 if number == count - 1 else 0
        _say(told, masked(rng, CONT if number else TEXT, part, first))
        if rng.random() < 0.05:
            _say(told, masked(rng, PING, b"between"))


def _bad(rng: random.Random, told: Story) -> None:
    """Add the frame that must end the connection."""
    kind = rng.randrange(12)
    payload = rng.randbytes(rng.choice(_SIZES[:8]))
    if kind == 0:
        _say(told, masked(rng, rng.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15)), payload[:125]))
    elif kind == 1:
        _say(told, masked(rng, TEXT, payload, 0x80 | rng.choice((0x10, 0x20, 0x40, 0x70))))
    elif kind == 2:
        _say(told, bytes((0x80 | TEXT, len(payload[:125]))) + payload[:125])
    elif kind == 3:
        _say(told, masked(rng, CONT, payload))
    elif kind == 4:
        _say(told, masked(rng, TEXT, b"{", 0) + masked(rng, TEXT, payload), frames=2)
    elif kind == 5:
        _say(told, masked(rng, rng.choice((PING, PONG, CLOSE)), payload[:125], 0))
    elif kind == 6:
        _say(told, masked(rng, rng.choice((PING, PONG, CLOSE)), bytes(126)))
    elif kind == 7:
        _say(told, masked(rng, TEXT, rng.choice(_BROKEN_UTF8) + b"x" * rng.choice((0, 1, 9_000))))
    elif kind == 8:
        half = rng.choice(_BROKEN_UTF8)
        _say(told, masked(rng, TEXT, half[:1], 0) + masked(rng, CONT, half[1:] + b"("), frames=2)
    elif kind == 9:
        size = rng.choice(((1 << 20) + 1, 1 << 31, 1 << 62, (1 << 63) + 1, (1 << 64) - 1))
        _say(told, bytes((0x80 | TEXT, 0xFF)) + struct.pack("!Q", size) + bytes(4))
    elif kind == 10:
        code = rng.choice((0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535))
        said = rng.choice((b"\x03", struct.pack("!H", code), b"\x03\xe8\xff\xfe"))
        _say(told, masked(rng, CLOSE, said))
    else:
        # The bytes may begin a frame that never ends; the half-close behind them settles that.
        _say(told, rng.randbytes(rng.randint(1, 300)))
        told.wild = True


def _close(rng: random.Random, told: Story) -> None:
    told.closing = rng.choice((1000, 1001, 1003, 1008, 1011, 3000, 4000, 4999, 1005))
    reason = rng.choice(("", "bye", "ü" * 61))
    said = b"" if told.closing == 1005 else struct.pack("!H", told.closing) + reason.encode()
    _say(told, masked(rng, CLOSE, said))


def _no_upgrade(rng: random.Random) -> Story:
    """A request that is not a good handshake, or not a request at all."""
    good = _UPGRADE
    cut = rng.randrange(len(good))
    made = (
        rng.randbytes(rng.randint(1, 400)),
        good[:cut],
        good[:cut] + rng.randbytes(1) + good[cut + 1 :],
        good.replace(b"13", rng.choice((b"12", b"", b"thirteen"))),
        good.replace(b"Sec-WebSocket-Key", b"X"),
        good.replace(b"AAAA", b"A", 1),
        good.replace(b"GET", rng.choice((b"POST", b"get", b"\x00"))),
        good.replace(b"HTTP/1.1", rng.choice((b"HTTP/1.0", b"HTTP/9.9", b"ICY"))),
        good.replace(b"/v1/socket", rng.choice((b"/", b"/v1/nothing", b"*", b"/v1/socket/" * 900))),
        good.replace(b"Upgrade: websocket", rng.choice((b"Upgrade: h2c", b"Upgrade: \xff"))),
        good.replace(b"Host", b"X: " + b"y" * rng.choice((10, 9_000)) + b"\r\nHost"),
        good + masked(rng, TEXT, b"{}"),
        good * 2,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(200),
        b"\r\n" * rng.randrange(2_000),
    )
    return Story(rng.choice(made), upgrades=False, frames=1, ending=rng.choice(ENDINGS[1:]))
