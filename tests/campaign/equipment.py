"""The equipment of this machine for the campaign.

A fault whose equipment is missing is left out, and the report says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

#: Pieces of equipment, as faults name them in ``needs``.
FAKETIME, POOLER, DISK, PACKETS = "libfaketime", "PgBouncer", "a disk of its own", "a network"
#: Longest that a look at the machine may take.
LOOK_SECONDS = 10.0
#: Folders where Debian keeps the administrator's programs.
SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


class Missing(Exception):
    """A piece of equipment is missing; the message says why."""


def program(name: str) -> str:
    """The path of a program; raises ``Missing``."""
    found = shutil.which(name) or shutil.which(name, path=SYSTEM_PATH)
    if found is None:
        raise Missing(f"there is no {name}")
    return found


@cache
def faketime_library() -> str:
    """libfaketime's path; raises ``Missing``."""
    for pattern in ("*/faketime/libfaketime.so.1", "faketime/libfaketime.so.1"):
        for root in ("/usr/lib", "/usr/local/lib"):
            for found in sorted(Path(root).glob(pattern)):
                return str(found)
    raise Missing("there is no libfaketime (Debian: faketime)")


def _disk() -> None:
    """Check that a file system in memory can be mounted here."""
    _as_root()
    with tempfile.TemporaryDirectory(prefix="ayes-disk-") as place:
        _try("mount", "-t", "tmpfs", "-o", "size=64k", "none", place)
        _try("umount", place)


def _network() -> None:
    """Check that a network namespace can be made here, and its packets filtered."""
    _as_root()
    name = f"ayes-look-{os.getpid()}"
    nft = program("nft")
    program("tc")
    _try("ip", "netns", "add", name)
    try:
        _try("ip", "netns", "exec", name, nft, "add", "table", "inet", "look")
    finally:
        _try("ip", "netns", "delete", name)


def _as_root() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Missing("it needs Linux, and root")


def _try(name: str, *arguments: str) -> None:
    command = [program(name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LOOK_SECONDS)
    if done.returncode != 0:
        raise Missing(f"{' '.join((name, *arguments))}: {done.stderr.strip()}")


PIECES: dict[str, Callable[[], object]] = {
    FAKETIME: faketime_library,
    POOLER: lambda: program("pgbouncer"),
    DISK: _disk,
    PACKETS: _network,
}


def needed(piece: str) -> None:
    """Skip the test if its ``piece`` is missing; fail if the environment promises the piece."""
    try:
        PIECES[piece]()
    except (Missing, OSError, subprocess.SubprocessError) as err:
        if piece in os.environ.get("AYES_TEST_EQUIPMENT", "").split(","):
            raise
        pytest.skip(f"{piece}: {err}")


def missing() -> dict[str, str]:
    """The pieces that this machine does not have, and why."""
    found = {}
    for name, look in PIECES.items():
        try:
            look()
        except (Missing, OSError, subprocess.SubprocessError) as err:
            found[name] = str(err)
    return found
