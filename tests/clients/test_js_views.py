"""The suite's scenarios, shown by React's hooks, Vue's composables and the custom elements.

The view enters and leaves the rooms, and the state that a scenario looks at is the one that the
view was last drawn with. Commands and questions go to the client.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clients import driving as drivers
from tests.clients.driving import driving
from tests.clients.misbehaving import misbehaving
from tests.clients.planting import fails, replaced, uncaught
from tests.clients.playing import Line, Player
from tests.clients.test_scenarios import SCENARIOS
from tests.node import NODE, install, run
from tests.parts import ROOT
from tests.transcripts.matching import Mismatch

PACKAGES = Path(__file__).parent / "npm"
VIEWS = ("react", "vue", "elements")
#: What a file of many has in place of the ``require`` of modules of another kind.
REQUIRE = 'import { createRequire } from "node:module"; const require = createRequire("/");'
#: Stories of what a view shows: rooms, reconnects, slow and wrong answers, refused tokens, removed
#: members. The others are about commands alone, which views hand on.
SHOWN = {
    name: lines
    for name, lines in SCENARIOS.items()
    if name.startswith(("rooms-", "connections-", "tokens-", "closes-", "answers-broken"))
}


class Mistake(NamedTuple):
    """A replacement in one file of the client, and the scenario that must notice it."""

    view: str
    file: str
    words: str
    instead: str
    scenario: str


#: A view may be drawn late and miss the first changes, so each story goes on from what was seen.
MISTAKES = {
    "a hook is not drawn again": Mistake(
        "react",
        "react.js",
        "(changed) => room.watch(changed)",
        "() => nothing",
        "connections-resume",
    ),
    "a removed member asks again": Mistake(
        "react", "react.js", "used.current !== null &&", "false &&", "rooms-put-out"
    ),
    "a hook shows an old line": Mistake(
        "react",
        "react.js",
        "(changed) => client?.watch(changed) ?? nothing",
        "() => nothing",
        "closes-4500",
    ),
    "a composable is not drawn again": Mistake(
        "vue", "vue.js", "if (shown) onCleanup(", "if (!shown) onCleanup(", "rooms-fold"
    ),
    "a composable hides why a room was closed": Mistake(
        "vue", "vue.js", "(error.value = entry.error ?? null)", "null", "rooms-put-out"
    ),
    "an element is not drawn again": Mistake(
        "elements",
        "src/elements/element.js",
        "this.#ends.push(entry.room.watch(() => this.draw()));",
        "",
        "rooms-fold",
    ),
    "an element does not say that it is not live": Mistake(
        "elements",
        "src/elements/room.js",
        'room.live ? "" : this.say("away")',
        '""',
        "connections-resume",
    ),
}


@pytest.fixture(scope="module")
def dom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page as one file: a driver reads it in a third of the time of its hundreds of files."""
    install(PACKAGES)
    package = tmp_path_factory.mktemp("packages") / "happy-dom"
    package.mkdir()
    (package / "package.json").write_text('{"type": "module", "main": "index.js"}')
    modules = PACKAGES / "node_modules"
    options = ("--bundle", "--platform=node", "--format=esm", f"--banner:js={REQUIRE}")
    entry = str(modules / "happy-dom" / "lib" / "index.js")
    out = f"--outfile={package / 'index.js'}"
    run(NODE, str(modules / ".bin" / "esbuild"), entry, *options, out, cwd=package)
    return package


def bring(folder: Path, client: Path, dom: Path) -> Path:
    """A project in ``folder`` with the packages and ``client``; the folder of its drivers."""
    modules = folder / "node_modules"
    modules.mkdir()
    packages = {package.name: package for package in (PACKAGES / "node_modules").iterdir()}
    for name, package in (packages | {"happy-dom": dom, "ayes-client": client}).items():
        (modules / name).symlink_to(package)
    shutil.copytree(PACKAGES / "views", folder / "views")
    return folder / "views"


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory, dom: Path) -> Path:
    return bring(tmp_path_factory.mktemp("views"), ROOT / "clients" / "js", dom)


def command(view: str, folder: Path) -> list[str]:
    """The driver of ``view``. A package is found beside the link that leads to the client."""
    preserving = ("--preserve-symlinks", "--preserve-symlinks-main", "--no-warnings")
    return [NODE, *preserving, str(folder / f"{view}.mjs")]


@pytest.mark.timeout(200)
@pytest.mark.parametrize("lines", SHOWN.values(), ids=SHOWN)
@pytest.mark.parametrize("view", VIEWS)
async def test_a_view_shows_what_the_client_promises(
    view: str, lines: list[Line], views: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(drivers.DRIVERS, view, command(view, views))
    async with misbehaving() as server, driving(view) as driver:
        await Player(driver, server, tmp_path).play(lines)


@pytest.mark.timeout(200)
async def test_mistakes_planted_in_the_views_are_caught(tmp_path: Path, dom: Path) -> None:
    async def caught(name: str, mistake: Mistake) -> bool:
        copy, folder = tmp_path / name / "js", tmp_path / name / "project"
        shutil.copytree(ROOT / "clients" / "js", copy)
        replaced(copy / mistake.file, mistake.words, mistake.instead)
        folder.mkdir()
        driver = command(mistake.view, bring(folder, copy, dom))
        return await fails(driver, mistake.scenario, folder, (Mismatch, AssertionError))

    assert await uncaught(MISTAKES, caught, patience=8.0) == []
