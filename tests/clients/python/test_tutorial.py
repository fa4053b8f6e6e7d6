"""``docs/tutorial.md``: its code is one program, and it runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.python.page_code import blocks, run_block
from tests.parts import ROOT
from tests.promises.running import Running, token
from tests.promises.scenes import fresh

_PAGE = ROOT / "docs" / "tutorial.md"


async def test_the_tutorial_runs(server: Running, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {
        f"{name}_token": token(fresh(name), name=name.title()) for name in ("ada", "ben")
    }
    for text in blocks(_PAGE):
        await run_block(text.replace("http://127.0.0.1:8400", server.base), _PAGE, names)
    said = capsys.readouterr().out.splitlines()
    assert said == ["It is close", "It is close since step 6", "finished"]
