"""The limits on one connection, and uvicorn's configuration that carries them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn.config import Config

from server.limits.fair_scheduler import FairScheduler
from server.transport.http_scheduler import HttpScheduler
from server.transport.lobby import Lobby
from server.transport.repeats import RepeatLimit
from server.transport.slices import READ_BUFFER_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """Limits on what one connection may cost. Sizes are bytes, times seconds.

    A client that keeps the published limits (``welcome.limits``) never reaches one of these. They
    apply to input that can no longer be answered with an error.
    """

    commands_per_second: float = 200
    """The published rate of messages."""

    burst: float = 1000
    """The published burst of messages."""

    extra_frames_per_second: float = 100
    """Frames per second above the published rate. They pay for heartbeats, queries and fragments,
    and for the commands of a client that gets ``rate_limited`` before it counts as a flood."""

    extra_burst: float = 400
    """Frames above the published burst. A reconnect fits: a full batch of re-sent commands
    (``inflight``, 256) and all subscriptions (64)."""

    controls_per_second: float = 50
    """Rate and burst of pings, pongs and close frames; then close 4429. Browsers send pongs only,
    libraries one ping in 20 s; the conformance suites send ten in a row."""

    max_fragments: int = 64
    """Frames of one message, empty ones included; then close 4501. Each fragment costs memory far
    beyond its bytes. Client libraries do not split what fits in one frame, and streaming ones split
    at 4 KiB or more, which allows 256 KiB."""

    message_bytes: int = 1 << 20
    """The hard cap on a message; then close 1009. Sixteen times the published ``message_bytes``: a
    client that is slightly over gets ``too_large`` and does not reconnect in a loop."""

    slice_bytes: int = 2048
    """Input taken from one socket before the other sockets take their turn. 341 of the smallest
    frames (6 bytes) fit, which occupy the loop for about a millisecond."""

    room_bytes: int = 65_536
    """Unsent output at which room frames stop. asyncio and uvloop use the same mark for a full
    buffer."""

    output_bytes: int = 262_144
    """Unsent output when a pong is written; beyond it the socket is aborted. Four times
    ``room_bytes``: only a client that never reads gets there."""

    ack_bytes: int = 1 << 20
    """Unsent output when an ack or an answer is written; beyond it the socket is aborted.
    ``inflight`` (256) answers of 4 KiB fit; an ack has about 300 bytes."""

    stall_timeout_s: float = 10
    """Time without progress of unsent output; then the connection is aborted. TCP has by then
    retransmitted a lost segment six times, at intervals that double from 0.2 s."""

    handshake_timeout_s: float = 5
    """Time from the TCP connection to the whole request header, and from there to the accepted
    upgrade; then the connection is aborted. Allows several retransmissions of either."""

    header_bytes: int = 8192
    """Request line and header; then 431. ``websockets`` accepts no longer line, and reverse proxies
    (nginx: 8 KiB a line) send less. A token of 4 KiB fits twice."""

    body_timeout_s: float = 30
    """Time from the header to the end of the body; then the connection is aborted. A body has at
    most 64 KiB (the published ``message_bytes``), which is 2 KiB a second."""

    max_pipelined: int = 32
    """Requests queued on one connection while another is answered; then 400. Browsers pipeline
    none."""

    max_connections: int | None = None
    """All connections of the server, before and after their handshake. The next one is reset,
    because no file descriptor is left to answer it; ``None`` sets no limit."""

    close_timeout_s: float = 5
    """Time from the server's close frame to the client's; then the socket is aborted. Allows for a
    slow link and some unsent output, and fits into the drain of the server."""

    flush_timeout_s: float = 1
    """Time for the last bytes of a closed connection: a close frame after a violation, or the echo
    of one."""

    @property
    def frames_at_once(self) -> float:
        """Frames, and messages in batches, that are read without delay: a 32nd of the burst, 43.

        A socket beyond this and ``frame_rate`` is throttled: it shares the time of the
        ``FairScheduler`` with all other throttled sockets.
        """
        return self.frame_burst / 32

    @property
    def frame_rate(self) -> float:
        """Data frames per second."""
        return self.commands_per_second + self.extra_frames_per_second

    @property
    def frame_burst(self) -> float:
        """Data frames in one burst; then close 4429."""
        return self.burst + self.extra_burst


class ConnectionsState:
    """The state that all connections of one server, and so of one event loop, share."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.read_buffer = memoryview(bytearray(READ_BUFFER_BYTES))
        self.throttled = FairScheduler(loop)
        """The turns of all sockets that are over their budget."""
        self.http_scheduler = HttpScheduler(loop)
        self.lobby = Lobby(loop)


class GuardedConfig(Config):
    """uvicorn's configuration with the protocol classes of the guard in place of its own.

    Every argument of ``uvicorn.Config`` may be given and takes precedence. One configuration serves
    one server.
    """

    def __init__(
        self,
        app: Any,
        *,
        budgets: Budgets | None = None,
        offence: Callable[[str], None] = lambda address: None,
        **options: Any,
    ) -> None:
        self.budgets = budgets or Budgets()
        self.offence = offence
        """Called with the address of a client that sent a malformed request."""
        self._connections_state: ConnectionsState | None = None
        guarded: dict[str, Any] = {
            "http": "server.transport.guard:GuardedHttp",
            "ws": "server.transport.guard:GuardedWebSocket",
            "ws_max_size": self.budgets.message_bytes,
            "ws_per_message_deflate": False,
            "ws_ping_interval": None,
            "ws_ping_timeout": None,
        }
        super().__init__(app, **(guarded | options))

    def connections_state(self, loop: asyncio.AbstractEventLoop) -> ConnectionsState:
        """Return the state that all connections share; the first one creates it on its ``loop``."""
        if self._connections_state is None:
            self._connections_state = ConnectionsState(loop)
        return self._connections_state

    def configure_logging(self) -> None:
        """Drop the log lines that could hold a token, at every level.

        uvicorn's lines hold the URL of each request and each socket. At ``debug``, websockets
        writes all headers and all frames to the same logger.
        """
        super().configure_logging()
        logging.getLogger("uvicorn.error").addFilter(_is_warning)
        logging.getLogger("uvicorn.error").addFilter(_malformed_requests)
        logging.getLogger("uvicorn.access").addFilter(_drop)


#: One line for many malformed requests, so that no client can fill the log. Shared by all servers
#: of a process, as the logger is.
_malformed_requests = RepeatLimit(warnings=1)


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _drop(record: logging.LogRecord) -> bool:
    return False


def guarded(config: Config) -> GuardedConfig:
    """Return ``config`` as the guard needs it. Raises ``TypeError`` for another configuration."""
    if not isinstance(config, GuardedConfig):
        raise TypeError("the guard needs a GuardedConfig, which holds its budgets")
    return config
