"""A real server for tests, with a database of its own, in a temporary directory."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import queue
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

#: Seconds until a server must be ready; a busy machine takes longer to make a database.
START_TIMEOUT_S = 60.0
#: Seconds until a server that was asked to stop is killed.
STOP_TIMEOUT_S = 20.0
#: Lines of its output that a failed start shows.
MAX_SHOWN_LINES = 20
#: Seconds that moving the clock may take.
ADVANCE_TIMEOUT_S = 30.0
_READY = "ayes is ready: "


class NoServer(RuntimeError):
    """No server was found, or it did not start; the message has its last lines."""


class AyesServer:
    """A server in a process of its own; ``with`` starts and stops it.

    The command is ``command``, or what ``AYES_BIN`` names, or ``ayes`` of this environment; without
    any, ``NoServer`` is raised. ``settings`` are environment variables, such as
    ``AYES_CHURN_VOTES="0"``.
    """

    def __init__(self, *command: str, **settings: str) -> None:
        self._command = list(command) or _found_command()
        self._settings = settings
        self._secret = secrets.token_urlsafe(48)
        self._child: subprocess.Popen[str] | None = None
        self._folder = ""
        self._ahead = 0.0
        """Seconds that the server's clock is ahead of the machine's."""
        self._lines: deque[str] = deque(maxlen=MAX_SHOWN_LINES)
        self.url = ""
        """Its address, once it is started."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it is ready. Raises ``NoServer``."""
        self._folder = tempfile.mkdtemp(prefix="ayes-test-")
        if os.geteuid() == 0:
            # The database runs under an account of its own, which has to enter.
            Path(self._folder).chmod(0o711)
        # Settings of this process are not the test server's.
        own = {name: value for name, value in os.environ.items() if not name.startswith("AYES_")}
        given = {"AYES_DATA_DIR": f"{self._folder}/data", "AYES_AUTH_SECRET": self._secret}
        try:
            self._child = subprocess.Popen(
                [*self._command, "serve", "--port", "0"],
                env=own | given | self._settings,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        except OSError as err:
            self.stop()
            raise NoServer(f"{self._command[0]}: {err.strerror}") from None
        ready: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(self._child, ready), daemon=True)
        self._reader.start()
        try:
            url = ready.get(timeout=START_TIMEOUT_S)
        except queue.Empty:
            url = None
        if url is None:
            self.stop()
            raise NoServer("\n".join(["the server did not start:", *self._lines]))
        self.url = url

    def _read(self, child: subprocess.Popen[str], ready: queue.Queue[str | None]) -> None:
        assert child.stdout is not None
        with child.stdout as output:
            for line in output:
                self._lines.append(line.rstrip())
                if line.startswith(_READY):
                    ready.put(line.removeprefix(_READY).strip())
        ready.put(None)

    def stop(self) -> None:
        """Stop it, and remove its data."""
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
            self._child = None
            self._reader.join(STOP_TIMEOUT_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def advance(self, seconds: float) -> None:
        """Move the clock by which the server decides: schedules, expiries, ``not_after``.

        It goes on from there. Tokens of ``token`` follow it; those made before may have expired.
        The first call ends the server's connections to its database, which it opens again. Raises
        ``NoServer``.
        """
        python = [*_python_of(self._command), "-m", "server.test_clock"]
        done = subprocess.run(
            [*python, f"{self._folder}/data", str(seconds)],
            capture_output=True,
            text=True,
            timeout=ADVANCE_TIMEOUT_S,
        )
        if done.returncode != 0:
            raise NoServer(done.stderr.strip())
        self._ahead += seconds

    def token(
        self, user: str, name: str | None = None, *, seconds: float = 3_600, **claims: Any
    ) -> str:
        """Make a token for ``user``, valid for ``seconds``: a JWT, signed with HS256."""
        now = time.time()
        # Never from the future, as the server may not have noticed yet that its clock was moved.
        said = {"sub": user, "aud": "ayes", "iat": now, "exp": now + self._ahead + seconds} | claims
        if name is not None:
            said["name"] = name
        parts = b".".join(_encoded(orjson.dumps(part)) for part in ({"alg": "HS256"}, said))
        digest = hmac.new(self._secret.encode(), parts, hashlib.sha256).digest()
        return b".".join((parts, _encoded(digest))).decode()


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _python_of(command: list[str]) -> list[str]:
    """Return the interpreter that runs the server: the program itself, or the one beside it."""
    program = Path(shutil.which(command[0]) or command[0])
    if "-m" in command:
        return [str(program)]
    # A link to the program is resolved, but not the one that an environment's interpreter is.
    beside = program.resolve().with_name("python")
    if not beside.exists():
        raise NoServer(f"there is no Python beside {program}, which could move its clock")
    return [str(beside)]


def _found_command() -> list[str]:
    if named := os.environ.get("AYES_BIN"):
        return [named]
    beside = Path(sys.executable).with_name("ayes")
    if beside.exists():
        return [str(beside)]
    if found := shutil.which("ayes"):
        return [found]
    if find_spec("server") is not None:
        return [sys.executable, "-m", "server.cli"]
    raise NoServer("there is no ayes to start: install the server here, or name it in AYES_BIN")
