"""The house rules of the JavaScript client and the page: one direction of imports, plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "js"
SOURCES = CLIENT / "src"
WEB = ROOT / "web"
#: The server serves the client together with the page.
SDK = re.compile(r"^(?:\.\./)+sdk/")
IMPORT = re.compile(
    r"""(?:^|\n)\s*(?:import|export)\b[^;"]*?\bfrom\s*"([^"]+)"  # names from a module
    | (?:^|\n)\s*import\s*"([^"]+)"                            # for its effects alone
    | \bimport\("([^"]+)"\)                                     # when it is called
    """,
    re.VERBOSE,
)
#: From the ground up. A folder imports the ground, itself, and the folders below it. Folders in one
#: row do not import each other.
LAYERS = (
    ("wire", "words"),
    ("outbox", "pending", "rooms", "connection"),
    ("bindings",),
    ("elements",),
)
#: Files of `src/` that import only each other.
GROUND = frozenset({"clock", "deferred", "emitter", "error", "ids", "timers", "version"})
#: Maximum of files in a folder.
MAX_FILES = 16
BANNED = re.compile(r"\b(whoever|anew|of late|none of the others)\b", re.IGNORECASE)
PRIVATE_CONSTANT = re.compile(r"\b(MOST|LONGEST|SHORTEST|FEWEST|LEAST)_\w+")


def imports_of(path: Path) -> Iterator[Path]:
    """Every module that ``path`` imports, as a file; packages of others are left out."""
    for found in IMPORT.finditer(path.read_text()):
        module = found[1] or found[2] or found[3]
        if SDK.match(module):
            yield CLIENT / SDK.sub("", module)
        elif module.startswith("."):
            yield (path.parent / module).resolve()


def graph_of(*folders: Path) -> dict[Path, set[Path]]:
    """The imports of every file below ``folders``."""
    files = [
        path
        for folder in folders
        for path in sorted(folder.rglob("*.js"))
        if not {"tests", "node_modules"} & set(path.relative_to(folder).parts)
    ]
    assert files
    return {path: set(imports_of(path)) for path in files}


def circles(graph: Mapping[Path, set[Path]]) -> list[list[Path]]:
    """Every set of files that import each other, by Tarjan's algorithm."""
    index: dict[Path, int] = {}
    low: dict[Path, int] = {}
    stack: list[Path] = []
    found = []

    def visit(path: Path) -> None:
        index[path] = low[path] = len(index)
        stack.append(path)
        for other in graph.get(path, ()):
            if other not in index:
                visit(other)
            if other in stack:
                low[path] = min(low[path], low[other])
        if low[path] == index[path]:
            component = stack[stack.index(path) :]
            del stack[stack.index(path) :]
            if len(component) > 1 or path in graph.get(path, ()):
                found.append(sorted(component))

    for path in graph:
        if path not in index:
            visit(path)
    return found


def test_no_circle_of_imports_in_the_client_or_the_page() -> None:
    graph = graph_of(CLIENT, WEB)
    missing = {str(other) for others in graph.values() for other in others if not other.exists()}
    assert not missing
    assert circles(graph) == []


def test_a_circle_is_found(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")):
        (tmp_path / f"{name}.js").write_text(f'import {{ x }} from "./{other}.js";\n')
    [circle] = circles(graph_of(tmp_path))
    assert [path.stem for path in circle] == ["a", "b", "c"]


def test_imports_of_the_client_run_one_way() -> None:
    wrong = []
    for path, others in graph_of(SOURCES).items():
        folder = _folder(path)
        if path.stem == "client" and folder is None:
            continue
        below = {name for row in LAYERS[: _row(folder)] for name in row} | {folder}
        wrong += [
            f"{path.relative_to(SOURCES)} imports {other.relative_to(SOURCES)}"
            for other in others
            if not (
                _folder(other) in below if _folder(other) is not None else _is_ground(folder, other)
            )
        ]
    assert not wrong, wrong


def _is_ground(folder: str | None, other: Path) -> bool:
    """Whether files of ``folder`` may import ``other``, a file of ``src/`` itself."""
    return other.stem in GROUND or (folder == "elements" and other.stem == "client")


def _folder(path: Path) -> str | None:
    parts = path.relative_to(SOURCES).parts
    return parts[0] if len(parts) > 1 else None


def _row(folder: str | None) -> int:
    if folder is None:
        return 0
    [row] = [number for number, row in enumerate(LAYERS) if folder in row]
    return row


def test_a_folder_of_the_client_is_one_screen() -> None:
    folders = [SOURCES, *(path for path in SOURCES.rglob("*") if path.is_dir())]
    for folder in folders:
        assert len(list(folder.glob("*.js"))) <= MAX_FILES, folder


WORDS = [
    *sorted(SOURCES.rglob("*.js")),
    CLIENT / "ayes.d.ts",
    CLIENT / "README.md",
    CLIENT / "conformance" / "driver.mjs",
    ROOT / "docs" / "clients" / "javascript.md",
]


@pytest.mark.parametrize("path", WORDS, ids=lambda path: path.name)
def test_words_are_plain(path: Path) -> None:
    text = path.read_text()
    assert not BANNED.search(text)
    assert not PRIVATE_CONSTANT.search(text)


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.js")), ids=lambda path: path.name)
def test_a_limit_says_what_it_limits(path: Path) -> None:
    """Every constant number has a comment."""
    lines = path.read_text().splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        if (
            re.match(r"(?:export )?const [A-Z][A-Z_]+ = [\d_.* ]+;", line)
            and "version" not in path.name
        ):
            name = line.split("=")[0]
            named_by_rfc = path.name in ("close-codes.js", "ids.js")
            assert named_by_rfc or before.strip().endswith("*/"), f"{path.name}: {name}"
