"""Hooks of the documentation's site: pages from the repository's top, and links out of ``docs/``.

A link to a file that is no page, such as a proxy's configuration, becomes its path as text: the
site does not know where the repository is. A link to a file that does not exist stays as it is,
and fails the build.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
#: Pages at the top of the repository that belong to the site.
TOP = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
#: A link to somewhere in the repository, without its anchor.
_LINK = re.compile(r"\[([^\]\n]+)\]\((?!https?:|#|mailto:)([^)#\s]*)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from the top."""
    for name in TOP:
        text = (ROOT / name).read_text()
        # There they link to docs/x.md; on the site they are in the same folder as x.md.
        text = re.sub(r"\]\(docs/", "](", text)
        files.append(File.generated(config, name, content=text))
    return files


def on_config(config: Any) -> Any:
    """Put the pages of a folder in place of ``folder/`` in the navigation, its README first.

    Pages that have a place of their own stay there alone.
    """
    placed = set(_entries(config["nav"]))
    config["nav"] = _expanded(config["nav"], placed)
    return config


def _entries(entry: Any) -> Iterator[str]:
    """Every page and folder of the navigation."""
    if isinstance(entry, str):
        yield entry
    else:
        for inner in entry.values() if isinstance(entry, dict) else entry:
            yield from _entries(inner)


def _expanded(entry: Any, placed: set[str]) -> Any:
    if isinstance(entry, list):
        return [_expanded(inner, placed) for inner in entry]
    if isinstance(entry, dict):
        return {title: _expanded(inner, placed) for title, inner in entry.items()}
    if not entry.endswith("/"):
        return entry
    pages = sorted((ROOT / "docs" / entry).glob("*.md"), key=lambda p: (p.name != "README.md", p))
    return [name for page in pages if (name := f"{entry}{page.name}") not in placed]


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links out of ``docs/`` at the site's own pages, or make them text."""
    here = Path(page.file.src_uri)

    def replaced(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        if not target:
            return match[0]
        within = os.path.normpath(here.parent / target)
        if files.get_file_from_path(within) is not None:
            return match[0]
        in_repository = Path(within[3:] if within.startswith("../") else within)
        if str(in_repository) in TOP:
            way = os.path.relpath(in_repository, here.parent)
            return f"[{text}]({way}{anchor})"
        base = ROOT if str(here) in TOP else ROOT / "docs"
        if (base / here.parent / target).resolve().exists():
            return text if text.startswith("`") else f"{text} (`{in_repository}`)"
        return match[0]

    return _LINK.sub(replaced, markdown)
