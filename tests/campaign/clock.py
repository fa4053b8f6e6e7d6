"""A clock that can be set, for some processes of this machine: libfaketime, loaded into them.

Only the time of day is set. The monotonic clock goes on, as on a machine whose time server corrects
the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.campaign.equipment import faketime_library


class Clock:
    """The clock of the processes that are started with ``environment``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.set_back = 0
        """How often it was set to an earlier time."""
        self._offset = 0
        self.set(0)

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of a process that shall use this clock."""
        return {
            "LD_PRELOAD": faketime_library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            # Read again at each look at the clock: all processes jump at the same moment.
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            # Times of files stay, and no semaphore is shared that a kill -9 could leave locked.
            "NO_FAKE_STAT": "1",
            "FAKETIME_DISABLE_SHM": "1",
        }

    def set(self, offset: int) -> None:
        """Set the clock ``offset`` seconds ahead of the machine's (behind it, if negative)."""
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.write_text(f"{offset:+d}\n")
        beside.chmod(0o644)
        # In one step: a process that reads meanwhile finds the old offset or the new one.
        beside.replace(self._path)
        self.set_back += offset < self._offset
        self._offset = offset
