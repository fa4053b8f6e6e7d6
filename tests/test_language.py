"""The words of the house (CONTRIBUTING, "Words"), as far as a test can hold them.

A folder or page is added to ``CLEAN`` or ``CLEAN_PAGES`` once it follows the rules.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Folders whose docstrings, comments and constants follow the rules.
CLEAN = ("protocol", "persistence", "handlers", "server")
#: Folders whose docstrings and comments follow them; their constants need no comment.
PLAIN = ("tests", "benchmarks", "clients/python", "scripts")
#: Pages that follow the rules; a folder stands for its pages.
CLEAN_PAGES = (
    "CHANGELOG.md",
    "README.md",
    "SECURITY.md",
    "benchmarks/README.md",
    "docs/admin.md",
    "docs/architecture.md",
    "docs/architecture",
    "docs/campaign.md",
    "docs/clients",
    "docs/command-line.md",
    "docs/concepts.md",
    "docs/glossary.md",
    "docs/index.md",
    "docs/operations.md",
    "docs/page.md",
    "docs/permissions.md",
    "docs/protocol.md",
    "docs/releases.md",
    "docs/scaling.md",
    "docs/tutorial.md",
    "docs/what-can-go-wrong.md",
)
#: Words with a plain replacement, which CONTRIBUTING names.
BANNED = re.compile(
    r"\b(whoever|whatever is|anew|of late|none of the others|what is no|told|tells?|as may be)\b",
    re.IGNORECASE,
)
#: A comment in JavaScript, as far as one line shows it.
JS_COMMENT = re.compile(r"(?:^\s*(?://|/?\*)|\s//|/\*\*)(.*)")
#: First words of a docstring that hide its subject.
HIDDEN_SUBJECT = re.compile(
    r"(Who|Whose|Whom|Whatever|What|Where|Which|That|Those|It|They|There)\b"
)
#: Its docstrings are the messages of errors, whose subject is the command.
MESSAGES = "clients/python/ayes_client/errors.py"
#: Words of one sentence; a longer one has more than one thought.
MAX_SENTENCE_WORDS = 25
#: Beginnings of constants that the field calls ``MAX_`` or ``MIN_``.
OLD_PREFIX = re.compile(r"_?(MOST|LONGEST|SHORTEST|LARGE|FEW|LEAST|LITTLE)_")
TIME = re.compile(r"(^|_)(TIMEOUT|INTERVAL|DELAY|TTL|SECONDS)(_|$)")
TIME_WITH_UNIT = re.compile(r"(TIMEOUT|INTERVAL|DELAY|TTL)_(S|MS)$|_SHARE$")
NAMED_PATH = re.compile(
    r"`((?:protocol|persistence|handlers|server|web|tests|scripts|deploy|benchmarks)/[\w./-]+)`"
)
#: Beginnings and ends of constants that limit something, and so owe a reason.
LIMIT = re.compile(r"^_?(MAX|MIN)_|(TIMEOUT|INTERVAL|DELAY|TTL)_(S|MS)$")


def sources(*folders: str) -> list[Path]:
    """The Python files of ``folders``."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def pages() -> list[Path]:
    """The clean pages."""
    found: list[Path] = []
    for name in CLEAN_PAGES:
        path = ROOT / name
        found += sorted(path.glob("*.md")) if path.is_dir() else [path]
    return found


@functools.cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of ``path``, which several rules look at."""
    return ast.parse(path.read_text())


@functools.cache
def docstrings(path: Path) -> list[tuple[int, str]]:
    """Each docstring of ``path``, those of attributes included, with its line."""
    found = []
    for node in ast.walk(parsed(path)):
        body = getattr(node, "body", None)
        for inner in body if isinstance(body, list) else ():
            match inner:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found.append((inner.lineno, text))
    return found


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Each comment of ``path``, with its line."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def prose(page: str) -> str:
    """``page`` without code, generated parts and link targets."""
    page = re.sub(r"<!-- generated: .*?<!-- end -->", "", page, flags=re.DOTALL)
    page = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    return re.sub(r"`[^`]*`|\]\([^)]*\)", "", page)


def sentences(paragraph: str) -> list[str]:
    """The sentences and main clauses of ``paragraph``."""
    return re.split(r"(?<=[.;:?!])\s+", " ".join(paragraph.split()))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_docstrings_and_comments_have_no_banned_words() -> None:
    wrong = [
        f"{_name(path)}:{line}: {found[0]!r} in {text.strip()[:60]!r}"
        for path in sources(*CLEAN, *PLAIN)
        # Taking a file apart takes long.
        if BANNED.search(path.read_text())
        for line, text in (*docstrings(path), *comments(path))
        if (found := BANNED.search(text))
    ]
    assert not wrong, "\n".join(wrong)


def test_pages_have_no_banned_words() -> None:
    wrong = [
        f"{_name(path)}: {found[0]!r}"
        for path in pages()
        for found in BANNED.finditer(prose(path.read_text()))
    ]
    assert not wrong, "\n".join(wrong)


def test_comments_of_javascript_have_no_banned_words() -> None:
    wrong = [
        f"{_name(path)}:{number}: {found[0]!r}"
        for folder in ("clients/js", "web")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".js", ".ts") and not {"node_modules", "vendor"} & set(path.parts)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (comment := JS_COMMENT.search(line)) and (found := BANNED.search(comment[1]))
    ]
    assert not wrong, "\n".join(wrong)


def test_docstrings_begin_with_a_named_thing() -> None:
    wrong = [
        f"{_name(path)}:{line}: {text.strip()[:60]!r}"
        for path in sources(*CLEAN, *PLAIN)
        if _name(path) != MESSAGES
        for line, text in docstrings(path)
        if HIDDEN_SUBJECT.match(text.strip())
    ]
    assert not wrong, "\n".join(wrong)


def test_docstrings_have_short_sentences() -> None:
    wrong = [
        f"{_name(path)}:{line}: {len(sentence.split())} words: {sentence[:60]!r}"
        for path in sources(*CLEAN, *PLAIN)
        for line, text in docstrings(path)
        for paragraph in text.strip().split("\n\n")
        if not paragraph.startswith(("    ", "- "))
        for sentence in sentences(paragraph)
        if len(sentence.split()) > MAX_SENTENCE_WORDS
    ]
    assert not wrong, "\n".join(wrong)


def test_constants_are_named_by_kind_and_explained() -> None:
    wrong = [f"{_name(path)}: {what}" for path in sources(*CLEAN) for what in _misnamed(path)]
    assert not wrong, "\n".join(wrong)


def test_constants_of_tests_and_benchmarks_begin_with_max_or_min() -> None:
    wrong = [
        f"{_name(path)}: {target.id}"
        for path in sources(*PLAIN)
        for node in parsed(path).body
        for target in (node.targets if isinstance(node, ast.Assign) else [])
        if isinstance(target, ast.Name) and target.id.isupper() and OLD_PREFIX.match(target.id)
    ]
    assert not wrong, "\n".join(wrong)


def _misnamed(path: Path) -> Iterator[str]:
    """The constants of ``path`` that break a rule, and which one."""
    lines = path.read_text().splitlines()
    for node in parsed(path).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            name = target.id if isinstance(target, ast.Name) else ""
            if not name.isupper():
                continue
            if OLD_PREFIX.match(name):
                yield f"{name}: MAX_ or MIN_"
            if TIME.search(name) and not TIME_WITH_UNIT.search(name):
                yield f"{name}: <what>_<TIMEOUT|INTERVAL|DELAY|TTL>_<S|MS>"
            if LIMIT.search(name) and not lines[node.lineno - 2].startswith("#:"):
                yield f"{name}: needs a #: comment"


def test_paths_that_a_page_names_exist() -> None:
    missing = [
        f"{_name(path)}: {name}"
        for path in pages()
        for name in NAMED_PATH.findall(re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL))
        if not (ROOT / name).exists()
    ]
    assert not missing, "\n".join(missing)
