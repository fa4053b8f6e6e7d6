"""The embedded database's log, kept within a bound.

PostgreSQL's own rotation bounds what is kept by its age, never by its size.
"""

from __future__ import annotations

import os
from pathlib import Path

from persistence.private_files import open_private

#: Bytes of the log beyond which it is set aside; with the one before, about twice this is kept.
LONGEST_LOG = 8 * 1024 * 1024


class PostgresLog:
    """``postgres.log`` in ``home``, and the one before it, ``postgres.log.1``."""

    def __init__(self, home: Path) -> None:
        self._path = home / "postgres.log"
        self._before = home / "postgres.log.1"

    def open(self) -> int:
        """A descriptor of the log that appends; a long one from before is set aside."""
        if self._is_long():
            self._path.replace(self._before)
        return open_private(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND)

    def bound(self) -> None:
        """Set a long log aside while PostgreSQL writes to it; what it tells meanwhile may be lost.

        The file stays the same, since nobody can give a running PostgreSQL another one; it
        appends, so it goes on at the new end. Where there is no room for a copy there will be
        none. Blocks while it copies. Raises ``OSError`` where the log cannot be cut.
        """
        if not self._is_long():
            return
        fresh = self._path.with_name("postgres.log.new")
        try:
            fresh.unlink(missing_ok=True)
            made = open_private(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            with self._path.open("rb") as log, os.fdopen(made, "wb") as kept:
                # Its end is what tells most, and a flood of lines may have made it huge.
                log.seek(-LONGEST_LOG, os.SEEK_END)
                kept.write(log.read(LONGEST_LOG))
            fresh.replace(self._before)
        except OSError:
            fresh.unlink(missing_ok=True)
        log_file = open_private(self._path, os.O_WRONLY)
        try:
            os.truncate(log_file, 0)
        finally:
            os.close(log_file)

    def _is_long(self) -> bool:
        try:
            return self._path.lstat().st_size > LONGEST_LOG
        except FileNotFoundError:
            return False
