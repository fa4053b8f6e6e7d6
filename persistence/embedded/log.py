"""The embedded database's log, kept within a bound.

PostgreSQL's own rotation bounds what is kept by its age, never by its size.
"""

from __future__ import annotations

import os
from pathlib import Path

from persistence.private_files import open_private

#: Bytes of the log beyond which it is set aside. With the earlier part, about twice this is kept.
MAX_LOG_BYTES = 8 * 1024 * 1024


class PostgresLog:
    """``postgres.log`` in ``home``, and its earlier part, ``postgres.log.1``."""

    def __init__(self, home: Path) -> None:
        self._path = home / "postgres.log"
        self._before = home / "postgres.log.1"

    def open(self) -> int:
        """Open the log for appending, and return its file descriptor; set a long log aside first.

        Raises as ``open_private`` does.
        """
        if self._is_long():
            self._path.replace(self._before)
        return open_private(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND)

    def bound(self) -> None:
        """Set a long log aside while PostgreSQL writes to it; lines written meanwhile may be lost.

        The file stays the same, since a running PostgreSQL cannot be given another one. It appends,
        so it goes on at the new end. If there is no space for a copy, none is kept. Blocks while it
        copies. Raises ``OSError`` if the log cannot be truncated.
        """
        if not self._is_long():
            return
        fresh = self._path.with_name("postgres.log.new")
        try:
            fresh.unlink(missing_ok=True)
            made = open_private(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            with self._path.open("rb") as log, os.fdopen(made, "wb") as kept:
                # The end says most, and a flood of lines may have made the file huge.
                log.seek(-MAX_LOG_BYTES, os.SEEK_END)
                kept.write(log.read(MAX_LOG_BYTES))
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
            return self._path.lstat().st_size > MAX_LOG_BYTES
        except FileNotFoundError:
            return False
