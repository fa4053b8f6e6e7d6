"""The machine: open files, and the disk of the data directory."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from server.config.settings import Settings
from server.doctor.finding import Finding, fail, ok, warn
from server.limits.connections import SOCKET_FILE_SHARE

#: Open files below which the report warns: 1,024 is the default of many systems, and some 900
#: sockets.
MIN_FILES: Final = 4_096
#: Free bytes below which the report warns; there is time to act.
MIN_FREE_BYTES: Final = 1 << 30
#: Free bytes below which the report fails: a WAL segment has 16 MiB, and PostgreSQL keeps several.
MIN_DATABASE_BYTES: Final = 128 << 20


def findings(settings: Settings) -> Iterator[Finding]:
    """Yield the findings about files, and about the disk if the database is the server's own."""
    yield from _files(settings)
    if settings.database_url is None:
        yield from _disk(settings.data_dir)


def _files(settings: Settings) -> Iterator[Finding]:
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        yield ok("files", "no limit")
        return
    cure = "LimitNOFILE=65536 in the unit, ulimits.nofile in Compose, or ulimit -n"
    sockets = int(hard * SOCKET_FILE_SHARE)
    if settings.connections is not None and settings.connections > sockets:
        fact = f"AYES_CONNECTIONS is {settings.connections}, and {hard} open files are allowed"
        yield fail("files", fact, cure)
    elif hard < MIN_FILES:
        yield warn("files", f"{hard} open files are allowed: {sockets} sockets at most", cure)
    else:
        yield ok("files", f"{hard} open files are allowed")


def _disk(folder: Path) -> Iterator[Finding]:
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        cure = "set AYES_DATA_DIR to a folder that this user may write to"
        yield fail("disk", f"the database cannot be made in {folder}: {existing} refuses", cure)
        return
    free = shutil.disk_usage(existing).free
    fact = f"{free / (1 << 30):.1f} GiB are free for the embedded database in {folder}"
    cure = "free some, or move AYES_DATA_DIR; a full disk answers every command with overloaded"
    if free < MIN_DATABASE_BYTES:
        yield fail("disk", fact, cure)
    elif free < MIN_FREE_BYTES:
        yield warn("disk", fact, cure)
    else:
        yield ok("disk", fact)
