"""Runs several server processes on one listening socket, with one PostgreSQL and one Redis.

A process that ends by itself is started again, after a delay that grows. The supervisor serves
nobody: it holds the listening socket, so that connections wait while processes change. If it is
killed, its processes end as by SIGTERM.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from persistence.database.periodic import Periodic
from persistence.embedded.postgres import AT_FIRST, EmbeddedPostgres, EmbeddedPostgresError
from server import process
from server.config.settings import Settings
from server.config.start_error import StartError
from server.processes.own_redis import OwnRedis
from server.processes.start import ChildStart
from server.stop_signals import Interrupted, StopSignals

log = logging.getLogger("ayes.processes")

#: Seconds before an ended process is started again, doubled each time.
MIN_RESTART_DELAY_S = 0.5
#: Seconds to which this delay is doubled at most.
MAX_RESTART_DELAY_S = 30.0
#: Seconds that a process must have served for the delay to be the shortest again.
STEADY_S = 60.0
#: Seconds that the processes have to stop, in addition to ``drain_seconds``; then they are killed.
#: Each of their own waits ends earlier.
STOP_TIMEOUT_S = 30.0
#: Connections of the embedded PostgreSQL that are left to commands such as ``ayes journal``.
SPARE_CONNECTIONS = 6


def run(settings: Settings) -> int:
    """Serve with several processes until a signal; return the exit status."""
    process.set_up_log(settings)
    embedded: EmbeddedPostgres | None = None
    redis: OwnRedis | None = None
    try:
        with StopSignals() as signals, tempfile.TemporaryDirectory(prefix="ayes-") as folder:
            try:
                url = settings.database_url
                if url is None:
                    embedded = EmbeddedPostgres(settings.data_dir)
                    url = embedded.start()
                    settings = _within(settings)
                signals.check()
                if settings.redis_url is None:
                    redis = OwnRedis(Path(folder))
                    redis.start()
                    settings = msgspec.structs.replace(settings, redis_url=redis.url)
                tending = [
                    *([] if embedded is None else process.tend(embedded)),
                    *([] if redis is None else [redis.tending]),
                ]
                signals.check()
                asyncio.run(_supervise(settings, url, Path(folder), tending, signals))
            finally:
                if redis is not None:
                    redis.stop()
    except (StartError, EmbeddedPostgresError) as err:
        print(f"ayes: {err}", file=sys.stderr)  # noqa: T201 - the command's own output
        return process.EXIT_FAILURE
    except Interrupted:
        return 0
    finally:
        if embedded is not None:
            embedded.stop()
    return 0


def _within(settings: Settings) -> Settings:
    """Share the embedded PostgreSQL's connections; each process has one for its lock, too."""
    most = (int(AT_FIRST["max_connections"]) - SPARE_CONNECTIONS) // settings.processes - 1
    connections = min(settings.database_connections, most)
    return msgspec.structs.replace(settings, database_connections=connections)


async def _supervise(
    settings: Settings,
    database_url: str,
    folder: Path,
    tending: list[Periodic],
    signals: StopSignals,
) -> None:
    with _listening(settings) as (listener, metrics_listener):
        host, port = listener.getsockname()[:2]
        group = _Group(settings, database_url, folder, listener, metrics_listener)
        signals.run(lambda number, again: group.stop(signal.SIGINT if again else signal.SIGTERM))
        for work in tending:
            work.start()
        try:
            # The first one alone: it migrates, and makes what all share, such as the secret.
            await group.serve(1)
            await asyncio.gather(*map(group.serve, range(2, settings.processes + 1)))
            if not signals.requested:
                process.announce(settings, host, port)
            await group.ended()
        finally:
            signals.end()
            group.stop(signal.SIGTERM)
            await group.ended()
            for work in tending:
                await work.stop()


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[tuple[socket.socket, socket.socket | None]]:
    listener = process.listen(settings)
    try:
        metrics_listener = process.listen_for_metrics(settings)
    except StartError:
        listener.close()
        raise
    try:
        yield listener, metrics_listener
    finally:
        listener.close()
        if metrics_listener is not None:
            metrics_listener.close()


class _Group:
    """The processes of one server, by number."""

    def __init__(
        self,
        settings: Settings,
        database_url: str,
        folder: Path,
        listener: socket.socket,
        metrics_listener: socket.socket | None,
    ) -> None:
        self._settings = settings
        self._database_url = database_url
        self._folder = folder
        self._listener = listener
        self._metrics_listener = metrics_listener
        self._ready_pipes: dict[int, int] = {}
        """Process id → the pipe on which a process says that it serves."""
        self._running: dict[int, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    async def serve(self, number: int) -> None:
        """Start a process, wait until it serves, and keep it; raise ``StartError`` if it ends."""
        if self._stopping.is_set():
            return
        child = await self._start(number)
        if not await self._serves(child) and not self._stopping.is_set():
            raise StartError(f"process {number} does not start; its last lines say why")
        keeping = self._keep(number, child)
        self._keepers.append(asyncio.create_task(keeping, name=f"process {number}"))

    def stop(self, number: signal.Signals) -> None:
        """Send the processes a signal, and start none again."""
        self._stopping.set()
        # Closed here too, so that new connections are refused once all processes have closed it.
        self._listener.close()
        for child in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(number)

    async def ended(self) -> None:
        """Wait until every process has ended after ``stop``; kill those that do not."""
        await self._stopping.wait()
        try:
            async with asyncio.timeout(self._settings.drain_seconds + STOP_TIMEOUT_S):
                await asyncio.gather(*(child.wait() for child in self._running.values()))
        except TimeoutError:
            log.error("some processes did not end in time; they are killed")
            for child in self._running.values():
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
        await asyncio.gather(*self._keepers)

    async def _start(self, number: int) -> asyncio.subprocess.Process:
        ready, when_ready = os.pipe()
        metrics = self._metrics_listener
        listeners = [self._listener.fileno(), *([] if metrics is None else [metrics.fileno()])]
        start = ChildStart(
            self._settings,
            number,
            self._settings.processes,
            self._database_url,
            str(self._folder),
            listeners[0],
            listeners[1] if metrics is not None else None,
            when_ready,
        )
        try:
            child = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server.processes.child"),
                stdin=asyncio.subprocess.PIPE,
                pass_fds=(*listeners, when_ready),
                # A terminal's interrupt is for the supervisor alone, which sends the signals.
                start_new_session=True,
            )
        except BaseException:
            os.close(ready)
            raise
        finally:
            os.close(when_ready)
        self._running[number] = child
        self._ready_pipes[child.pid] = ready
        assert child.stdin is not None
        # The pipe stays open: its end shows the child that this process is gone.
        child.stdin.write(start.encode())
        return child

    async def _serves(self, child: asyncio.subprocess.Process) -> bool:
        """Wait until a process serves, or has ended."""
        ready = self._ready_pipes.pop(child.pid)
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        loop.add_reader(ready, told.set)
        try:
            await told.wait()
            return bool(os.read(ready, 1))
        finally:
            loop.remove_reader(ready)
            os.close(ready)

    async def _keep(self, number: int, child: asyncio.subprocess.Process) -> None:
        """Start a process again whenever it has ended."""
        loop = asyncio.get_running_loop()
        delay = MIN_RESTART_DELAY_S
        since = loop.time()
        while True:
            code = await child.wait()
            if self._stopping.is_set():
                return
            if loop.time() - since > STEADY_S:
                delay = MIN_RESTART_DELAY_S
            log.error("process %d ended (%s); it is started again", number, _how(code))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()
            delay = min(2 * delay, MAX_RESTART_DELAY_S)
            if self._stopping.is_set():
                return
            child = await self._start(number)
            since = loop.time()
            if await self._serves(child):
                log.warning("process %d serves again", number)


def _how(code: int) -> str:
    """Return how a process ended, from its status."""
    return f"status {code}" if code >= 0 else signal.Signals(-code).name
