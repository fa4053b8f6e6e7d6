"""Limits repeated log lines, so that no client can fill the log."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

#: Period, in seconds, in which ``MAX_REPEATS`` lines of one kind are written; others are counted.
REPEAT_INTERVAL_S = 60.0
#: Lines of one kind that are written in one period; further ones are counted. Enough to compare the
#: lines of one defect. uvicorn's warnings about malformed requests are written once.
MAX_REPEATS = 20
#: Kinds of line that are counted; beyond that, the least recently used kind is dropped.
MAX_KINDS = 256

_Kind = tuple[str, int, str]


@dataclass(slots=True)
class _Period:
    """Lines of one kind since ``began``: how many were written, how many were left out."""

    began: float
    written: int = 0
    left_out: int = 0


class RepeatLimit(logging.Filter):
    """Passes some lines of a kind in each ``REPEAT_INTERVAL_S``, and logs how many it dropped.

    A kind is a logger, a level and a message without its arguments. The count is logged when the
    period ends, or with the next line of the kind if no event loop runs. ``warnings`` is the limit
    for warnings and below; ``clock`` returns seconds.
    """

    def __init__(
        self, *, warnings: int = MAX_REPEATS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._warnings = warnings
        self._lock = threading.RLock()
        self._clock = clock
        self._periods: OrderedDict[_Kind, _Period] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write ``record``."""
        if getattr(record, "is_count", False):
            return True
        with self._lock:
            return self._passes(record)

    def _passes(self, record: logging.LogRecord) -> bool:
        kind = (record.name, record.levelno, str(record.msg))
        now = self._clock()
        period = self._periods.get(kind)
        if period is None or now - period.began >= REPEAT_INTERVAL_S:
            self._close(kind)
            period = self._periods[kind] = _Period(now)
            if len(self._periods) > MAX_KINDS:
                self._close(next(iter(self._periods)))
        self._periods.move_to_end(kind)
        limit = self._warnings if record.levelno <= logging.WARNING else MAX_REPEATS
        if period.written < limit:
            period.written += 1
            return True
        period.left_out += 1
        if period.left_out == 1:
            self._close_later(kind, period)
        return False

    def _close_later(self, kind: _Kind, period: _Period) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # the next line of the kind logs the count

        def close() -> None:
            with self._lock:
                if self._periods.get(kind) is period:
                    self._close(kind)

        loop.call_later(period.began + REPEAT_INTERVAL_S - self._clock(), close)

    def _close(self, kind: _Kind) -> None:
        """Remove a kind, and log how many of its lines were left out."""
        period = self._periods.pop(kind, None)
        if period is None or not period.left_out:
            return
        name, level, message = kind
        logging.getLogger(name).log(
            level,
            "%s [%d more in %.0f s]",
            message,
            period.left_out,
            self._clock() - period.began,
            extra={"is_count": True, "left_out": period.left_out},
        )
