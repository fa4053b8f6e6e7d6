"""The limits on one connection, and where each number comes from."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn.config import Config

from server.transport.repeats import RepeatLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """What one connection may cost. Sizes are bytes, times seconds.

    A client that keeps the published limits (``welcome.limits``) never meets one of these: they
    stand outside of them, where a message can no longer be answered with an error.
    """

    commands_per_second: float = 200
    """The published rate of messages."""

    burst: float = 1000
    """The published burst of messages."""

    extra_frames_per_second: float = 100
    """Frames a second beyond the published rate: heartbeats, queries, fragments, and the commands
    that an eager client has refused with ``rate_limited`` before it is a flood."""

    extra_burst: float = 400
    """Frames beyond the published burst. A full batch of re-sent commands after a reconnect
    (``inflight``, 256) fits, with its subscriptions (64)."""

    controls_per_second: float = 50
    """Pings, pongs and closes a second, and at once. Browsers send pongs only, libraries one ping
    in 20 s; the conformance suites send ten in a row."""

    max_fragments: int = 64
    """Frames of one message, empty ones counted. 1-byte fragments cost about 100 times their
    size (measured: 55 MB of them, 430 MB of memory); no client library splits what fits in one
    frame, and streaming ones split at 4 KiB or more, which gives 256 KiB."""

    message_bytes: int = 1 << 20
    """The hard cap on a message. Sixteen times the published ``message_bytes``, so that a client
    that is a little over is told ``too_large`` and does not loop on 1009."""

    slice_bytes: int = 2048
    """Input taken from one socket before the others have their turn. The smallest frames, 6 bytes,
    make 341 in a slice, so that one peer holds the loop for a millisecond or so. Under a flood of
    pings the bystanders' p99 was 4.3 times its value at rest with four times this, 1.7 times with
    this (both in one run, on two cores)."""

    room_bytes: int = 65_536
    """Unsent output from which on no room frame is written: what asyncio and uvloop themselves
    take for a full buffer."""

    output_bytes: int = 262_144
    """Unsent output that is neither acks nor the room frame in flight: pongs and the like. Four
    times ``room_bytes``; only a peer that never reads gets there."""

    ack_bytes: int = 1 << 20
    """Unsent output with acks. ``inflight`` (256) answers of 4 KiB; an ack has about 300 bytes."""

    stall_timeout_s: float = 10
    """Unsent output that made no progress for so long is given up. TCP's retransmissions of one
    lost segment, doubling from 0.2 s, have been through six attempts by then."""

    handshake_timeout_s: float = 5
    """From the TCP connection to the whole request header, and from there to the accepted upgrade.
    A header is one segment or two; 5 s are several retransmissions of either."""

    header_bytes: int = 8192
    """Request line and header. ``websockets`` takes no longer line, and proxies in front (nginx:
    8 KiB a line) send less; a token of 4 KiB fits twice."""

    body_timeout_s: float = 30
    """From the header to the end of the body. A body has at most ``message_bytes`` as published,
    64 KiB: 30 s are 2 KiB a second."""

    max_pipelined: int = 32
    """Requests that wait behind one that is being answered. Browsers send none."""

    max_connections: int | None = None
    """All connections of the server: sockets, and those that are none yet or never will be. The
    next one is reset, for there is no file left to answer it with; ``None``: as many as come."""

    close_timeout_s: float = 5
    """From the server's close frame to the client's. The client may be a radio link and some
    unsent output away; the server needs the time in which its drain still waits."""

    flush_timeout_s: float = 1
    """For the last bytes of a connection that is over: a close frame after a violation, an echo."""

    @property
    def frames_at_once(self) -> float:
        """Frames, and messages in batches, that are read as they come: one in 32 of the burst, 43.
        Whoever says more than that, and more than ``frame_rate`` a second, is eager, and has the
        loop's time only together with all others that are (``FairScheduler``)."""
        return self.frame_burst / 32

    @property
    def frame_rate(self) -> float:
        """Data frames a second."""
        return self.commands_per_second + self.extra_frames_per_second

    @property
    def frame_burst(self) -> float:
        """Data frames at once."""
        return self.burst + self.extra_burst


class GuardedConfig(Config):
    """uvicorn's configuration with the guard in place of its own protocols.

    Every argument of ``uvicorn.Config`` may be given and wins.
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
        """Called with the address of a peer that sent a malformed request."""
        guarded: dict[str, Any] = {
            "http": "server.transport.guard:GuardedHttp",
            "ws": "server.transport.guard:GuardedWebSocket",
            "ws_max_size": self.budgets.message_bytes,
            "ws_per_message_deflate": False,
            "ws_ping_interval": None,
            "ws_ping_timeout": None,
        }
        super().__init__(app, **(guarded | options))

    def configure_logging(self) -> None:
        """Drop what would put a token in a log, whatever the level.

        uvicorn's lines hold the URL of each request and each socket; at ``debug``, where websockets
        writes to the same logger, all headers and all frames.
        """
        super().configure_logging()
        logging.getLogger("uvicorn.error").addFilter(_is_warning)
        logging.getLogger("uvicorn.error").addFilter(_malformed)
        logging.getLogger("uvicorn.access").addFilter(_nothing)


#: Shared by all servers of a process, as the logger is. With a line for each malformed request
#: anybody could write 50 GB a day.
_malformed = RepeatLimit(warnings=1)


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


def _nothing(record: logging.LogRecord) -> bool:
    return False


def budgets_of(config: Config) -> Budgets:
    """The budgets that ``config`` carries, the defaults where it carries none."""
    found = getattr(config, "budgets", None)
    return found if isinstance(found, Budgets) else Budgets()


def offence_of(config: Config) -> Callable[[str], None]:
    """What ``config`` wants called about a peer that sent a malformed request."""
    return config.offence if isinstance(config, GuardedConfig) else lambda address: None
