"""Normalise text before it is checked, in time proportional to its length.

Line ends and a leading byte order mark are corrected; then the text is brought to NFC (Unicode
Standard Annex 15). Runs of combining marks are bounded first: putting a run in canonical order
takes time that grows with the square of its length.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from protocol.errors import bad_request

#: Combining marks in a row, as in the Stream-Safe Text Format (UAX 15, 13). A text with a longer
#: run is refused; no language needs so many.
MAX_MARKS = 30
#: How many times longer than its limit a text may arrive; a longer one is refused at once. NFC
#: makes one code point of at most four (U+1F82 decomposes into four), so such a text is over its
#: limit in any form.
MAX_SHRINKING = 4

#: Code points decomposed at a time while marks are counted: few enough that sorting them is cheap.
_CHUNK: Final = 64
#: Marks of combining class 0 that decompose into others; `unicodedata.combining` does not report
#: them.
_COMPOSED_MARKS: Final = re.compile("[\u0f73\u0f75\u0f81]")
_LONG_RUN: Final = re.compile(rb"[^\0]{%d}" % (MAX_MARKS + 1))
#: Control characters and lone surrogates, except tab and line ends.
_CONTROL: Final = re.compile("[\0-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
#: The same for an id, in which only a line feed ends a line.
_CONTROL_IN_ID: Final = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_END: Final = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_BYTE_ORDER_MARK: Final = "\ufeff"

#: Characters that take space and show nothing, though Unicode calls them letters or symbols: blanks
#: of Braille and hieroglyphs, a note without a head, fillers of Hangul and Khitan.
_FILLERS: Final = frozenset(
    "\u2800\u3164\uffa0\u115f\u1160\U00013441\U00013442\U00016fe4\U0001d159"
)
#: Characters that show nothing by themselves (Default_Ignorable_Code_Point) and are not formatting
#: characters (Cf): joiners of graphemes, inherent vowels, variation selectors, reserved places.
_IGNORABLES: Final = (
    "\u034f\u17b4\u17b5\u180b-\u180f\u2065\ufe00-\ufe0f\ufff0-\ufff8\U000e0000-\U000e0fff"
)
_IGNORABLE: Final = re.compile(f"[{_IGNORABLES}]")
#: The same and the fillers: characters that `str.isprintable` takes for visible.
_PRINTABLE_NOTHING: Final = re.compile(f"[{''.join(_FILLERS)}{_IGNORABLES}]")
#: Formatting characters that do show: signs before numbers, and arrangement of hieroglyphs.
_SHOWN_FORMAT: Final = re.compile(
    "[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\ufff9-\ufffb"
    "\U000110bd\U000110cd\U00013430-\U0001343f]"
)
_JOINERS: Final = "\u200c\u200d"
#: Scripts whose letters change their form at a joiner. In others a joiner would only make two names
#: look the same (compare RFC 5892, appendix A.1).
_JOINING: Final = re.compile("[\u0590-\u10ff\u1700-\u1cff\ua800-\uabff\U00010800-\U00011fff]")
_EMOJI_SELECTOR: Final = "\ufe0f"


def clean_text(value: str, path: str) -> str:
    """Return ``value`` with newlines as line ends, no leading byte order mark, and in NFC.

    Raises ``bad_request`` naming ``path`` for a control character, with the character and its
    place, and for a run of more than ``MAX_MARKS`` combining marks. Takes time proportional to the
    length of ``value``; does not check the length.
    """
    if value.isascii() and value.isprintable():
        return value
    _refuse_match(_CONTROL, value, path)
    value = _LINE_END.sub("\n", value.lstrip(_BYTE_ORDER_MARK))
    if value.isascii():
        return value
    if has_long_run(value):
        raise bad_request(path, f"more than {MAX_MARKS} combining marks in a row", limit=MAX_MARKS)
    return unicodedata.normalize("NFC", value)


def check_id(value: str, path: str) -> None:
    """Raise ``bad_request`` naming ``path`` if ``value`` has a control character.

    An id is compared by its bytes and never changed: two ids that an issuer distinguishes must not
    become one.
    """
    if not value.isascii() or not value.isprintable():
        _refuse_match(_CONTROL_IN_ID, value, path)


def _refuse_match(kind: re.Pattern[str], value: str, path: str) -> None:
    if (found := kind.search(value)) is not None:
        character = f"U+{ord(found[0]):04X}"
        message = f"the control character {character} is not allowed"
        raise bad_request(path, message, character=character, at=found.start())


def has_long_run(value: str) -> bool:
    """Return whether ``value``, decomposed, has more than ``MAX_MARKS`` combining marks in a row.

    The order of the marks does not matter here, so ``value`` may be decomposed in parts.
    """
    if not any(map(unicodedata.combining, value)) and _COMPOSED_MARKS.search(value) is None:
        return False
    chunks = (value[at : at + _CHUNK] for at in range(0, len(value), _CHUNK))
    decomposed = "".join([unicodedata.normalize("NFD", chunk) for chunk in chunks])
    return _LONG_RUN.search(bytes(map(unicodedata.combining, decomposed))) is not None


def is_empty(value: str) -> bool:
    """Return whether ``value`` shows nothing: only blanks, fillers and invisible characters."""
    return all(map(_shows_nothing, value))


def _shows_nothing(character: str) -> bool:
    if character.isascii():
        return not character.isprintable() or character == " "
    return character.isspace() or character in _FILLERS or _is_invisible(character)


def _is_invisible(character: str) -> bool:
    if unicodedata.category(character) == "Cf":
        return _SHOWN_FORMAT.match(character) is None
    return _IGNORABLE.match(character) is not None


def clean_name(name: str) -> str:
    """Return ``name`` in NFC on one line, with single spaces and without invisible characters.

    Every name is accepted: a strange one comes from the identity provider, and must not lock a user
    out. Control characters, bidirectional overrides and isolates are removed. A joiner stays
    between letters of scripts that need it and between emoji. A variation selector stays after a
    visible character, and up to ``MAX_MARKS`` combining marks of a run stay. Returns an empty text
    if nothing is left. Takes time proportional to the length of ``name``: cut it first.
    """
    if name.isprintable() and _PRINTABLE_NOTHING.search(name) is None:
        return unicodedata.normalize("NFC", _with_short_runs(" ".join(name.split())))
    kept: list[str] = []
    for character, following in zip(name, [*name[1:], ""], strict=True):
        if character.isspace() or character in _FILLERS:
            kept.append(" ")
        elif character in _JOINERS:
            if kept and _joins_next(kept[-1]) and _joins(following):
                kept.append(character)
        elif unicodedata.category(character) in ("Cc", "Cs"):
            continue
        elif not _is_invisible(character) or _is_selector_behind(character, kept):
            kept.append(character)
    text = " ".join(_with_short_runs("".join(kept)).split())
    return unicodedata.normalize("NFC", text)


def cut_name(name: str, limit: int) -> str:
    """Return the first ``limit`` characters of a clean ``name``, without a joiner at the end."""
    return name[:limit].rstrip(" " + _JOINERS)


def _joins_next(character: str) -> bool:
    return character == _EMOJI_SELECTOR or _joins(character)


def _joins(character: str) -> bool:
    """Whether ``character`` is an emoji, or a letter or mark that a joiner may change."""
    if character == "" or _shows_nothing(character):
        return False
    return _JOINING.match(character) is not None or unicodedata.category(character) in ("So", "Sk")


def _is_selector_behind(character: str, kept: list[str]) -> bool:
    """Whether ``character`` only chooses the form of the visible one before it."""
    return (
        unicodedata.category(character) != "Cf"
        and bool(kept)
        and kept[-1] not in _JOINERS
        and not _shows_nothing(kept[-1])
    )


def _with_short_runs(text: str) -> str:
    """Return ``text`` without the combining marks of each run beyond ``MAX_MARKS``."""
    if not has_long_run(text):
        return text
    kept, run = [], 0
    for character in text:
        marks = [unicodedata.combining(c) != 0 for c in unicodedata.normalize("NFD", character)]
        run = run + len(marks) if all(marks) else marks[::-1].index(False)
        if run <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def escaped(text: str) -> str:
    """Return ``text`` for a terminal, with unprintable characters as ``\\u202e``; newlines stay.

    Nothing is left out: two ids that differ must look different to an auditor.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c == "\n" or (c.isprintable() and not _PRINTABLE_NOTHING.match(c)) else _escape(c)
        for c in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
