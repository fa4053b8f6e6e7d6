"""The Python code of a page: its blocks, and how one is run."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def blocks(page: Path) -> list[str]:
    """Return the blocks of Python of a page."""
    return _BLOCK.findall(page.read_text())


async def run_block(text: str, page: Path, names: dict[str, Any]) -> None:
    """Run a block with ``names``, which it may add to; it may await at its top level."""
    code = compile(text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(code, names)  # noqa: S307 - the page's own code
    if running is not None:
        await running
