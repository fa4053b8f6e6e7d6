"""The outbox: a file that holds every command from before it is first sent until it is answered.

A bot that dies between sending a vote and reading its answer starts again, finds the vote's id here
and sends it again: one vote, whatever happened to the first try.

The file is JSON lines: ``{"put":{…}}`` with a command and its user, ``{"done":id}`` when it has its
answer. Lines are only appended, and a ``put`` is on the disk (fsync) before its command is sent. A
line that a crash left unfinished is the last one. Its command was never sent, and is dropped.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, Protocol

import orjson

from ayes_client.command import Command, command_from
from ayes_client.errors import OutboxError

if sys.platform == "win32":  # pragma: no cover - another system
    import msvcrt
else:
    import fcntl

log = logging.getLogger("ayes_client")

#: Bytes of answered commands in the file. Beyond, it is compacted; a compaction that fails is tried
#: again after as many bytes more, so that a full disk is not written to at every command.
MAX_WASTE_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Kept:
    """A command in the outbox. ``since``: seconds since the epoch. ``user``: once that is known.

    An id is unique per user: sent as another user, it would be another command. ``sent``: whether
    it may have been sent. A command is written again before it is sent, if that was not expected
    before.
    """

    command: Command
    since: float
    user: str | None = None
    sent: bool = True


class Outbox(Protocol):
    """A place for pending commands. Called from one thread at a time, which may block.

    An ``OutboxError`` raised here is raised from the commands that it concerns.
    """

    def open(self) -> list[Kept]:
        """Return the commands that were kept and never answered, the oldest first."""

    def write(self, put: Sequence[Kept], done: Sequence[str]) -> None:
        """Keep ``put``, durably when this returns; forget ``done``. The same id replaces."""

    def close(self) -> None:
        """Release the outbox: nothing is written after that."""


class FileOutbox:
    """An outbox in a file of its own, held by one process at a time."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._file: FileIO | None = None
        self._lock: IO[bytes] | None = None
        self._kept: dict[str, Kept] = {}
        self._size = 0
        self._compact_at = 0
        """Size of the file, in bytes, at which it is compacted."""

    def open(self) -> list[Kept]:
        """Lock and read the file, and return the commands that were kept, the oldest first.

        Raises ``OutboxError`` if another process holds it, or if the file is not an outbox.
        """
        try:
            self._lock = _locked(self._path.with_name(self._path.name + ".lock"))
            self._read()
            self._compact_if_possible()
        except OSError as err:
            self.close()
            raise OutboxError(f"{self._path}: {err.strerror or err}") from err
        except OutboxError:
            self.close()
            raise
        return list(self._kept.values())

    def write(self, put: Sequence[Kept], done: Sequence[str]) -> None:
        """Keep ``put`` with one write and one fsync; forget ``done``. Raises ``OutboxError``."""
        lines = [_put(kept) for kept in put] + [_line({"done": id}) for id in done]
        self._append(b"".join(lines), durable=bool(put))
        # Only now: a command that could not be written must not come back by a compaction.
        self._kept |= {kept.command.id: kept for kept in put}
        for id in done:
            self._kept.pop(id, None)
        if self._size > self._compact_at:
            self._compact_if_possible()

    def close(self) -> None:
        """Release the file, so that another process may open it."""
        if self._file is not None:
            # The marks of the last answers. Without them the commands are sent again, for nothing.
            with contextlib.suppress(OSError):
                os.fsync(self._file.fileno())
        for file in (self._file, self._lock):
            if file is not None:
                file.close()
        self._file = self._lock = None

    def _append(self, data: bytes, *, durable: bool) -> None:
        if self._lock is None:
            raise OutboxError(f"{self._path} is not open")
        try:
            self._append_to_file(data, durable=durable)
        except (OSError, ValueError) as first:
            # The file may be gone, or the handle dead: a network drive, a suspended machine.
            log.warning("%s: %s; it is opened again", self._path, first)
            try:
                self._reopen()
                self._append_to_file(data, durable=durable)
            except (OSError, ValueError) as err:
                raise OutboxError(f"{self._path}: {getattr(err, 'strerror', None) or err}") from err
        self._size += len(data)

    def _append_to_file(self, data: bytes, *, durable: bool) -> None:
        file = self._file
        if file is None or not os.path.samestat(os.fstat(file.fileno()), self._path.stat()):
            raise FileNotFoundError(errno.ENOENT, "another file is in its place")
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            if durable:
                os.fsync(file.fileno())
        except OSError:
            # Half a line may be there, and the next one must not be glued to it.
            with contextlib.suppress(OSError):
                os.ftruncate(file.fileno(), self._size)
            raise

    def _reopen(self) -> None:
        """Open the file again. Write it again if it is not as this process left it."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_size >= self._size:
                self._file = self._path.open("ab", buffering=0)
                os.ftruncate(self._file.fileno(), self._size)
                return
        self._compact()

    def _compact_if_possible(self) -> None:
        """Compact the file; a failure is only logged, since every command in it is durable.

        Raises ``OSError`` if there is no file to go on with.
        """
        try:
            self._compact()
        except OSError as err:
            log.warning("%s could not be compacted: %s", self._path, err.strerror or err)
            self._compact_at = self._size + MAX_WASTE_BYTES
            if self._file is None:
                self._file = self._path.open("ab", buffering=0)
                # A line that a crash left unfinished must not be glued to the next one.
                os.ftruncate(self._file.fileno(), self._size)

    def _read(self) -> None:
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return
        whole, newline, _torn = text.rpartition(b"\n")
        for number, line in enumerate(whole.split(b"\n") if whole else (), 1):
            if b"\0" in line:
                # A power cut leaves zeros in place of what was not on the disk: marks of answers
                # alone. Their commands are sent again, and get the same answers.
                log.warning("%s: line %d was lost", self._path, number)
                continue
            try:
                self._understand(orjson.loads(line))
            except (ValueError, KeyError, TypeError) as err:
                raise OutboxError(f"{self._path}: line {number} is not of an outbox") from err
        self._size = len(whole) + len(newline)

    def _understand(self, line: dict[str, object]) -> None:
        match line:
            case {"put": dict(put)}:
                command = command_from(put["command"])
                user = put.get("user")
                sent = bool(put.get("sent", True))
                self._kept[command.id] = Kept(command, float(put["since"]), user, sent)
            case {"done": str(id)}:
                self._kept.pop(id, None)
            case _:
                raise ValueError

    def _compact(self) -> None:
        """Replace the file by one with only unanswered commands.

        Raises ``OSError``; the old file then stays in place, and complete.
        """
        data = b"".join([_put(kept) for kept in self._kept.values()])
        fresh = self._path.with_name(self._path.name + ".new")
        try:
            with fresh.open("wb") as file:
                # Commands hold what people wrote: other users of the machine must not read it.
                fresh.chmod(0o600)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            self._replace_by(fresh)
        except OSError:
            # On a full disk its half-written bytes are needed.
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise
        self._size = len(data)
        self._compact_at = MAX_WASTE_BYTES + 2 * self._size
        _sync_folder(self._path.parent)

    def _replace_by(self, fresh: Path) -> None:
        # Windows replaces no open file, so it is closed for the moment.
        if self._file is not None:
            self._file.close()
            self._file = None
        fresh.replace(self._path)
        self._file = self._path.open("ab", buffering=0)


def _line(content: dict[str, object]) -> bytes:
    return orjson.dumps(content) + b"\n"


def _put(kept: Kept) -> bytes:
    owner = {} if kept.user is None else {"user": kept.user}
    unsent = {} if kept.sent else {"sent": False}
    return _line(
        {"put": {"command": kept.command.message(), "since": kept.since, **owner, **unsent}}
    )


def _locked(path: Path) -> IO[bytes]:
    """Open and lock ``path``. The lock ends with the process, however that ends."""
    file = path.open("ab")
    try:
        if sys.platform == "win32":  # pragma: no cover - another system
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise OutboxError(f"another process holds {path.with_suffix('')}") from None
    return file


def _sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable, where folders can be opened."""
    if sys.platform == "win32":  # pragma: no cover - another system
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
