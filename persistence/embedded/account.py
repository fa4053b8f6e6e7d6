"""The account that PostgreSQL runs as: it refuses root, so root starts it as an account without
rights.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import pwd

log = logging.getLogger("ayes.postgres")

#: The account as which root starts PostgreSQL; created if it is missing. It is Ayes' own, since
#: every process of that account may open the database's socket as superuser.
OWN_ACCOUNT = "ayes"
#: Accounts to fall back on if ``ayes`` cannot be created. Other programs share them, so a warning
#: is logged.
SHARED_ACCOUNTS = ("postgres", "nobody")
#: Seconds for creating an account or checking a folder; then the start fails. A start must not hang
#: on them.
PROGRAM_TIMEOUT_S = 10.0
#: Folders of the programs that create accounts, whatever the PATH is.
SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
#: The environment variables that PostgreSQL gets: no secrets of the server, no settings for other
#: programs.
KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run. The message may be printed to an operator."""


@dataclass(frozen=True)
class Account:
    """A user of this machine as which PostgreSQL's programs run."""

    name: str
    uid: int
    gid: int

    @property
    def other(self) -> bool:
        """Whether it is another user than this process's own."""
        return self.uid != os.geteuid()

    def spawn(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start ``command`` as this account, in its own session, so that no Ctrl-C reaches it."""
        if self.other:
            options |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=environment | {"LC_ALL": "C", "TZ": "UTC"},
            umask=0o077,
            start_new_session=True,
            **options,
        )

    def run(self, command: Sequence[str], *, timeout: float) -> tuple[int, str]:
        """Run ``command`` to its end; return its exit status and its stderr.

        If the wait is ended early, the command and its children are ended too. Raises
        ``subprocess.TimeoutExpired`` after ``timeout`` seconds.
        """
        child = self.spawn(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            _, errors = child.communicate(timeout=timeout)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            raise
        return child.returncode, errors

    def may_enter(self, folder: Path) -> bool:
        """Whether the account may enter ``folder``; links and access lists are respected."""
        return self._test('cd -- "$1"', folder)

    def may_run(self, program: Path) -> bool:
        """Whether the account may run ``program``."""
        return self._test('test -x "$1" && "$1" --version', program)

    def _test(self, script: str, path: Path) -> bool:
        if not self.other:
            return True
        return (
            self.run(["/bin/sh", "-c", script, "sh", str(path)], timeout=PROGRAM_TIMEOUT_S)[0] == 0
        )

    def check_reach(self, folder: Path) -> None:
        """Raise ``EmbeddedPostgresError``, naming the obstacle, if the account cannot enter
        ``folder``.
        """
        if self.may_enter(folder):
            return
        way = [*reversed(folder.parents), folder]
        obstacle = next((step for step in way if not self.may_enter(step)), folder)
        raise EmbeddedPostgresError(
            f"PostgreSQL refuses to run as root, so it runs as user {self.name!r}, who may not "
            f"enter {obstacle}. Choose another data directory (AYES_DATA_DIR), or let that user "
            f"through: chmod o+x {obstacle}"
        )

    def give(self, path: Path) -> None:
        """Make the account the owner of ``path``."""
        if self.other:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def account_for(data: Path) -> Account:
    """Return the account for the database in ``data``: its owner, or the one for a new database.

    A new database belongs to this process's user. As root it belongs to an account without rights,
    which is created if needed.

    Raises ``EmbeddedPostgresError`` if PostgreSQL cannot run as that account.
    """
    if os.geteuid() != 0:
        return Account(str(os.geteuid()), os.geteuid(), os.getegid())
    if data.exists():
        owner = data.stat()
        if owner.st_uid == 0:
            raise EmbeddedPostgresError(
                f"{data} belongs to root, as whom PostgreSQL refuses to run. Give it back to the "
                f"user it was made by: chown -R {OWN_ACCOUNT}: {data}"
            )
        return Account(_name(owner.st_uid), owner.st_uid, owner.st_gid)
    found = _named(OWN_ACCOUNT) or _made()
    if found is not None:
        return found
    found = next(filter(None, map(_named, SHARED_ACCOUNTS)), None)
    if found is None:
        raise EmbeddedPostgresError(
            "PostgreSQL refuses to run as root, and there is no user to run it as: make one with "
            f"useradd --system {OWN_ACCOUNT}"
        )
    log.warning(
        "PostgreSQL runs as user %r, since user %r could not be made: every process of that user "
        "may read and change the database",
        found.name,
        OWN_ACCOUNT,
    )
    return found


def _named(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(name, entry.pw_uid, entry.pw_gid) if entry.pw_uid != 0 else None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _made() -> Account | None:
    """Create a system account, with the program that this system has for it."""
    commands = (
        ("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", OWN_ACCOUNT),
        ("adduser", "-S", "-D", "-H", "-s", "/sbin/nologin", OWN_ACCOUNT),
    )
    for command in commands:
        program = shutil.which(command[0], path=SYSTEM_PATH)
        if program is None:
            continue
        try:
            subprocess.run([program, *command[1:]], capture_output=True, timeout=PROGRAM_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if (made := _named(OWN_ACCOUNT)) is not None:
            return made
    return None
