"""Provenance of a release: an in-toto statement with SLSA's provenance, unsigned.

``provenance.json`` names every file with its SHA-256, and the commit of the checkout that they were
built from. ``python scripts/provenance.py FOLDER [CHECKOUT]`` checks a release against it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

#: The statement's file, beside the artifacts.
STATEMENT = "provenance.json"
#: Describes what was done to build: the releases page of the documentation.
BUILD_TYPE = "https://ayes.example/docs/releases#make-a-release"
#: Longest that git takes to answer.
GIT_TIMEOUT_S = 30.0


class NotCommitted(Exception):
    """The checkout has changes that no commit has."""


def commit_of(root: Path) -> str:
    """Return the commit of the checkout; raise ``NotCommitted`` if tracked files were changed."""
    if changed := _git(root, "status", "--porcelain", "--untracked-files=no"):
        raise NotCommitted(f"these have changes that no commit has:\n{changed}")
    return _git(root, "rev-parse", "HEAD")


def statement(files: list[Path], commit: str, version: str) -> dict[str, Any]:
    """Return the statement about ``files``, which were built from ``commit``."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": path.name, "digest": {"sha256": sha256(path)}} for path in sorted(files)
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"version": version},
                "resolvedDependencies": [{"name": "source", "digest": {"gitCommit": commit}}],
            },
            "runDetails": {
                "builder": {
                    "id": "scripts/release",
                    "version": {"python": platform.python_version(), "system": sys.platform},
                },
            },
        },
    }


def check(folder: Path, root: Path | None) -> list[str]:
    """Return what is wrong with a release in ``folder``; with ``root``, also against its commit."""
    said = json.loads((folder / STATEMENT).read_text())
    named = {one["name"]: one["digest"]["sha256"] for one in said["subject"]}
    wrong = [
        f"{name}: it is not here"
        if not (folder / name).is_file()
        else f"{name}: it is another file than the one that was built"
        for name, digest in named.items()
        if not (folder / name).is_file() or sha256(folder / name) != digest
    ]
    built = [path for kind in ("*.whl", "*.tar.gz", "*.tgz") for path in folder.glob(kind)]
    wrong += [
        f"{path.name}: nothing says what it was built from"
        for path in sorted(built)
        if path.name not in named
    ]
    if root is not None:
        [source] = said["predicate"]["buildDefinition"]["resolvedDependencies"]
        commit = source["digest"]["gitCommit"]
        if commit != (here := _git(root, "rev-parse", "HEAD")):
            wrong.append(f"built from commit {commit}, and this checkout is {here}")
    return wrong


def sha256(path: Path) -> str:
    """Return the digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=GIT_TIMEOUT_S,
    )
    return done.stdout.strip()


def main() -> int:
    """Check the release in the folder that is named; 1 if something is wrong."""
    folder = Path(sys.argv[1])
    root = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    wrong = check(folder, root)
    for line in wrong:
        print(line, file=sys.stderr)
    if not wrong:
        print("every file is the one that was built")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
