"""``docs/tutorial.md``: its code is one program, and it runs."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

from tests.parts import ROOT
from tests.promises.running import Running, token
from tests.promises.scenes import fresh

_PAGE = ROOT / "docs" / "tutorial.md"


async def test_the_tutorial_runs(server: Running, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", _PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {
        f"{name}_token": token(fresh(name), name=name.title()) for name in ("ada", "ben")
    }
    for text in blocks:
        code = compile(
            text.replace("http://127.0.0.1:8400", server.base),
            str(_PAGE),
            "exec",
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
        )
        running = eval(code, names)  # noqa: S307 - the page's own code
        if running is not None:
            await running
    said = capsys.readouterr().out.splitlines()
    assert said == ["It is close", "It is close since step 6", "finished"]
