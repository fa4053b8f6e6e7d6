"""The version: the places that name it, and how a release writes a new one."""

from __future__ import annotations

import re
from pathlib import Path

#: File → the text before the number and the text after it.
PLACES = {
    "pyproject.toml": ('\nversion = "', '"\n'),
    "clients/python/pyproject.toml": ('\nversion = "', '"\n'),
    "clients/python/ayes_client/version.py": ('VERSION = "', '"\n'),
    "clients/js/package.json": ('"version": "', '",\n'),
    "clients/js/src/version.js": ('VERSION = "', '";\n'),
    "docker-compose.yml": ("image: ayes:", "\n"),
    "deploy/kubernetes/deployment.yaml": ("image: ayes:", "\n"),
    "deploy/kubernetes/migrate.yaml": ("image: ayes:", "\n"),
    "deploy/kubernetes/kustomization.yaml": ("newTag: ", "\n"),
}
#: A version by Semantic Versioning, without build metadata. PyPI has no other pre-releases.
NUMBER = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+((a|b|rc)[0-9]+)?")
UNRELEASED = "\n## Unreleased\n"


class ReleaseError(Exception):
    """The release cannot be made. The message says why."""


def numbers(root: Path) -> dict[str, str]:
    """Return the number that each place names. Raises ``ReleaseError`` if one names none."""
    return {name: _found(root, name)[1] for name in PLACES}


def number(root: Path) -> str:
    """Return the number that all places name. Raises ``ReleaseError`` if they differ."""
    found = numbers(root)
    if len(set(found.values())) != 1:
        raise ReleaseError("\n".join(f"{name}: {value}" for name, value in found.items()))
    return found["pyproject.toml"]


def renumber(root: Path, to: str, date: str) -> None:
    """Write ``to`` in every place, and close the changelog's *Unreleased* under it."""
    if NUMBER.fullmatch(to) is None:
        raise ReleaseError(f"{to!r} is not a version such as 0.2.0 or 0.2.0rc1")
    changelog = root / "CHANGELOG.md"
    text = changelog.read_text()
    if f"\n## {to} " in text:
        raise ReleaseError(f"CHANGELOG.md has {to} already")
    _, heading, changes = text.partition(UNRELEASED)
    if not heading or not changes.partition("\n## ")[0].strip():
        raise ReleaseError("CHANGELOG.md has nothing under Unreleased")
    for name in PLACES:
        before, _, after = _found(root, name)
        (root / name).write_text(f"{before}{to}{after}")
    changelog.write_text(text.replace(UNRELEASED, f"{UNRELEASED}\n## {to} ({date})\n", 1))


def _found(root: Path, name: str) -> tuple[str, str, str]:
    start, end = PLACES[name]
    before, mark, rest = (root / name).read_text().partition(start)
    found, close, after = rest.partition(end)
    if not mark or not close:
        raise ReleaseError(f"{name} names no version")
    return before + mark, found, close + after
