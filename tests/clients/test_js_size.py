"""The size of the JavaScript client in an application's bundle."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from tests.node import install, run
from tests.parts import ROOT

CLIENT = ROOT / "clients" / "js"
PACKAGES = ROOT / "tests" / "web" / "frameworks"
#: What an application writes, and the most bytes that it pays, minified and gzipped. A change that
#: needs more says why in its commit, and gives the new figure in the client's README.
BOUNDS = {
    "the client": ('import { Client } from "AYES/ayes.js"; new Client("/", {});', 20_400),
    "with an outbox": (
        'import { Client, indexedDbOutbox } from "AYES/ayes.js";'
        'new Client("/", { outbox: indexedDbOutbox() });',
        21_300,
    ),
    "hooks for React": ('import * as all from "AYES/react.js"; console.log(all);', 22_500),
    "words alone": ('import { explain } from "AYES/words.js"; console.log(explain);', 4_200),
}


def bundled(code: str, folder: Path) -> bytes:
    """``code`` with all that it needs, minified as for a page."""
    install(PACKAGES)
    (folder / "entry.mjs").write_text(code.replace("AYES", str(CLIENT)))
    esbuild = PACKAGES / "node_modules" / "@esbuild" / "linux-x64" / "bin" / "esbuild"
    options = ("--bundle", "--minify", "--format=esm", "--external:react", "--outfile=out.js")
    run(str(esbuild), "entry.mjs", *options, cwd=folder)
    return (folder / "out.js").read_bytes()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", BOUNDS)
def test_an_application_pays_no_more_than_this(what: str, tmp_path: Path) -> None:
    code, most = BOUNDS[what]
    assert len(gzip.compress(bundled(code, tmp_path), 9)) <= most


@pytest.mark.timeout(300)
def test_what_is_not_imported_is_left_out(tmp_path: Path) -> None:
    made = bundled('import { AyesError } from "AYES/ayes.js"; new AyesError("a");', tmp_path)
    assert len(made) < 2_000
    assert b"WebSocket" not in made


@pytest.mark.timeout(300)
def test_the_readme_names_the_size(tmp_path: Path) -> None:
    [said] = re.findall(r"In a bundle it has (\d+) kB", (CLIENT / "README.md").read_text())
    made = bundled(BOUNDS["the client"][0], tmp_path)
    assert round(len(gzip.compress(made, 9)) / 1000) == int(said)
