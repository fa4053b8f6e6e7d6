"""What the guard relies on in uvicorn, websockets and asyncio, private names above all."""

from __future__ import annotations

import asyncio
import inspect
import re
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined]

import pytest
from uvicorn.config import Config
from uvicorn.lifespan.off import LifespanOff
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.protocol import Protocol, State
from websockets.server import ServerProtocol

from server.transport.frame_reader import between_messages
from server.transport.guard import GuardedConfig, GuardedHttp, GuardedWebSocket
from server.transport.receive_queue import ReceiveQueue
from tests.server.peers import Application
from tests.server.raw import BINARY, CLOSE, CONT, HANDSHAKE, PING, TEXT, masked


def test_uvicorn_has_what_the_guard_overrides_and_uses() -> None:
    """Private names, pinned: a version in which one is missing or new in shape fails here."""
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
        "run_asgi",
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
    used = re.findall(r"self\.queue\.(\w+)\(", inspect.getsource(WebSocketsSansIOProtocol))
    assert set(used) <= set(dir(ReceiveQueue))
    ending = inspect.getsource(WebSocketsSansIOProtocol.run_asgi)
    assert "if self.close_timer is None:\n            self.transport.close()" in ending
    assert "self.close_timer.cancel()" in inspect.getsource(
        WebSocketsSansIOProtocol.connection_lost
    )


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
    assert stock.ping_interval is None
    http = HttpToolsProtocol(config, ServerState(), {})
    assert vars(http)["cycle"] is None
    assert len(http.pipeline) == 0
    # asyncio's transport must take a protocol with a buffer, given to it later.
    assert "BufferedProtocol" in inspect.getsource(_SelectorSocketTransport.set_protocol)
    assert issubclass(GuardedWebSocket, asyncio.BufferedProtocol)


def test_websockets_parser_shows_where_it_stands() -> None:
    """``between_messages`` looks into generators; where it errs, it must err to False."""
    conn = ServerProtocol()
    assert conn.max_message_size == 1 << 20
    conn.receive_data(b"GET / HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
    (request,) = conn.events_received()
    conn.send_response(conn.accept(request))  # type: ignore[arg-type]
    assert conn.state is State.OPEN
    assert conn.handshake_exc is None
    assert between_messages(conn)
    # An open connection can have a new parser, as its constructor makes one.
    assert "self.parser = self.parse()\n        next(self.parser)" in inspect.getsource(
        Protocol.__init__
    )
    conn.parser = conn.parse()
    next(conn.parser)
    assert between_messages(conn)
    whole = masked(TEXT, b"x" * 200)
    for at in range(len(whole)):
        conn.receive_data(whole[at : at + 1])
        assert between_messages(conn) == (at == len(whole) - 1), at
    conn.receive_data(masked(TEXT, b"x", fin=False))
    assert not between_messages(conn)
    conn.receive_data(masked(PING))
    assert not between_messages(conn)
    conn.receive_data(masked(CONT))
    assert between_messages(conn)
    conn.receive_data(masked(BINARY, b"\xff"))
    assert between_messages(conn)
    conn.receive_data(masked(CLOSE))
    assert not between_messages(conn)


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
