"""Texts that people type and paste, in the form that the server knows."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from ayes_client.cli.output import UsageError

_EVENT = re.compile(r"[/#]e/+([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.IGNORECASE)
_CODE = re.compile(r"[/#]join/+([^/?&#\s]+)", re.IGNORECASE)


def event_id(text: str) -> str:
    """Return the event of a link to its room, or ``text`` itself."""
    found = _EVENT.search(unquote(text))
    return found[1].lower() if found else text


def entrance_code(text: str) -> str:
    """Return a code, or that of a link to join, in capitals and without blanks and dashes."""
    plain = unicodedata.normalize("NFKC", unquote(text))
    found = _CODE.search(plain)
    return re.sub(r"[^A-Z0-9]", "", (found[1] if found else plain).upper())


def token_text(text: str) -> str:
    """Return a token without what surrounds it: blanks, an editor's mark, the word of a header."""
    plain = text.strip().removeprefix("\ufeff").strip()
    return re.sub(r"^(Authorization:\s*)?Bearer\s+", "", plain, flags=re.IGNORECASE)


def token_in(path: Path) -> str:
    """Return the token in a file; PowerShell writes UTF-16. Raises ``OSError``, ``ValueError``."""
    content = path.read_bytes()
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    return token_text(content.decode("utf-16" if is_utf16 else "utf-8"))


def check_text(arguments: Sequence[str]) -> None:
    """Raise ``UsageError`` for an argument that is no text in the terminal's encoding."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"{os.fsencode(argument)!r} is no text in {sys.getfilesystemencoding()}; "
                "try PYTHONUTF8=1"
            ) from None
