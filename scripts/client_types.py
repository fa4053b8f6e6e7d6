"""Writes the parts of the Python client that follow from the server and the page.

``--check`` writes nothing and fails where a file is not current. A test runs it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLIENT = ROOT / "clients" / "python" / "ayes_client"
#: Where the page's words are, or will be: the first that exists.
_WORDS = ("clients/js/src/words/{}.js", "web/strings/{}/refusals.js")
_LANGUAGES = ("en", "ko")
_PAIR = re.compile(r'^\s*("[\w.]+"):\s*("(?:[^"\\]|\\.)*"),?$', re.MULTILINE)


def words(language: str) -> str:
    """The page's words for refusals, as JSON."""
    paths = (ROOT / place.format(language) for place in _WORDS)
    text = next(path for path in paths if path.exists()).read_text()
    # A long text stands on the line below its key.
    found = _PAIR.findall(re.sub(r':\s*\n\s*"', ': "', text))
    assert len(found) == len(re.findall(r'^\s*"[\w.]+":', text, re.MULTILINE))
    pairs = {json.loads(key): json.loads(value) for key, value in found}
    return json.dumps(pairs, ensure_ascii=False, indent=1) + "\n"


def files() -> Iterator[tuple[Path, str]]:
    """Every generated file and its text."""
    for language in _LANGUAGES:
        yield CLIENT / "_words" / f"{language}.json", words(language)


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` compare them."""
    behind = [(path, text) for path, text in files() if not _is_current(path, text)]
    for path, text in behind:
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is not current: python -m scripts.client_types")
        else:
            path.write_text(text)
    return int("--check" in arguments and bool(behind))


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
