"""The short path for whole text frames, compared with websockets' parser on random streams."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from uvicorn.server import ServerState

from server.limits import fair_scheduler
from server.transport.frames import FrameBoundaries
from server.transport.guard import (
    EXTENSION,
    Budgets,
    GuardedConfig,
    GuardedWebSocket,
    SocketTransport,
    frame,
)
from tests.server.raw import BINARY, CLOSE, CONT, HANDSHAKE, PING, PONG, TEXT, masked

BUDGETS = Budgets(
    commands_per_second=0, burst=30, extra_frames_per_second=0, extra_burst=0, controls_per_second=8
)


class Paper(asyncio.Transport):
    """A transport that keeps all written bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False
        self.eof = False

    def write(self, data: Any) -> None:
        assert not self.eof
        self.written += data

    def write_eof(self) -> None:
        self.eof = True

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Log:
    """A receiver that closes on ``!``, fails on ``?``, and answers everything else."""

    def __init__(self, socket: SocketTransport) -> None:
        self.socket = socket
        self.told: list[object] = []

    def text(self, payload: bytes) -> None:
        assert not self.socket.is_closed
        self.told.append(payload.decode())
        if payload.startswith(b"!"):
            self.socket.close(4001)
        elif payload.startswith(b"?"):
            raise LookupError("a defect")
        else:
            self.socket.send(frame(payload))

    def binary(self) -> None:
        self.told.append(b"")

    def alive(self) -> None:
        assert not self.socket.is_closed

    def writable(self) -> None:
        raise AssertionError("nothing was ever unsent")

    def closed(self, code: int) -> None:
        self.told.append(code)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Attach a log."""
    await receive()
    await send({"type": "websocket.accept"})
    log = Log(scope["extensions"][EXTENSION])
    scope["state"]["logs"].append(log)
    log.socket.attach(log)
    await receive()


def piece(rng: random.Random) -> bytes:
    """A message, a control frame, or a broken frame."""
    text = rng.choice("!?") if rng.random() < 0.02 else ""
    text += rng.choice("aü€") * rng.choice([0, 1, 9, 42, 125, 126, 500])
    payload = text.encode()
    half = len(payload) // 2
    kind = rng.choices(range(8), [60, 5, 8, 8, 2, 3, 3, 3])[0]
    if kind == 0:
        return masked(TEXT, payload)
    if kind == 1:
        return masked(BINARY, payload)
    if kind == 2:
        return masked(TEXT, payload[:half], fin=False) + masked(CONT, payload[half:])
    if kind == 3:
        return masked(rng.choice([PING, PONG]), payload[:125])
    if kind == 4:
        return masked(CLOSE, b"\x03\xe8")
    if kind == 5:
        return masked(TEXT, payload + b"\xc3")
    if kind == 6:
        return bytes([rng.randrange(256), rng.randrange(256)]) + payload[:20]
    large = b"a" * rng.choice([2_048, 16_384, 65_535, 65_536, 70_000])
    return masked(rng.choice([TEXT, BINARY]), large)


def stream(rng: random.Random) -> list[bytes]:
    """Pieces, split into reads."""
    pieces = [piece(rng) for _ in range(rng.randint(1, 40))]
    if rng.random() < 0.3:
        return pieces
    whole = b"".join(pieces)
    # In a short stream, reads of a few bytes meet every boundary as in a long one.
    few = [7, 40] if len(whole) < 10_000 else []
    longest = rng.choice([*few, 3_000, 20_000]) if len(whole) < 100_000 else 30_000
    reads = []
    while whole:
        size = rng.randint(1, longest)
        reads.append(whole[:size])
        whole = whole[size:]
    return reads


async def greeted(config: GuardedConfig, logs: list[Log]) -> tuple[GuardedWebSocket, Paper]:
    """A socket after its handshake."""
    transport = Paper()
    guard = GuardedWebSocket(config, ServerState(), {"logs": logs})
    guard.connection_made(transport)
    guard.data_received(b"GET / HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
    await asyncio.sleep(0)
    return guard, transport


async def outcome(config: GuardedConfig, reads: list[bytes], most: int) -> tuple[object, ...]:
    """The application's messages and the peer's bytes, with ``most`` bytes a read."""
    logs: list[Log] = []
    guard, transport = await greeted(config, logs)
    for read in reads:
        for at in range(0, len(read), most):
            if not transport.closing:
                guard.data_received(read[at : at + most])
            # A throttled socket is read again at its next turn.
            while guard._rest and not (guard.is_discarding() or transport.closing):
                await asyncio.sleep(0)
    guard.connection_lost(None)
    await asyncio.gather(*guard.tasks)
    told = logs[0].told
    assert [what for what in told if isinstance(what, int)] == told[-1:]
    written = transport.written.partition(b"\r\n\r\n")[2]
    return told[-1], told, written, transport.eof


@pytest.mark.timeout(400)  # 120 streams: some seconds alone, minutes on a loaded machine
async def test_the_short_path_and_the_parser_agree(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("CRITICAL")
    config = GuardedConfig(application, budgets=BUDGETS, log_config=None)
    config.load()
    # No other task wants the loop here.
    monkeypatch.setattr(fair_scheduler, "MIN_PAUSE_S", 0)
    monkeypatch.setattr(fair_scheduler, "IDLE_RATIO", 0)
    ends: set[object] = set()
    for seed in range(120):
        reads = stream(random.Random(seed))
        # asyncio reads a slice into the buffer; uvloop delivers all that is there.
        most = [BUDGETS.slice_bytes, 256_000][seed % 2]
        with_it = await outcome(config, reads, most)
        with monkeypatch.context() as patched:
            patched.setattr(FrameBoundaries, "between_messages", False)
            assert with_it == await outcome(config, reads, most), seed
        ends.add(with_it[0])
    assert ends >= {1000, 1002, 1006, 1007, 4001, 4004, 4429}


@pytest.mark.parametrize("kind", [TEXT, BINARY])
async def test_a_large_frame_is_not_taken_apart_in_small_slices(
    kind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of them held the loop four times as long as it takes to copy them."""
    config = GuardedConfig(application, budgets=BUDGETS, log_config=None)
    config.load()
    logs: list[Log] = []
    guard, _ = await greeted(config, logs)
    fed: list[int] = []
    receive = guard.conn.receive_data

    def counted(data: bytes) -> None:
        fed.append(len(data))
        receive(data)

    monkeypatch.setattr(guard.conn, "receive_data", counted)
    large = masked(kind, b"a" * 70_000)
    whole = masked(TEXT, b"before") + large + masked(TEXT, b"after") + large
    for at in range(0, len(whole), 50_000):
        guard.data_received(whole[at : at + 50_000])
        while guard._rest:
            await asyncio.sleep(0)
    assert [len(str(told)) for told in logs[0].told if told] == (
        [6, 70_000, 5, 70_000] if kind == TEXT else [6, 5]
    )
    assert len(logs[0].told) == 4
    # Each large frame lies across a border of two reads; the texts go past the parser.
    assert len(fed) <= 5, fed
    guard.connection_lost(None)
    await asyncio.gather(*guard.tasks)
