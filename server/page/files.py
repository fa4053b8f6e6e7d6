"""The page's files, in memory.

A request's path is looked up among the paths that were found on disk. It never becomes a path on
the disk, so a path with ``..`` cannot leave the folder.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

#: Bytes of a file; a larger one is not served. Files for a phone's network are far smaller.
MAX_FILE_BYTES: Final = 2 * 1024 * 1024
#: Files of one folder; further ones are not served.
MAX_FILES: Final = 1_000

#: Suffix → media type. A file with another suffix is not served.
MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
#: Suffixes of compressed formats, which gzip would not shrink.
_PACKED: Final = frozenset({".ico", ".png", ".webp", ".woff2"})


class File(NamedTuple):
    """A file with its headers, ready to be sent."""

    media_type: str
    body: bytes
    etag: str
    packed: bytes | None
    """The body compressed with gzip, if that is smaller."""
    packed_etag: str


class Folder:
    """The files below a folder, by their path relative to it, separated by ``/``.

    Left out are names that begin with a dot, links, suffixes that are not in ``MEDIA_TYPES``, and
    files above ``MAX_FILE_BYTES``.
    """

    def __init__(self, root: Path, *, only: tuple[str, ...] = ("",)) -> None:
        """``only`` names the files and folders of ``root`` that are served."""
        self._root = root
        self._only = only
        self._files: dict[str, File] = {}
        self._seen: dict[str, tuple[int, int]] = {}

    def look(self) -> None:
        """Read new and changed files, and forget removed ones. Blocks."""
        found = {path.relative_to(self._root).as_posix(): path for path in self._paths()}
        for name in self._seen.keys() - found.keys():
            self._seen.pop(name, None)
            self._files.pop(name, None)
        for name, path in found.items():
            try:
                stat = path.stat()
                as_of = (stat.st_mtime_ns, stat.st_size)
                if self._seen.get(name) == as_of or stat.st_size > MAX_FILE_BYTES:
                    continue
                body = path.read_bytes()
            except OSError:
                # Removed, or being replaced: the next call reads it again.
                continue
            self._files[name] = file_of(path.suffix, body)
            self._seen[name] = as_of

    def find(self, path: str) -> File | None:
        """Return the file at ``path``, or ``None``."""
        return self._files.get(path)

    def names(self) -> list[str]:
        """Return all paths, sorted."""
        return sorted(self._files)

    def _paths(self) -> list[Path]:
        waiting = [self._root / name for name in self._only]
        found: list[Path] = []
        while waiting and len(found) < MAX_FILES:
            path = waiting.pop()
            hidden = path != self._root and path.name.startswith(".")
            if hidden or path.is_symlink():
                continue
            if path.is_dir():
                waiting += path.iterdir()
            elif path.suffix in MEDIA_TYPES and path.is_file():
                found.append(path)
        return found


def file_of(suffix: str, body: bytes) -> File:
    """Make a file of ``body``, with its tags and its compressed form."""
    digest = hashlib.sha256(body).hexdigest()[:32]
    # mtime=0, so that equal bytes have equal tags on every node and after every start.
    packed = None if suffix in _PACKED else gzip.compress(body, mtime=0)
    if packed is not None and len(packed) >= len(body):
        packed = None
    return File(MEDIA_TYPES[suffix], body, f'"{digest}"', packed, f'"{digest}-gz"')
