"""Refuse commands that arrive after their own ``not_after``."""

from __future__ import annotations

from datetime import datetime

from protocol.answers import timestamp
from protocol.commands import Command
from protocol.errors import ErrorCode, FinalError


def check_in_time(command: Command, now: datetime) -> None:
    """Raise ``too_late`` if ``now``, the database's clock, is past the command's ``not_after``."""
    if command.not_after is not None and now > command.not_after:
        raise FinalError(ErrorCode.TOO_LATE, details={"path": "not_after", "time": timestamp(now)})
