"""The demo's own server, as a child process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import server
from server.config.settings import PREFIX, SETTINGS, Settings
from server.demo.address import reachable
from server.demo.failure import DemoError

#: The line that the server prints when it listens, followed by its address.
READY = "ayes is ready: "
#: The default port; if it is in use, a free one is taken. A port that was set is not replaced.
DEFAULT_PORT = Settings().port
#: Seconds that a start may take; then the demo fails. The first start creates a database.
CHILD_START_TIMEOUT_S = 120.0
#: Seconds that a stop may take in addition to the server's drain; then it is killed.
CHILD_STOP_TIMEOUT_S = 20.0
#: Seconds between two attempts to connect.
CHILD_CHECK_INTERVAL_S = 0.02
#: Bytes of the end of the server's log, shown if it fails; earlier ones are dropped.
MAX_LOG_BYTES = 16_384


class Child:
    """A running server, made by ``start`` and ended by ``stop``."""

    def __init__(self, process: asyncio.subprocess.Process, stop_seconds: float) -> None:
        self.url = ""
        self._process = process
        self._stop_seconds = stop_seconds
        self._log = bytearray()
        self._passing = False
        self._tasks = [asyncio.create_task(self._keep_log(), name="server log")]

    @classmethod
    async def start(cls, settings: Settings) -> Child:
        """Run ``ayes serve`` with ``settings``, on a free port if the default one is in use.

        Return once it listens. Raises ``DemoError`` with the server's own log.
        """
        # Not from the working directory, which may contain another `server`.
        home = str(Path(server.__file__).parent.parent)
        paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "server.cli", "serve"),
            env=os.environ | environment(settings) | {"PYTHONPATH": os.pathsep.join(paths)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # In its own process group, so that Ctrl-C reaches it only after the bots are gone.
            process_group=0,
        )
        child = cls(process, settings.drain_seconds + CHILD_STOP_TIMEOUT_S)
        try:
            async with asyncio.timeout(CHILD_START_TIMEOUT_S):
                await child._until_ready()
        except TimeoutError:
            await child.stop()
            raise DemoError(
                f"the server was not ready after {CHILD_START_TIMEOUT_S:.0f} s"
            ) from None
        except BaseException:
            await child.stop()
            raise
        return child

    async def _until_ready(self) -> None:
        assert self._process.stdout is not None
        while line := (await self._process.stdout.readline()).decode(errors="replace"):
            if line.startswith(READY):
                self.url = line.removeprefix(READY).strip()
                self._tasks.append(asyncio.create_task(self._drop_output(), name="server output"))
                await self._until_it_listens()
                return
        await self._process.wait()
        await self._tasks[0]
        raise DemoError(f"the server did not start:\n{self.log()}")

    async def _until_it_listens(self) -> None:
        """Wait until the server accepts connections, shortly after it printed its address."""
        parts = urlsplit(reachable(self.url))
        while self._process.returncode is None:
            try:
                _, writer = await asyncio.open_connection(parts.hostname, parts.port)
            except OSError:
                await asyncio.sleep(CHILD_CHECK_INTERVAL_S)
            else:
                writer.close()
                return
        raise DemoError(f"the server ended at once:\n{self.log()}")

    async def _drop_output(self) -> None:
        assert self._process.stdout is not None
        while await self._process.stdout.read(MAX_LOG_BYTES):
            pass

    async def _keep_log(self) -> None:
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(MAX_LOG_BYTES):
            if self._passing:
                sys.stderr.write(chunk.decode(errors="replace"))
                sys.stderr.flush()
            self._log += chunk
            del self._log[:-MAX_LOG_BYTES]

    def log(self) -> str:
        """The end of the server's log."""
        return self._log.decode(errors="replace").strip()

    def pass_log(self) -> None:
        """Print the server's log to standard error from now on."""
        self._passing = True

    async def ended(self) -> int:
        """Wait until the server ends by itself; return its exit status."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Stop the server; kill it after a deadline."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        try:
            async with asyncio.timeout(self._stop_seconds):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def environment(settings: Settings) -> dict[str, str]:
    """Return ``settings`` as environment, with a free port if the default one is in use."""
    given = {}
    for name in SETTINGS:
        value = getattr(settings, name)
        if name == "port" and value == DEFAULT_PORT and not _is_free(settings.host, value):
            value = 0
        text = ",".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
        given[PREFIX + name.upper()] = text
    return given


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
