"""Third-party code in the page is unchanged, and has its licence."""

from __future__ import annotations

import hashlib
import re

from tests.parts import ROOT

VENDOR = ROOT / "web" / "vendor"


def test_every_vendored_file_is_the_one_that_was_published() -> None:
    for folder in sorted(VENDOR.iterdir()):
        told = (folder / "README.md").read_text()
        assert (folder / "LICENSE").stat().st_size > 500, folder
        assert re.search(r"\d+\.\d+\.\d+", told), f"{folder}: no version"
        hashes = set(re.findall(r"\b[0-9a-f]{64}\b", told))
        files = [path for path in folder.iterdir() if path.name not in ("README.md", "LICENSE")]
        assert {hashlib.sha256(path.read_bytes()).hexdigest() for path in files} == hashes, folder
