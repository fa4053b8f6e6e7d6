"""Programs of the system that the campaign runs, to their end or up to a limit."""

from __future__ import annotations

import asyncio

from tests.campaign.equipment import program

#: Longest that a program of the system may take.
PROGRAM_SECONDS = 20.0


async def run_program(name: str, *arguments: str) -> None:
    """Run the program to its end; if it fails, raise ``OSError`` with its output."""
    child = await asyncio.create_subprocess_exec(
        program(name),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PROGRAM_SECONDS):
            out, _ = await child.communicate()
    except BaseException:
        if child.returncode is None:
            child.kill()
            await child.wait()
        raise
    if child.returncode != 0:
        raise OSError(f"{name} {' '.join(arguments)}: {out.decode().strip()}")
