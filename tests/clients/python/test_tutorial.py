"""``docs/tutorial.md``: its code is one program, and it runs, pasted too."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from tests.clients.python.page_code import blocks, run_block
from tests.clients.python.waiting import PATIENCE
from tests.parts import ROOT
from tests.promises.running import Running, token
from tests.promises.scenes import fresh

_PAGE = ROOT / "docs" / "tutorial.md"
_SAID = ["It is close", "It is close since step 6", "finished"]


async def test_the_tutorial_runs(server: Running, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {
        f"{name}_token": token(fresh(name), name=name.title()) for name in ("ada", "ben")
    }
    for text in blocks(_PAGE):
        await run_block(text.replace("http://127.0.0.1:8400", server.base), _PAGE, names)
    said = capsys.readouterr().out.splitlines()
    assert said == _SAID


async def test_the_tutorial_runs_when_pasted_into_the_asyncio_console(server: Running) -> None:
    """Line by line, with one Enter after each part."""
    typed = [f'{name}_token = "{token(fresh(name), name=name.title())}"' for name in ("ada", "ben")]
    typed += [text.replace("http://127.0.0.1:8400", server.base) for text in blocks(_PAGE)]
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "asyncio"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    lines = "".join(f"{text.rstrip()}\n" for text in typed)
    try:
        async with asyncio.timeout(2 * PATIENCE):
            out, err = await child.communicate(lines.encode())
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert "Error" not in err.decode()
    # Before a line that is printed stand the prompts of those that were read.
    said = [line.replace(">>> ", "").replace("... ", "") for line in out.decode().splitlines()]
    assert [line for line in said if line in _SAID] == _SAID
