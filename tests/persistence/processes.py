"""Looking at processes and folders from outside."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

from tests.parts import ROOT

Owner: TypeAlias = "subprocess.Popen[str]"


def owner(home: Path, *arguments: object) -> Owner:
    """Start a process that owns the database in ``home``; its first line is the URL."""
    command = [sys.executable, "-m", "tests.persistence.embedded_owner", str(home)]
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def using(folder: Path) -> list[int]:
    """The processes whose working directory is in ``folder``: PostgreSQL's, wherever it is."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                working = (entry / "cwd").readlink()
            except OSError:
                continue
            if working.is_relative_to(folder):
                found.append(int(entry.name))
    return found


def postmaster_of(home: Path) -> int:
    """The process id that PostgreSQL wrote down."""
    return int((home / "postgres" / "postmaster.pid").read_text().split("\n")[0])


def digest(folder: Path) -> dict[str, str]:
    """The content of every file below ``folder``, without PostgreSQL's last start options."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if name != "postmaster.opts":
                content = hashlib.sha256(path.read_bytes())
                found[str(path.relative_to(folder))] = content.hexdigest()
    return found
