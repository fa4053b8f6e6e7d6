"""Programs that use the Python SDK, each a process of its own that need not import it first.

They are forks of ``fork_server.py``: the imports, a third of a second each time, are most of what
such a test costs. Nothing else differs from ``python file`` or ``python -m module``, and
``test_programs.py`` compares both.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

SERVER = Path(__file__).parent / "fork_server.py"
#: Longest wait for the end of the server, which has nothing to do any more.
END_TIMEOUT_S = 30.0
#: Maximum of bytes of a line, as of ``asyncio``'s own processes.
LINE_BYTES = 64 * 1024


@cache
def _server() -> socket.socket:
    """The server of this process, started when it is first needed."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        # -P: the files beside it are none of the programs' modules.
        [sys.executable, "-P", str(SERVER), str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(theirs.fileno(),),
        start_new_session=True,
    )
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait(END_TIMEOUT_S)

    atexit.register(end)
    return ours


class Program:
    """A running program, with the names of ``asyncio.subprocess.Process``."""

    def __init__(
        self,
        pid: int,
        stdin: asyncio.StreamWriter,
        stdout: asyncio.StreamReader,
        stderr: asyncio.StreamReader,
        ending: asyncio.Task[int],
    ) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self._ending = ending

    @property
    def returncode(self) -> int | None:
        """Its exit status, once it has ended; the negative number of the signal that ended it."""
        return self._ending.result() if self._ending.done() else None

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait until it ends; return its exit status."""
        return await asyncio.shield(self._ending)

    async def communicate(self) -> tuple[bytes, bytes]:
        """Close its stdin; return its output once it has ended."""
        self.stdin.close()
        out, err, _ = await asyncio.gather(self.stdout.read(), self.stderr.read(), self.wait())
        return out, err


async def start_program(
    *program: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    limit: int = LINE_BYTES,
) -> Program:
    """Start a program, ``file arguments…`` or ``-m module arguments…``, with pipes to all three."""
    loop = asyncio.get_running_loop()
    (read_in, write_in), (read_out, write_out), (read_err, write_err) = (os.pipe() for _ in "123")
    ours, theirs = socket.socketpair()
    socket.send_fds(_server(), [b"!"], [read_in, write_out, write_err, theirs.fileno()])
    for each in (read_in, write_out, write_err):
        os.close(each)
    theirs.close()
    answers, asking = await asyncio.open_connection(sock=ours)
    asked = {
        "program": program,
        "env": dict(os.environ if env is None else env),
        "cwd": str(cwd or Path.cwd()),
    }
    asking.write(json.dumps(asked).encode() + b"\n")
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    transport, _ = await loop.connect_write_pipe(lambda: protocol, os.fdopen(write_in, "wb", 0))
    stdin = asyncio.StreamWriter(transport, protocol, None, loop)
    readers = []
    for each in (read_out, read_err):
        reader = asyncio.StreamReader(limit=limit)
        await loop.connect_read_pipe(
            lambda reader=reader: asyncio.StreamReaderProtocol(reader),  # type: ignore[misc]
            os.fdopen(each, "rb", 0),
        )
        readers.append(reader)
    stdout, stderr = readers
    pid = int(await answers.readline())

    async def ended() -> int:
        status = int(await answers.readline())
        stdin.close()
        asking.close()
        return status

    return Program(pid, stdin, stdout, stderr, asyncio.create_task(ended()))
