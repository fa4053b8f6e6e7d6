"""The page's files, held in memory: what is not in the list is not there.

A request's path is looked up among the paths that were found on disk, and never becomes a path of
the disk itself, so there is nothing to climb out of.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

#: Largest file; a page that has to come over a phone's network has none near it.
MAX_FILE_BYTES: Final = 2 * 1024 * 1024
#: Files of one folder.
MAX_FILES: Final = 1_000

#: Suffix → media type. A file of another kind is not served.
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
#: What is small already.
_PACKED: Final = frozenset({".ico", ".png", ".webp", ".woff2"})


class File(NamedTuple):
    """A file as it is sent."""

    media_type: str
    body: bytes
    etag: str
    packed: bytes | None
    """The body under gzip, where that is smaller."""
    packed_etag: str


class Folder:
    """The files below one or several folders, by their path in it, ``/`` between its parts.

    Left out are: files and folders whose name begins with a dot, links, kinds that are not in
    ``MEDIA_TYPES``, what is larger than ``MAX_FILE_BYTES``.
    """

    def __init__(self, root: Path, *, only: tuple[str, ...] = ("",)) -> None:
        """``only`` names the parts of ``root`` that are served, files or folders."""
        self._root = root
        self._only = only
        self._files: dict[str, File] = {}
        self._seen: dict[str, tuple[int, int]] = {}

    def look(self) -> None:
        """Read what is new or has changed, and forget what is gone. Blocks."""
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
                # Gone, or being replaced: the next look tells.
                continue
            self._files[name] = file_of(path.suffix, body)
            self._seen[name] = as_of

    def find(self, path: str) -> File | None:
        """The file at ``path``; any text may be asked for."""
        return self._files.get(path)

    def names(self) -> list[str]:
        """Every path there is, sorted."""
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
    """``body`` as a file of this kind."""
    digest = hashlib.sha256(body).hexdigest()[:32]
    # mtime: the same bytes have the same tag, on every node and after every start.
    packed = None if suffix in _PACKED else gzip.compress(body, mtime=0)
    if packed is not None and len(packed) >= len(body):
        packed = None
    return File(MEDIA_TYPES[suffix], body, f'"{digest}"', packed, f'"{digest}-gz"')
