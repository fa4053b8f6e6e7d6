"""SIGINT and SIGTERM, from the first moment of the process to its last.

    starting ──▶ running ──▶ ending
       │            │           └─ ignored: every step of the end has a deadline of its own
       │            └─ the loop is asked to stop
       └─ ``Interrupted`` is raised, once

The first signal is never lost. An exception that a handler raises may be swallowed, in ``__del__``
or in a callback of the event loop. So the request to stop is also kept, and checked at each step.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from types import FrameType, TracebackType

log = logging.getLogger("ayes")

SIGNALS = (signal.SIGINT, signal.SIGTERM)

#: Acts on a signal, in the event loop; ``again``: it is not the first one.
Stop = Callable[[int, bool], None]


class Interrupted(BaseException):
    """A signal came before the event loop ran. No ``except Exception`` can swallow it."""


class StopSignals:
    """Catches the signals while the server runs; ``with StopSignals() as signals:``.

    The handlers from before are not restored: after the end there is only the exit, and a signal
    must not cut that short.
    """

    def __init__(self) -> None:
        self.requested = False
        """Whether a signal came, in whatever phase."""
        self._ending = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Stop | None = None

    def __enter__(self) -> StopSignals:
        """Install the handlers."""
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ignore signals from here on."""
        self.end()

    def check(self) -> None:
        """Raise ``Interrupted`` if a signal came."""
        if self.requested:
            raise Interrupted

    def run(self, stop: Stop) -> None:
        """From now on call ``stop`` in the running loop, also for a signal that came before."""
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        if self.requested:
            stop(signal.SIGTERM, False)

    def end(self) -> None:
        """Ignore signals from here on."""
        self._ending = True

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        again, self.requested = self.requested, True
        if self._ending:
            return
        if self._loop is None:
            if not again:
                raise Interrupted
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._act, number, again)

    def _act(self, number: int, again: bool) -> None:
        if self._stop is not None and not self._ending:
            self._stop(number, again)
