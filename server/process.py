"""From settings to a running server, and from a signal to its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import uvicorn

from persistence.database.connecting import UnfitDatabaseError, check_sessions
from persistence.database.deployment import deployment_id
from persistence.database.instance_lock import InstanceLock, InstanceLockError
from persistence.database.migrate import upgrade_async
from persistence.database.periodic import Periodic
from persistence.database.pool import Database
from persistence.embedded.log import PostgresLog
from persistence.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError
from server.app import make_app
from server.bus.memory import MemoryBus
from server.bus.port import Bus
from server.config.settings import Settings
from server.config.start_error import StartError
from server.config.unread import cure, unread
from server.http.metrics import Render, exposition, metrics_of
from server.http.metrics_port import MetricsPort
from server.http.process_metrics import ProcessMetrics
from server.identity.auth import authenticator_for
from server.limits.connections import max_tcp_connections, raise_file_limit
from server.node import Node
from server.observability.command_log import CommandLog
from server.observability.log_format import format_for
from server.page.local import is_set_up
from server.services.freed_memory import keep_large_blocks_apart
from server.stop_signals import Interrupted, StopSignals
from server.transport.budgets import Budgets, GuardedConfig
from server.transport.repeats import RepeatLimit

if TYPE_CHECKING:
    from server.observability.traces import Traces

log = logging.getLogger("ayes")

#: Seconds that uvicorn waits for its last connections when the server stops; then it ends them and
#: logs an error. Each ends earlier, within ``close_timeout_s`` and ``flush_timeout_s`` together.
GRACEFUL_TIMEOUT_S = 7
#: Objects made until a young collection, and how many of each generation until the next one's.
GC_THRESHOLDS = (50_000, 20, 50)
#: Connections that may wait to be accepted: a reconnect storm comes within a second.
BACKLOG = 2_048
#: Unsent bytes that the system takes for one connection, in addition to those in flight. The rest
#: stays in the server, where diffs merge and count against the reader's bounds. Linux would take
#: 4 MB, which are stale once they arrive.
UNSENT_BYTES = 65_536
#: Seconds between two checks of the size of the embedded database's log.
LOG_CHECK_INTERVAL_S = 60.0
#: Seconds between two checks that the embedded database runs: a fraction of its time to recover.
DATABASE_CHECK_INTERVAL_S = 0.25
#: Seconds until it is started again if that failed. Its disk may be full, which takes time to mend.
DATABASE_RESTART_DELAY_S = 5.0
#: The exit code of a command that could not start.
EXIT_FAILURE = 1


class Shared(NamedTuple):
    """The parts that one of several processes behind one port is given (``server/processes``)."""

    number: int
    database_url: str
    listener: socket.socket
    metrics_listener: socket.socket | None
    metrics: ProcessMetrics
    serving: Callable[[], None]
    """Called once the process serves."""


class Server(uvicorn.Server):
    """uvicorn's server; its end drains the node, and then closes the other sockets with 1012."""

    def __init__(self, config: uvicorn.Config, node: Node) -> None:
        super().__init__(config)
        self._node = node

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, send the clients away, then let uvicorn end."""
        for server in self.servers:
            server.close()
        await self._node.drain()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: ``StopSignals`` has them before, meanwhile and after."""
        yield


def run(settings: Settings, shared: Shared | None = None) -> int:
    """Serve until a signal; the exit status. ``shared``: as one of several processes."""
    raise_file_limit()
    set_up_log(settings, 0 if shared is None else shared.number)
    if shared is None or shared.number == 0:
        for name, meant in unread(os.environ):
            log.warning("%s is no setting, so nothing reads it: %s", name, cure(meant))
    embedded: EmbeddedPostgres | None = None
    try:
        # Left before the database is stopped: a signal must not leave it running.
        with StopSignals() as signals:
            url = settings.database_url if shared is None else shared.database_url
            if url is None:
                embedded = EmbeddedPostgres(settings.data_dir)
                url = embedded.start()
            signals.check()
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(serve(settings, url, embedded, signals, shared))
    except (StartError, EmbeddedPostgresError, InstanceLockError) as err:
        print(f"ayes: {err}", file=sys.stderr)  # noqa: T201 - the command's own output
        return EXIT_FAILURE
    except (Interrupted, asyncio.CancelledError):
        return 0
    finally:
        if embedded is not None:
            embedded.stop()
    return 0


def set_up_log(settings: Settings, process: int = 0) -> None:
    """Send the log to standard error; ``process``: a number that its lines name."""
    logging.basicConfig(level=settings.log_level.upper(), stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(format_for(settings.log_format, process))
        handler.addFilter(RepeatLimit())
    # These log a line for each connection, and for each migration that is not needed.
    for chatty in ("uvicorn.error", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _loop_factory() -> Any:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


async def serve(
    settings: Settings,
    database_url: str,
    embedded: EmbeddedPostgres | None,
    signals: StopSignals,
    shared: Shared | None = None,
) -> None:
    """Migrate, open everything, serve until a signal, finish, close everything.

    ``embedded``, if the database is the server's own, is looked after meanwhile. Raises
    ``CancelledError`` if a signal came before it served.
    """
    main = asyncio.current_task()
    assert main is not None
    signals.run(lambda number, again: None if again else _cancel(main))
    try:
        await check_sessions(database_url)
        await upgrade_async(database_url)
        bus = await _bus(settings, database_url)
    except UnfitDatabaseError as err:
        raise StartError(str(err)) from err
    except asyncpg.PostgresError as err:
        raise StartError(f"the database refuses the server: {err}") from err
    except (OSError, asyncpg.InterfaceError) as err:
        raise StartError(f"the database is out of reach: {str(err) or type(err).__name__}") from err
    async with InstanceLock(database_url, shared=settings.redis_url is not None) as lock:
        node = Node(
            settings,
            Database(database_url, connections=settings.database_connections),
            authenticator_for(settings),
            bus,
        )
        traces = _observe(settings, node)
        render = metrics_of(node, shared.metrics if shared is not None else None)
        listener = listen(settings) if shared is None else shared.listener
        metrics_port = _metrics_port(settings, render, shared)
        tending = [] if embedded is None else tend(embedded)
        node.failures += [work.failures for work in (lock.task, *tending)]
        try:
            for work in tending:
                work.start()
            await node.start()
            if shared is not None:
                await shared.metrics.start(exposition(node))
            if metrics_port is not None:
                await metrics_port.start()
            server = Server(_config(settings, node, render), node)
            host, port = listener.getsockname()[:2]
            _settle_memory()
            # A second SIGINT, a person's, cuts the wait for the connections short.
            signals.run(lambda number, again: server.handle_exit(number, None))
            if not signals.requested:
                announce(settings, host, port) if shared is None else shared.serving()
            await server.serve(sockets=[listener])
        finally:
            signals.end()
            try:
                for work in tending:
                    await work.stop()
                await node.stop()
            finally:
                listener.close()
                if metrics_port is not None:
                    await metrics_port.stop()
                if shared is not None:
                    await shared.metrics.stop()
                if traces is not None:
                    await asyncio.to_thread(traces.close)


def _observe(settings: Settings, node: Node) -> Traces | None:
    """Attach the observers that the settings ask for; without them a command meets none.

    Raises ``StartError`` if traces are asked for, and OpenTelemetry is not installed.
    """
    traces = None
    if settings.traces == "on":
        try:
            from server.observability import traces as opentelemetry
        except ImportError as err:
            raise StartError(
                f"AYES_TRACES=on needs OpenTelemetry: pip install 'ayes[otel]' ({err})"
            ) from err
        traces = opentelemetry.Traces(opentelemetry.provider())
    node.observe(traces, CommandLog() if settings.log_level == "debug" else None)
    return traces


async def _bus(settings: Settings, database_url: str) -> Bus:
    if settings.redis_url is None:
        return MemoryBus()
    # Only then: its client takes an eighth of the time of all imports.
    from server.bus.redis import RedisBus

    return RedisBus(settings.redis_url, await deployment_id(database_url))


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def tend(embedded: EmbeddedPostgres) -> list[Periodic]:
    """Return the work that keeps the embedded database alive and its log small."""
    return [
        Periodic("database log", LOG_CHECK_INTERVAL_S, partial(_bound, embedded.log)),
        Periodic("database life", DATABASE_CHECK_INTERVAL_S, partial(_revive, embedded)),
    ]


async def _bound(database_log: PostgresLog) -> None:
    try:
        await asyncio.to_thread(database_log.bound)
    except OSError as err:
        log.warning("the database's log cannot be cut: %s", err)


async def _revive(embedded: EmbeddedPostgres) -> None:
    """Start the database again if it ended by itself: out of memory, killed, stopped by hand."""
    if embedded.runs():
        return
    log.error("the embedded database has ended; it is started again")
    try:
        await asyncio.to_thread(embedded.revive)
    except EmbeddedPostgresError as err:
        log.error("%s", err)
        await asyncio.sleep(DATABASE_RESTART_DELAY_S)


def _settle_memory() -> None:
    """Keep the collector from what lives as long as the process, and from running every moment.

    Every command makes a few hundred objects that reference counting takes away again; at the
    default threshold the youngest generation was collected with each vote, for a tenth of the
    server's time under load.
    """
    keep_large_blocks_apart()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _metrics_port(settings: Settings, render: Render, shared: Shared | None) -> MetricsPort | None:
    listener = listen_for_metrics(settings) if shared is None else shared.metrics_listener
    return None if listener is None else MetricsPort(listener, render)


def listen(settings: Settings) -> socket.socket:
    """Return the listening socket; raises ``StartError``."""
    return _listening(settings.host, settings.port)


def listen_for_metrics(settings: Settings) -> socket.socket | None:
    """Return the listening socket for ``/metrics`` alone, if it has one; raises ``StartError``."""
    if not settings.metrics_port:
        return None
    return _listening(settings.metrics_host, settings.metrics_port)


def _listening(host: str, port: int) -> socket.socket:
    """The listening socket; made here, so that a taken port is a clear message."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, since asyncio gives TCP_NODELAY only to sockets that name it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            # Every connection has it from the listener.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        # A client that reads the address may connect at once; it waits a moment for the server.
        listener.listen(BACKLOG)
    except OSError as err:
        listener.close()
        raise StartError(f"cannot listen on {host}:{port}: {err.strerror}") from err
    listener.set_inheritable(False)
    return listener


def _config(settings: Settings, node: Node, render: Render | None = None) -> uvicorn.Config:
    return GuardedConfig(
        make_app(node, render or metrics_of(node)),
        offence=lambda address: node.reconnects.record_violation(address, time.monotonic()),
        budgets=Budgets(
            commands_per_second=settings.commands_per_second,
            burst=settings.commands_burst,
            max_connections=max_tcp_connections(settings),
        ),
        ws_per_message_deflate=settings.compression == "on",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_TIMEOUT_S,
        backlog=BACKLOG,
    )


def announce(settings: Settings, host: str, port: int) -> None:
    """Print that the server is ready, and how it is reached."""
    # Listened on, these are every address of the machine, and none that can be opened.
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    shown = f"[{host}]" if ":" in host else host
    log.info("listening on ws://%s:%d/v1/socket", shown, port)
    page = settings.public_url or f"http://{shown}:{port}"
    how = ", and sign in by name" if is_set_up(settings) else ""
    told = f"ayes is ready: http://{shown}:{port}\nopen {page.rstrip('/')}/{how}"
    print(told, flush=True)  # noqa: T201 - as above
