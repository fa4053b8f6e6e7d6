"""Internals of uvicorn, websockets and asyncio that the guard uses, above all private names."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.lifespan.off import LifespanOff
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from server.transport.guard import GuardedConfig, GuardedHttp, GuardedWebSocket
from tests.server.peers import Application, serving
from tests.server.raw import CLOSE, CONT, HANDSHAKE, TEXT, masked, raw
from tests.server.transport.test_frame_reader import greeted


def test_uvicorn_has_what_the_guard_overrides_and_uses() -> None:
    """Private names, pinned: a version that lacks or changes one fails here."""
    websocket = vars(WebSocketsSansIOProtocol)
    for name in (
        "connection_made",
        "connection_lost",
        "eof_received",
        "shutdown",
        "pause_writing",
        "resume_writing",
        "data_received",
        "handle_connect",
        "send",
        "on_task_complete",
        "send_500_response",
        "send_receive_event_to_app",
    ):
        assert inspect.isfunction(websocket[name]), name
    http = vars(HttpToolsProtocol)
    for name in (
        "connection_made",
        "connection_lost",
        "eof_received",
        "data_received",
        "shutdown",
        "pause_writing",
        "resume_writing",
        "handle_websocket_upgrade",
        "on_message_begin",
        "on_url",
        "on_header",
        "on_headers_complete",
        "on_message_complete",
        "on_response_complete",
        "send_400_response",
        "timeout_keep_alive_handler",
        "_unset_keepalive_if_required",
    ):
        assert inspect.isfunction(http[name]), name
    made = list(inspect.signature(WebSocketsSansIOProtocol.__init__).parameters)
    assert made == ["self", "config", "server_state", "app_state", "_loop"]
    assert list(inspect.signature(HttpToolsProtocol.__init__).parameters) == made


async def test_uvicorns_protocols_have_the_attributes_that_the_guard_uses() -> None:
    config = GuardedConfig(Application(), log_config=None)
    config.load()
    assert config.ws_protocol_class is GuardedWebSocket
    assert config.http_protocol_class is GuardedHttp
    stock = WebSocketsSansIOProtocol(config, ServerState(), LifespanOff(config).state)
    assert stock.close_timer is None
    assert [stock.handshake_complete, stock.close_sent, stock.disconnected] == [False] * 3
    assert [stock.read_paused, stock.frames, stock.curr_msg_data_type] == [False, [], "bytes"]
    assert isinstance(stock.queue, asyncio.Queue)
    http = HttpToolsProtocol(config, ServerState(), {})
    assert vars(http)["cycle"] is None
    assert len(http.pipeline) == 0


def test_websockets_has_what_the_reader_uses() -> None:
    """An open connection needs no handshake, reads frames, and reports an invalid one."""
    request = ServerProtocol()
    request.receive_data(b"GET / HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
    (found,) = request.events_received()
    assert isinstance(found, Request)
    request.send_response(request.accept(found))
    assert [request.state, request.handshake_exc, request.extensions] == [State.OPEN, None, []]
    conn = ServerProtocol(state=State.OPEN, max_size=100)
    conn.extensions = request.extensions
    conn.receive_data(masked(TEXT, b"x") + masked(CLOSE, b"\x03\xe8bye"))
    text, close = conn.events_received()
    assert isinstance(text, Frame)
    assert isinstance(close, Frame)
    assert [text.opcode, text.data, text.fin] == [Opcode.TEXT, b"x", True]
    received = Close.parse(close.data)
    assert [received.code, received.reason] == [1000, "bye"]
    assert conn.parser_exc is None
    for wrong, code in (
        (masked(CONT, b""), 1002),
        (masked(TEXT, b"x" * 101), 1009),
        (masked(CLOSE, b"\x03\xe8\xff"), 1007),
    ):
        conn = ServerProtocol(state=State.OPEN, max_size=100)
        conn.receive_data(wrong)
        assert conn.events_received() == []
        assert conn.parser_exc is not None
        assert conn.close_sent is not None
        assert conn.close_sent.code == code


async def test_uvicorn_leaves_the_end_of_a_closed_socket_to_the_guard() -> None:
    """While ``close_timer`` is set, uvicorn does not close the transport after the application."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4001})

    guard, transport = await greeted(GuardedConfig(application, log_config=None), [])
    await asyncio.gather(*guard.tasks)
    assert guard.close_timer is not None
    seen = [transport.closing]
    guard.data_received(masked(CLOSE, b"\x0f\xa1"))
    assert [*seen, transport.closing] == [False, True]
    timer = guard.close_timer
    assert timer is not None
    guard.connection_lost(None)
    assert timer.cancelled()


async def test_asyncio_reads_into_the_buffer_of_a_protocol_that_it_got_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[int] = []
    buffer_updated = GuardedWebSocket.buffer_updated

    def counted(self: GuardedWebSocket, nbytes: int) -> None:
        reads.append(nbytes)
        buffer_updated(self, nbytes)

    monkeypatch.setattr(GuardedWebSocket, "buffer_updated", counted)
    async with serving() as served, raw(served, "/wire") as peer:
        recorder = await served.recorder()
        await peer.say(masked(TEXT, b"x"))
        await recorder.until(lambda found: found.texts == [b"x"])
    assert reads[0] == len(masked(TEXT, b"x"))


def test_the_guard_needs_its_own_configuration() -> None:
    config = Config(Application(), log_config=None)
    config.load()
    loop = asyncio.new_event_loop()
    try:
        for protocol in (GuardedWebSocket, GuardedHttp):
            with pytest.raises(TypeError, match="GuardedConfig"):
                protocol(config, ServerState(), {}, loop)
    finally:
        loop.close()
