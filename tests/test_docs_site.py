"""The documentation as a site: the strict build, which ``scripts/check`` runs, is strict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import docs_site
from tests.parts import ROOT


class _Files:
    """The pages of the site."""

    def get_file_from_path(self, path: str) -> Path | None:
        """The page at ``path``."""
        found = ROOT / "docs" / path
        return found if not path.startswith("..") and found.is_file() else None


def rewritten(text: str, page: str) -> str:
    """``text`` of ``page`` as the site shows it."""
    file = type("File", (), {"src_uri": page})()
    return docs_site.on_page_markdown(text, type("Page", (), {"file": file})(), None, _Files())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("page", "text", "shown"),
    [
        ("admin.md", "[x](settings.md#a)", "[x](settings.md#a)"),
        ("runbooks/README.md", "[x](../protocol.md)", "[x](../protocol.md)"),
        ("architecture.md", "[x](../CONTRIBUTING.md#words)", "[x](CONTRIBUTING.md#words)"),
        ("runbooks/README.md", "[x](../../CHANGELOG.md)", "[x](../CHANGELOG.md)"),
        ("scaling.md", "[nginx](../deploy/nginx/nginx.conf)", "nginx (`deploy/nginx/nginx.conf`)"),
        ("admin.md", "[x](https://h/y) [y](#z)", "[x](https://h/y) [y](#z)"),
        # These stay wrong, so that the build fails.
        ("admin.md", "[x](no-such.md)", "[x](no-such.md)"),
        ("admin.md", "[x](../no-such.py)", "[x](../no-such.py)"),
    ],
)
def test_links_out_of_docs_lead_somewhere_or_become_text(page: str, text: str, shown: str) -> None:
    assert rewritten(text, page) == shown


def test_every_page_has_its_place_in_the_navigation() -> None:
    navigation = "nav:" + (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    given: dict[str, Any] = yaml.safe_load(navigation)
    docs_site.on_config(given)

    def pages(entry: Any) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        inner = entry.values() if isinstance(entry, dict) else entry
        return [page for each in inner for page in pages(each)]

    here = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(pages(given["nav"])) == sorted(here | set(docs_site.TOP))
