"""Random compressed frames, good and broken, against a server that agreed to them."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter

import pytest

from server.transport import deflate
from server.transport.budgets import Budgets
from tests.attacks.conftest import Attack
from tests.attacks.fuzzing import DOCUMENTED
from tests.attacks.taken import GuardClock
from tests.attacks.target import Bystander
from tests.promises.running import token
from tests.promises.scenes import gathering
from tests.server.raw import CLOSE, CONT, HANDSHAKE, PING, TEXT, Raw, masked, raw

SEED = 20_261_125
PEERS = 16
CONNECTIONS = 600
RSV1 = 0x40
_REQUEST = (
    b"GET /v1/socket HTTP/1.1\r\n"
    + HANDSHAKE
    + b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)


def _packed(text: bytes) -> bytes:
    return deflate.segment(text)[:-4]


def _frames(rng: random.Random, known: str) -> list[bytes]:
    """A few frames: whole, in fragments, damaged, bombs, with bits where they do not belong."""
    hello = json.dumps({"type": "hello", "token": known}).encode()
    said = [masked(TEXT, _packed(hello), rsv=RSV1)]
    for _ in range(rng.randrange(1, 10)):
        whole = _packed(rng.choice((b'{"type":"ping"}', b"[]", b"{", b"\xff", b" " * 70_000)))
        match rng.randrange(9):
            case 0:
                damaged = bytearray(whole or b"\0")
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
                said.append(masked(TEXT, bytes(damaged), rsv=RSV1))
            case 1:
                said.append(masked(TEXT, rng.randbytes(rng.randrange(300)), rsv=RSV1))
            case 2:
                at = rng.randrange(len(whole) + 1)
                said.append(masked(TEXT, whole[:at], fin=False, rsv=RSV1))
                said.append(masked(PING, b"between"))
                said.append(masked(CONT, whole[at:], rsv=rng.choice((0, 0, 0, RSV1))))
            case 3:
                said.append(
                    masked(TEXT, _packed(bytes(rng.choice((1_000, 1 << 20, 1 << 22)))), rsv=RSV1)
                )
            case 4:
                said.append(masked(rng.choice((PING, CONT)), b"", rsv=RSV1))
            case 5:
                said.append(masked(TEXT, whole[: len(whole) // 2], rsv=RSV1))
            case 6:
                said.append(masked(TEXT, b'{"type":"ping"}'))
            case _:
                said.append(masked(TEXT, whole, rsv=RSV1))
    if rng.random() < 0.5:
        said.append(masked(CLOSE, b"\x03\xe8"))
    return said


async def _tell(peer: Raw, said: list[bytes]) -> int:
    await peer.say(_REQUEST)
    assert b"permessage-deflate" in await peer.head()
    try:
        await peer.say(b"".join(said))
        peer.sock.shutdown(1)
    except OSError:
        pass  # the socket is closed already
    return await peer.verdict()


@pytest.mark.timeout(300)
async def test_broken_compression_breaks_nothing(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By turns of the event loop, so that a good handshake is always in time.
    clock = GuardClock(monkeypatch)
    target = await attack(
        budgets=Budgets(handshake_timeout_s=1, close_timeout_s=1),
        compression="on",
        connections_per_user=1_000,
        admissions_per_second=1_000_000,
    )
    scene = await gathering(target, 2)
    bystander = await Bystander.of(scene)
    codes: Counter[int] = Counter()
    numbers = iter(range(CONNECTIONS))

    async def keep_telling() -> None:
        for number in numbers:
            rng = random.Random(f"{SEED}/{number}")
            async with raw(target) as peer:
                codes[await _tell(peer, _frames(rng, token(scene.members[0].user)))] += 1

    async with bystander.voting(), clock.ticking(), asyncio.TaskGroup() as group:
        for _ in range(PEERS):
            group.create_task(keep_telling())
    assert set(codes) <= DOCUMENTED | {1006}, codes
    # Every kind of input was met.
    assert {1000, 1002, 1007, 1009} <= set(codes), codes
    assert len(bystander.waits) > 10
    await bystander.vote()
