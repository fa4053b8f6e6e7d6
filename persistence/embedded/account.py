"""As whom PostgreSQL runs: it refuses to be root, so root lends it an account without powers."""

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

#: The account that root runs PostgreSQL as; it is made if it is not there. Its own, because every
#: process of that account may open the database's socket as superuser.
OWN_ACCOUNT = "ayes"
#: Accounts to fall back on if it cannot be made: shared ones, so a warning is logged.
SHARED_ACCOUNTS = ("postgres", "nobody")
#: Longest that making an account, or a look at a folder, may take.
SMALL_TIMEOUT = 10.0
#: Where the programs are that make accounts, whatever the PATH says.
SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
#: What of this process's environment PostgreSQL sees: no secrets of ours, no settings for others.
KEPT_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot run; the message is fit to print to an operator."""


@dataclass(frozen=True)
class Account:
    """A user of this machine that PostgreSQL's programs run as."""

    name: str
    uid: int
    gid: int

    @property
    def other(self) -> bool:
        """Whether it is another than this process's own."""
        return self.uid != os.geteuid()

    def spawn(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start ``command`` as this account, in a session of its own: no Ctrl-C reaches it."""
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
        """Run ``command`` to its end; its exit status, and what it wrote to stderr.

        Whatever ends the wait, the command and its children do not outlive it.
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
        """Whether the account may step into ``folder``; links and access lists are heeded."""
        return self._test('cd -- "$1"', folder)

    def may_run(self, program: Path) -> bool:
        """Whether the account may run ``program``."""
        return self._test('test -x "$1" && "$1" --version', program)

    def _test(self, script: str, path: Path) -> bool:
        if not self.other:
            return True
        return self.run(["/bin/sh", "-c", script, "sh", str(path)], timeout=SMALL_TIMEOUT)[0] == 0

    def check_reach(self, folder: Path) -> None:
        """Raise ``EmbeddedPostgresError``, naming the obstacle, if ``folder`` is out of reach."""
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
    """The account for the database in ``data``: its owner, and where there is none yet, our own
    or, as root, one without powers, made if need be."""
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
    """A system account of our own, made with what the system has for it."""
    commands = (
        ("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", OWN_ACCOUNT),
        ("adduser", "-S", "-D", "-H", "-s", "/sbin/nologin", OWN_ACCOUNT),
    )
    for command in commands:
        program = shutil.which(command[0], path=SYSTEM_PATH)
        if program is None:
            continue
        try:
            subprocess.run([program, *command[1:]], capture_output=True, timeout=SMALL_TIMEOUT)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if (made := _named(OWN_ACCOUNT)) is not None:
            return made
    return None
