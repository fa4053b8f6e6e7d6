"""Acts of the admin on a person's words and on a whole event, each in a process of its own.

Such an act reads the whole journal and decides it again. In the server's process that would delay
votes, so it is ``ayes erase`` or ``ayes delete`` that does it, on the server's database.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from persistence.event.limits import SETTABLE
from protocol.errors import ErrorCode, FinalError, RetryableError
from server.config.settings import PREFIX, Settings

if TYPE_CHECKING:
    from server.node import Node

#: Seconds that an act may take; then its process is killed, and its transaction is as if it had
#: never begun. Longer than `ACT_TIMEOUT_S` of one event, since a person may be in many.
ADMIN_ACT_TIMEOUT_S: Final = 900.0
#: Bytes of what an act says that are kept; the rest is read and dropped. An event has a line.
MAX_ACT_OUTPUT_BYTES: Final = 64 << 10
#: Milliseconds until a client asks again while another act runs.
ACT_RETRY_DELAY_MS: Final = 5_000


class Acts:
    """Runs the acts of a node, one at a time."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._busy = asyncio.Lock()

    async def erase(self, user: str, event: str | None) -> list[str]:
        """Erase the user's words in one event, or in all; return what was done, in lines.

        Raises ``busy`` while another act runs on this node, ``invalid_transition`` with the reason
        if the act failed, and ``TimeoutError`` after ``ADMIN_ACT_TIMEOUT_S``.
        """
        about = [] if event is None else [f"--event={event}"]
        return await self._run("erase", f"--user={user}", *about)

    async def delete(self, event: str, *, damaged: bool) -> tuple[Path, list[str]]:
        """Export the event, verify the export, then delete the event.

        Return the export's path, and what was done. Raises ``bad_request`` without a folder for
        exports: an event must not go before it is kept. Otherwise raises as ``erase`` does.
        """
        folder = self._node.settings.export_dir
        if folder is None:
            raise RetryableError(
                ErrorCode.BAD_REQUEST,
                "nothing was deleted: the server has no folder for exports (AYES_EXPORT_DIR)",
            )
        path = folder / f"{event}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}.jsonl"
        options = ["--damaged"] if damaged else []
        return path, await self._run("delete", event, f"--export={path}", *options)

    async def _run(self, *words: str) -> list[str]:
        if self._busy.locked():
            message = "another act runs on this node"
            raise RetryableError(ErrorCode.BUSY, message, retry_after_ms=ACT_RETRY_DELAY_MS)
        async with self._busy:
            status, said = await self._outcome(words)
        lines = said.decode(errors="replace").splitlines()
        if status != 0:
            why = lines[-1].removeprefix("ayes: ") if lines else f"its process ended with {status}"
            raise FinalError(ErrorCode.INVALID_TRANSITION, why, details={"done": lines[:-1]})
        return lines

    async def _outcome(self, words: Sequence[str]) -> tuple[int, bytes]:
        """Return the exit status of ``ayes`` with ``words``, and what it printed."""
        process = await asyncio.create_subprocess_exec(
            # Not from the working directory, which may contain another `server`.
            *(sys.executable, "-P", "-m", "server.cli", *words),
            env=_environment(self._node.settings, self._node.database.url),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # A terminal's interrupt is for the server alone.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(ADMIN_ACT_TIMEOUT_S):
                said = await _read(process.stdout)
                return await process.wait(), said
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


async def _read(stream: asyncio.StreamReader | None) -> bytes:
    assert stream is not None
    kept = bytearray()
    while chunk := await stream.read(4_096):
        # The last line says how it ended.
        kept += chunk
        del kept[:-MAX_ACT_OUTPUT_BYTES]
    return bytes(kept)


def _environment(settings: Settings, database_url: str) -> dict[str, str]:
    """Return the environment of an act: the server's database and limits, and no secrets."""
    home = str(Path(__file__).parents[2])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    given = {name: getattr(settings, name) for name in (*SETTABLE, "data_dir")}
    return (
        own
        | {PREFIX + name.upper(): str(value) for name, value in given.items()}
        | {f"{PREFIX}DATABASE_URL": database_url, "PYTHONPATH": os.pathsep.join(paths)}
    )
