"""A disk of the database's own: a file system in memory that can be made as small as its files."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from tests.campaign.running import run_program

#: Size of the disk while it is not full; only files take memory.
SIZE_BYTES = 6 * 1024**3
#: Bytes that stay free on a full disk: less than PostgreSQL's next extension of a table.
LEFT_BYTES = 16 * 1024


class Disk:
    """``path`` on a disk of its own, from ``begin`` to ``end``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def begin(self) -> None:
        """Mount it."""
        self.path.mkdir(parents=True, exist_ok=True)
        options = f"size={SIZE_BYTES},mode=0711"
        await run_program("mount", "-t", "tmpfs", "-o", options, "ayes-campaign", str(self.path))

    async def end(self) -> None:
        """Unmount it."""
        await run_program("umount", "--lazy", str(self.path))

    async def fill(self) -> None:
        """Leave no room on it."""
        found = os.statvfs(self.path)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        await self._resize(used + LEFT_BYTES)

    async def free(self) -> None:
        """Make room again."""
        await self._resize(SIZE_BYTES)

    async def _resize(self, size: int) -> None:
        # A growing file may have taken the bytes that were to stay free.
        for more in (0, 1024**2, 16 * 1024**2):
            try:
                await run_program("mount", "-o", f"remount,size={size + more}", str(self.path))
            except OSError:
                await asyncio.sleep(0)
            else:
                return
        raise OSError(f"{self.path} cannot be made {size} bytes")
