"""The table of ``tests/README.md``, and the modules that it covers."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
#: Below these folders, some test covers every file.
TREES = ("protocol", "persistence", "handlers", "server", "clients/python", "clients/js")
SUFFIXES = {".py", ".js", ".mjs"}
#: Folders that hold no code of ours, or that code's own tests.
LEFT_OUT = {"node_modules", "tests", "build", "__pycache__", "versions"}
_ROW = re.compile(r"^\| (`[\w/.*]+`) \| ((?:`[\w/.]+`(?:, )?)+) \|$", re.M)
_NAME = re.compile(r"`([\w/.*]+)`")


def table() -> dict[str, list[str]]:
    """The tests of each module, or folder, that has a row."""
    page = (TESTS / "README.md").read_text().split("## Which tests hold what")[1]
    found = {_NAME.findall(name)[0]: _NAME.findall(tests) for name, tests in _ROW.findall(page)}
    assert len(found) == page.count("\n| `"), "a row that is not understood"
    return found


def modules() -> list[str]:
    return sorted(
        str(path.relative_to(ROOT))
        for tree in TREES
        for path in (ROOT / tree).rglob("*")
        if path.suffix in SUFFIXES
        and path.name != "__init__.py"
        and not LEFT_OUT & set(path.relative_to(ROOT / tree).parts)
    )


def is_of(module: str, row: str) -> bool:
    """Whether a row is about a module."""
    if row.endswith("/**"):
        return module.startswith(row.removesuffix("**"))
    return module == row or (row.endswith("/") and f"{Path(module).parent}/" == row)


def mirror(module: str) -> Path:
    """The folder of a module's own tests, if it has some."""
    path = Path(module)
    return TESTS / path.parent / f"test_{path.stem}.py"
