"""Find the names that tests replace with ``monkeypatch``, in the source of the tests."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def missing(path: Path) -> Iterator[str]:
    """Names in ``monkeypatch.setattr`` calls of ``path`` that do not exist."""
    tree = ast.parse(path.read_text())
    imported = dict(_imported(tree))
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        if call.func.attr != "setattr" or any(k.arg == "raising" for k in call.keywords):
            continue
        match call.args:
            case [ast.Constant(value=str(name)), _]:
                target, attribute = name.rsplit(".", 1)
            case [ast.Name(id=alias), ast.Constant(value=str(attribute)), _] if alias in imported:
                target = imported[alias]
            case _:
                continue
        if not hasattr(_found(target), attribute):
            yield f"{path.name}:{call.lineno} {target}.{attribute}"


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                yield name.asname or name.name, f"{node.module}.{name.name}"
        elif isinstance(node, ast.Import):
            for name in node.names:
                yield name.asname or name.name, name.name


def _found(name: str) -> Any:
    """The module, or the object in one; ``None`` if it does not exist."""
    try:
        return importlib.import_module(name)
    except ImportError:
        if "." not in name:
            return None
        module, last = name.rsplit(".", 1)
        return getattr(_found(module), last, None)
