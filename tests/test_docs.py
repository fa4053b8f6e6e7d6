"""The documentation: its generated parts are current, its examples are valid messages."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.performance import page as performance
from protocol.codec import Invalid, decode_frame
from protocol.fields import TextLimits
from protocol.published.openapi_open import open_paths
from protocol.replies import MESSAGES
from protocol.requests import REQUESTS
from server.config.settings import PREFIX, SETTINGS
from tests.parts import ROOT
from tests.readme_table import TESTS, is_of, mirror, modules, table

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
SPOKEN = [ROOT / "README.md", ROOT / "docs" / "protocol.md"]

_union: Any = reduce(or_, MESSAGES)
_said = msgspec.json.Decoder(_union)
_LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")


#: A file of the repository, as docs and comments name it.
_FILE = re.compile(
    r"(?<![\w/.-])((?:protocol|persistence|handlers|server|tests|clients|web|scripts|benchmarks|deploy|docs)"
    r"/[\w/.-]+\.(?:py|js|mjs|md|css|sh|yml|yaml|toml|sql))\b(?!\w)"
)
#: Folders whose docstrings and comments name constants.
_HOUSE = ("protocol", "persistence", "handlers", "server")
#: A constant's name in prose; one without an underscore may be a word of SQL or of the protocol.
_CONSTANT = re.compile(r"(?<!`)`{1,2}([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`{1,2}(?!`)")
_DEFINITION = re.compile(
    r"^\s*(?:export )?(?:const )?([A-Z][A-Z0-9_]+)(?:: [^=\n]+)? = ", re.MULTILINE
)
#: Names that other programs define.
_FOREIGN = {
    *("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME"),
    *("FORWARDED_ALLOW_IPS", "HTTPS_PROXY", "SSL_CERT_FILE", "SO_LINGER", "TCP_NOTSENT_LOWAT"),
}
#: Constants, and the file that defines them in parentheses.
_PLACED = re.compile(r"((?:`[A-Z][A-Z0-9_]+`(?:, | and )?)+) \(`([\w/]+\.py)`\)")
#: Records of the past: their files may have moved since.
_HISTORY = ("CHANGELOG.md", "docs/decisions/")
#: Its rows name files below ``tests`` without the folder; another test checks them.
_RELATIVE = ("tests/README.md",)


def lines(page: Path, speaker: str) -> list[str]:
    text = page.read_text()
    return [line[2:] for line in text.splitlines() if line.startswith(f"{speaker} {{")]


def test_the_generated_parts_are_current() -> None:
    found = subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs.py", "--check"],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_page_of_performance_shows_the_saved_results() -> None:
    results = performance.saved()
    page = performance.PAGE
    for filled in (page, performance.COMPARED):
        assert performance.filled(filled.read_text(), results) == filled.read_text()
    for sweep in results["sweeps"]:
        plot = page.parent / f"performance-{sweep['name']}.svg"
        assert plot.read_text() == performance.plot_of(sweep)


@pytest.mark.parametrize("page", SPOKEN, ids=lambda page: page.name)
def test_what_a_client_says_there_the_server_understands(page: Path) -> None:
    said = lines(page, "C")
    assert said
    for line in said:
        [message] = decode_frame(
            line.encode(), limits=TextLimits(), message_bytes=65_536, longest_batch=256
        ).messages
        assert not isinstance(message, Invalid), (line, message)


@pytest.mark.parametrize("page", SPOKEN, ids=lambda page: page.name)
def test_what_the_server_says_there_has_the_published_shape(page: Path) -> None:
    said = lines(page, "S")
    assert said
    for line in said:
        _said.decode(line)


def test_every_message_has_its_place_in_the_protocol() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text()
    for message in MESSAGES:
        assert f"`{message.__struct_config__.tag}`" in page
    headings = " ".join(line for line in page.splitlines() if line.startswith("### "))
    for request in REQUESTS:
        assert f"`{request.__struct_config__.tag}`" in headings
    for path in open_paths():
        assert path in page or not path.startswith("/v1/")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target, anchor in _LINK.findall(text):
        if target.startswith("http"):
            continue
        to = page if not target else (page.parent / target).resolve()
        assert to.exists(), target
        if anchor:
            assert anchor[1:] in _anchors(to.read_text()), anchor


def _anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_picture_asks_nobody_for_anything() -> None:
    svg = (ROOT / "docs" / "demo.svg").read_text()
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    assert len(svg) < 64 * 1024


@pytest.mark.parametrize(
    "example",
    ["clients/python/examples/ten_lines.py", "clients/js/examples/ten-lines.js"],
)
def test_the_readme_shows_the_examples_that_are_run(example: str) -> None:
    """The clients' own tests run both against a real server."""
    shown = (ROOT / "README.md").read_text()
    assert f"\n{(ROOT / example).read_text().strip()}\n```\n" in shown


def test_every_module_has_tests_by_its_name_or_in_the_table() -> None:
    rows = table()
    lost = [
        module
        for module in modules()
        if not mirror(module).exists() and not any(is_of(module, row) for row in rows)
    ]
    assert lost == []


def test_every_test_that_the_table_names_is_there() -> None:
    named = {test for tests in table().values() for test in tests}
    assert [test for test in sorted(named) if not (TESTS / test).is_file()] == []
    assert all(Path(test).name.startswith("test_") for test in named)


def test_every_row_of_the_table_is_of_some_module() -> None:
    known = modules()
    assert [row for row in table() if not any(is_of(module, row) for module in known)] == []


def test_every_file_that_docs_and_comments_name_is_there() -> None:
    folders = ("protocol", "persistence", "handlers", "server", "tests", "clients", "web", "docs")
    named = [*ROOT.glob("*.md"), ROOT / "pyproject.toml"]
    named += [path for folder in folders for path in (ROOT / folder).rglob("*.*")]
    gone = {
        f"{path.relative_to(ROOT)} names {name}"
        for path in named
        if path.suffix in (".py", ".js", ".md", ".toml")
        and "node_modules" not in path.parts
        and not str(path.relative_to(ROOT)).startswith(_HISTORY + _RELATIVE)
        for name in _FILE.findall(_LINK.sub("]", path.read_text()))  # another test checks links
        if not (ROOT / name).exists()
    }
    assert not gone, sorted(gone)


def test_every_constant_that_docs_and_comments_name_is_defined() -> None:
    sources = [path for folder in _HOUSE for path in (ROOT / folder).rglob("*.py")]
    files = [*sources, *(ROOT / "tests").rglob("*.py"), *(ROOT / "web").glob("*.js")]
    known = {name for path in files for name in _DEFINITION.findall(path.read_text())}
    known |= {PREFIX + name.upper() for name in SETTINGS} | _FOREIGN
    # Variables of the environment that are no settings stand in the code as strings.
    quoted = re.compile(r"[\"'](AYES_[A-Z_]+)[\"']")
    known |= {name for path in files for name in quoted.findall(path.read_text())}
    unknown = {
        f"{path.relative_to(ROOT)} names {name}"
        for path in [*sources, *(ROOT / "docs").rglob("*.md")]
        if not str(path.relative_to(ROOT)).startswith(_HISTORY)
        for name in _CONSTANT.findall(path.read_text())
        if name not in known
    }
    assert not unknown, sorted(unknown)


def test_a_constant_is_defined_in_the_file_that_the_page_names_after_it() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    placed = [
        (name, file)
        for names, file in _PLACED.findall(page)
        for name in re.findall(r"`(\w+)`", names)
        if not name.startswith(PREFIX)
    ]
    assert placed
    lost = [
        f"{name} in {file}"
        for name, file in placed
        if name not in _DEFINITION.findall((ROOT / file).read_text())
    ]
    assert not lost, lost


# docs/what-can-go-wrong.md: texts of the page in italics, sentences of the server in quotes.

_SYMPTOMS = ROOT / "docs" / "what-can-go-wrong.md"
_ITALIC = re.compile(r"(?<![*\w])\*([^*\s][^*]*?)\*(?![*\w])")
_QUOTED = re.compile(r"“([^”]+)”")
#: The end of one part of a text and the beginning of the next, in JavaScript and in Python.
_JOINED = re.compile(r"([\"'])\s*\+?\s*f?\1")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}|%[.\d]*[a-z]|…")


def quotes(kind: re.Pattern[str]) -> list[str]:
    """The quotes of ``kind`` in the table of symptoms, on one line each, without its first part."""
    entries = _SYMPTOMS.read_text().partition("\n## ")[2]
    return sorted({" ".join(found.split()) for found in kind.findall(entries)})


def says(source: str, quote: str) -> bool:
    """Whether ``source`` has the parts of ``quote`` around each ``…``, in order."""
    parts = [re.escape(part.strip()) for part in quote.split("…") if part.strip()]
    return re.search("…?.{0,60}?".join(parts), source) is not None


def source_of(folders: list[str], pattern: str) -> str:
    """The text of the files, with adjacent strings joined and placeholders as ``…``."""
    files = [path for folder in folders for path in sorted((ROOT / folder).rglob(pattern))]
    whole = "\n".join(path.read_text() for path in files)
    return _PLACEHOLDER.sub("…", _JOINED.sub("", whole))


def test_texts_of_the_page_are_quoted_as_they_are() -> None:
    source = source_of(["web/strings/en", "clients/js/src/words"], "*.js")
    assert len(quotes(_ITALIC)) > 30
    assert not [quote for quote in quotes(_ITALIC) if not says(source, quote)]


def test_sentences_of_the_server_are_quoted_as_they_are() -> None:
    source = source_of(["server", "persistence", "handlers", "protocol"], "*.py")
    found = [quote for quote in quotes(_QUOTED) if quote != "…"]
    assert len(found) > 15
    assert not [quote for quote in found if not says(source, quote)]


# CHANGELOG.md, "Unreleased".

_GROUPS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
#: Maximum lines of an entry: a change takes a sentence or two, and docs/ has the details.
_MAX_ENTRY_LINES = 3


def unreleased() -> list[tuple[str, list[str]]]:
    """The groups of unreleased changes, each with its lines."""
    part = (ROOT / "CHANGELOG.md").read_text().partition("\n## Unreleased\n")[2]
    found = []
    for group in part.partition("\n## ")[0].split("\n### ")[1:]:
        name, *lines = group.strip().splitlines()
        found.append((name, lines))
    return found


def test_unreleased_changes_are_in_their_groups_once() -> None:
    names = [name for name, _ in unreleased()]
    assert names == [name for name in _GROUPS if name in names]
    entries = [line for _, lines in unreleased() for line in lines if line.startswith("- ")]
    assert not sorted({line for line in entries if entries.count(line) > 1})


def test_unreleased_changes_are_short_entries_of_one_list() -> None:
    # Right after a release there is none.
    for name, lines in unreleased():
        assert lines[0] == "", name
        assert "" not in lines[1:], f"{name}: a blank line splits the list"
        entries = "\n".join(lines[1:]).split("\n- ")
        assert not [entry for entry in entries if entry.count("\n") >= _MAX_ENTRY_LINES], name
