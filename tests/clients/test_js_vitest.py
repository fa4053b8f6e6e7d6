"""An application's own tests under the real vitest, as the examples have them."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.node import NODE, NPM, install, run
from tests.parts import ROOT

CLIENT = ROOT / "clients" / "js"
TESTS = CLIENT / "examples" / "tests"
PACKAGES = Path(__file__).parent / "npm"
PROGRAM = str(Path(sys.executable).parent / "ayes")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the example's tests and its packages; the client is what npm would publish."""
    install(PACKAGES)
    modules = tmp_path / "node_modules"
    modules.mkdir()
    for package in (PACKAGES / "node_modules").iterdir():
        if not package.name.startswith(".vite"):
            (modules / package.name).symlink_to(package)
    [packed] = json.loads(
        run(*NPM, "pack", "--json", "--pack-destination", str(tmp_path), cwd=CLIENT)
    )
    archive = tmp_path / packed["filename"]
    shutil.unpack_archive(archive, tmp_path, filter="data")
    (tmp_path / "package").rename(modules / "ayes-client")
    archive.unlink()
    (tmp_path / "package.json").write_text('{"private": true, "type": "module"}')
    options = json.loads((CLIENT / "examples" / "tsconfig.json").read_text())["compilerOptions"]
    options |= {"skipLibCheck": True, "preserveSymlinks": True}
    (tmp_path / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": options, "include": ["*.ts", "*.tsx"]})
    )
    for path in TESTS.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path


def play(project: Path) -> None:
    """Run vitest, which must succeed; nothing may be left open or unhandled."""
    vitest = project / "node_modules" / "vitest" / "vitest.mjs"
    run(NODE, str(vitest), "run", cwd=project, env={"AYES_BIN": PROGRAM, "CI": "1"})


@pytest.mark.timeout(400)
def test_an_applications_tests_run_under_vitest(project: Path) -> None:
    play(project)


@pytest.mark.timeout(400)
def test_they_run_in_happy_dom_as_well(project: Path) -> None:
    """Another imitation of a browser, which asks the server's permission as browsers do."""
    motion = project / "motion.test.tsx"
    text = motion.read_text()
    assert "@vitest-environment jsdom" in text
    motion.write_text(text.replace("@vitest-environment jsdom", "@vitest-environment happy-dom"))
    (project / "decision.test.ts").unlink()
    play(project)


@pytest.mark.timeout(400)
def test_they_are_sound_by_strict_types(project: Path) -> None:
    run(NODE, "node_modules/typescript/bin/tsc", "-p", ".", cwd=project)


def test_the_documents_show_them() -> None:
    page = (ROOT / "docs" / "clients" / "frameworks.md").read_text()
    [block] = re.findall(r"```ts\n(import \{ startAyes.*?)```", page, re.DOTALL)
    assert block in (TESTS / "decision.test.ts").read_text()
