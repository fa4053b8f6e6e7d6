"""Writes the outbox in a thread: commands of one moment share one write and one fsync."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from ayes_client._pending.entry import Entry
from ayes_client._pending.outbox import Kept, Outbox
from ayes_client.errors import OutboxError

log = logging.getLogger("ayes_client")

#: Waits between the tries of one write, in seconds. Beyond the last one its commands are refused: a
#: disk that is full for a moment fails none of them.
WRITE_RETRY_DELAYS_S = (0.1, 0.4, 1.0)


class OutboxWriter:
    """Calls ``kept`` with entries that are durable now, ``failed`` with those that are not."""

    def __init__(
        self,
        outbox: Outbox,
        kept: Callable[[list[Entry]], None],
        failed: Callable[[list[Entry], OutboxError], None],
    ) -> None:
        self._outbox = outbox
        self._kept = kept
        self._failed = failed
        self._put: list[Entry] = []
        self._done: list[str] = []
        self._work = asyncio.Event()
        self._busy = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> list[Kept]:
        """Return what was kept before, of known users, and begin to write. Raises ``OutboxError``.

        Earlier versions wrote commands without a user before their first welcome. They may be
        another user's, so they stay in the outbox.
        """
        opening = asyncio.ensure_future(asyncio.to_thread(self._outbox.open))
        try:
            found = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The client was stopped. The thread must not leave the outbox open.
            with contextlib.suppress(OutboxError):
                await opening
                await asyncio.to_thread(self._outbox.close)
            raise
        self._task = asyncio.create_task(self._run(), name="ayes outbox")
        if left := sum(kept.user is None for kept in found):
            log.warning("%d commands of an unknown user stay in the outbox, unsent", left)
        return [kept for kept in found if kept.user is not None]

    def put(self, entry: Entry) -> None:
        """Keep ``entry``."""
        self._put.append(entry)
        self._work.set()

    def done(self, id: str) -> None:
        """Forget the command ``id``: it has its answer."""
        self._done.append(id)
        self._work.set()

    async def flush(self) -> list[str]:
        """Write what is left, now. Return the ids that could not be forgotten yet."""
        return await asyncio.shield(asyncio.ensure_future(self._write()))

    async def close(self) -> None:
        """Write what is left, and close the outbox."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._write()
        await asyncio.to_thread(self._outbox.close)
        self._task = None

    async def _run(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            # A write is finished even if the client is stopped during it.
            writing = asyncio.ensure_future(self._write())
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing
                raise

    async def _write(self) -> list[str]:
        async with self._busy:
            put, self._put = self._put, []
            done, self._done = self._done, []
            if not put and not done:
                return []
            kept = [_kept_of(entry) for entry in put]
            error = await self._try_write(kept, done)
            if error is not None:
                # What has its answer is forgotten with the next write.
                self._done = done + self._done
                self._failed(put, error)
                return done
            # An entry that has changed meanwhile is written again, and may be sent after that.
            self._kept([e for e, k in zip(put, kept, strict=True) if _kept_of(e) == k])
            return []

    async def _try_write(self, put: list[Kept], done: list[str]) -> OutboxError | None:
        for delay in (*WRITE_RETRY_DELAYS_S, None):
            try:
                await asyncio.to_thread(self._outbox.write, put, done)
            except OutboxError as err:
                if delay is None:
                    return err
                await asyncio.sleep(delay)
            except Exception as err:
                # A user's own outbox may raise anything. It fails these commands alone.
                log.exception("the outbox failed")
                return OutboxError(f"the outbox failed: {err}")
            else:
                return None
        raise AssertionError("unreachable")


def _kept_of(entry: Entry) -> Kept:
    return Kept(entry.command, entry.since, entry.user, entry.marked_sent)
