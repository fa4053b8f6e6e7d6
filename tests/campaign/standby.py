"""A standby of the campaign's PostgreSQL, which streams from the primary until it replaces it."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

from persistence.embedded.account import account_for
from persistence.embedded.binaries import find_binaries, within_reach
from persistence.embedded.postgres import EmbeddedPostgresError
from tests.campaign.stores import LOOK_SECONDS, SETTINGS, Clocked, Postgres
from tests.parts import START_TIMEOUT_S
from tests.promises.proxy import Proxy, proxy_before

#: Longest time to copy the primary, and to catch up with it.
COPY_SECONDS = 60.0
NAME = "standby"


class Standby:
    """``begin`` copies the primary and streams from it; ``promote`` replaces the primary."""

    def __init__(self, primary: Postgres, number: int) -> None:
        self._primary = primary
        self._home = primary.folder / f"database-{number}"
        self._stack = AsyncExitStack()
        self._relay: Proxy | None = None
        self._embedded: Clocked | None = None
        self._url = ""
        self._in_step = False
        """Whether the primary waits for this standby."""

    async def begin(self, *, in_step: bool) -> None:
        """Start it; with ``in_step`` no COMMIT is answered before it is written here too."""
        self._relay = await self._stack.enter_async_context(proxy_before(self._primary.url))
        await asyncio.to_thread(self._copy, self._primary.home / "postgres")
        source = f"host=127.0.0.1 port={self._relay.port} user=ayes application_name={NAME}"
        settings = SETTINGS | {"primary_conninfo": source}
        self._embedded = Clocked(self._home, self._primary.clock, settings)
        self._url = await asyncio.to_thread(self._embedded.start, timeout=START_TIMEOUT_S)
        self._in_step = in_step
        if in_step:
            await self._primary.set(synchronous_standby_names=NAME)
        await self._until_it_streams(in_step=in_step)

    def _copy(self, data: Path) -> None:
        account = account_for(data)
        binaries = within_reach(find_binaries(None), account, self._primary.home)
        self._home.mkdir(mode=0o711)
        copy = self._home / "postgres"
        copy.mkdir(mode=0o700)
        account.give(copy)
        program = Path(binaries.program("postgres")).with_name("pg_basebackup")
        assert self._relay is not None
        command = [str(program), "-D", str(copy), "-h", "127.0.0.1", "-p", str(self._relay.port)]
        command += ["-U", "ayes", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]
        status, errors = account.run(command, timeout=COPY_SECONDS)
        if status != 0:
            raise EmbeddedPostgresError(f"no copy of the primary: {errors}")
        signal = copy / "standby.signal"
        signal.touch(mode=0o600)
        account.give(signal)

    async def _until_it_streams(self, *, in_step: bool) -> None:
        wanted = "sync_state = 'sync'" if in_step else "replay_lsn >= pg_current_wal_lsn()"
        query = (
            f"SELECT 1 FROM pg_stat_replication WHERE application_name = '{NAME}'"
            f" AND state = 'streaming' AND {wanted}"
        )
        async with asyncio.timeout(COPY_SECONDS):
            while not await self._primary.rows(query):
                await asyncio.sleep(LOOK_SECONDS)

    def fall_behind(self) -> None:
        """Stop receiving from the primary."""
        assert self._relay is not None
        self._relay.stop()

    async def promote(self) -> None:
        """Replace the primary, whose data is gone then."""
        primary, embedded = self._primary, self._embedded
        assert embedded is not None
        # A shutdown would first send the missing data to the standby.
        primary.crash()
        await primary.stop()
        gone = primary.home
        primary.embedded, primary.home, primary.url = embedded, self._home, self._url
        await primary.rows("SELECT pg_promote(true, 30)")
        await self._stack.aclose()
        await asyncio.to_thread(shutil.rmtree, gone, True)

    async def close(self) -> None:
        """End the standby; does nothing to one that was promoted."""
        await self._stack.aclose()
        if self._embedded is not None and self._primary.embedded is self._embedded:
            return
        # A step failed: the primary goes on alone.
        await self._primary.revive()
        if self._in_step:
            await self._primary.set(synchronous_standby_names=None)
        if self._embedded is not None:
            await asyncio.to_thread(self._embedded.stop)
        await asyncio.to_thread(shutil.rmtree, self._home, True)
