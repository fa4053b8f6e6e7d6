"""Texts are normalised: line ends, NFC, visible characters, names."""

from __future__ import annotations

import json
import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.codec import Invalid, decode_frame
from protocol.errors import ErrorCode, RetryableError
from protocol.text import (
    _COMPOSED_MARKS,
    MAX_MARKS,
    check_id,
    clean_name,
    clean_text,
    cut_name,
    escaped,
    has_long_run,
    is_empty,
)
from tests.protocol.wrong import CONTROLS, LIMITS, LONG_RUNS, MAX_RUN, NOTHING

#: Characters of special rules, among ordinary ones.
ODD = (
    "ae\u0301\u0316\u00e9\u0344\u0f73\u0958\u1f82\uac00\u1100\u1161"
    " \t\n\r\x0b\x0c\x85\u2028\u2029\ufeff"
    "\u200b\u200c\u200d\u200e\u202a\u202e\u2066\u2069\u3164\u2800\u1160\ufe0f\u034f\u180e\u061c\u0600"
    "\u0915\u094d\u0643\U0001f469\U0001f3fd\u2764\U0001d160\U000e0041\ufffe"
)
texts = st.text(st.sampled_from(ODD) | st.characters(exclude_categories=["Cs"]), max_size=90)


def content(text: str) -> Any:
    """The content of a comment with ``text``, or its error."""
    comment = {"type": "comment.add", "id": "example-1", "event": "e", "proposal": "p"}
    payload = json.dumps(comment | {"content": text}, ensure_ascii=False).encode()
    frame = decode_frame(payload, limits=LIMITS, message_bytes=1_000_000, longest_batch=256)
    (message,) = frame.messages
    return message.error if isinstance(message, Invalid) else getattr(message, "content", None)


@pytest.mark.parametrize("end", ["\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\n"])
def test_every_end_of_a_line_is_a_newline(end: str) -> None:
    assert content(f"one{end}two") == "one\ntwo"
    assert content(f"caf\u00e9{end}{end}two") == "caf\u00e9\n\ntwo"


def test_a_leading_byte_order_mark_goes() -> None:
    assert content("\ufeffwords") == "words"
    assert content("\ufeff\ufeff\r\nwords") == "\nwords"
    # In the middle of a word it joins, as always.
    assert content("two\ufeffwords") == "two\ufeffwords"


@pytest.mark.parametrize("character", CONTROLS)
def test_a_control_character_is_named_with_its_place(character: str) -> None:
    error = content(f"\ufeff\u00e9\r\n{character}x")
    assert error.code is ErrorCode.BAD_REQUEST
    name = f"U+{ord(character):04X}"
    assert error.details == {"path": "content", "character": name, "at": 4}
    assert name in error.message


def test_a_control_character_in_a_list_is_named_with_its_place() -> None:
    create = {"type": "event.create", "id": "example-1", "subject": "s", "options": ["a", "b\x07"]}
    hello = {"type": "hello", "resume": [{"event": "e"}, {"event": "\x07"}]}
    for message, path, at in ((create, "options[1]", 1), (hello, "resume[1].event", 0)):
        payload = json.dumps(message).encode()
        frame = decode_frame(payload, limits=LIMITS, message_bytes=10_000, longest_batch=256)
        (found,) = frame.messages
        assert isinstance(found, Invalid)
        assert found.error.details == {"path": path, "character": "U+0007", "at": at}


@pytest.mark.parametrize("nothing", NOTHING, ids=ascii)
def test_what_shows_nothing_is_empty(nothing: str) -> None:
    assert content(nothing).details == {"path": "content"}
    assert content(nothing).message == "content is empty"
    assert content(f"{nothing}x{nothing}") == clean_text(f"{nothing}x{nothing}", "content")


def test_what_shows_is_not_empty() -> None:
    for text in ("0", ".", "\u0301", "\u0600", "\u2764\ufe0f", "\U0001f600", "\u3042", "\ue000"):
        assert not is_empty(text), ascii(text)


def test_blanks_and_what_unicode_says_to_ignore_show_nothing() -> None:
    blanks = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c)[0] == "Z"]
    assert len(blanks) > 15
    assert is_empty("".join(blanks))
    for first, last in ((0x180B, 0x180F), (0x2060, 0x206F), (0xFE00, 0xFE0F), (0xE0000, 0xE0FFF)):
        assert is_empty("".join(map(chr, range(first, last + 1))))


# Runs of combining marks


def test_the_longest_run_passes_and_one_mark_more_does_not() -> None:
    assert content(MAX_RUN) == unicodedata.normalize("NFC", MAX_RUN)
    for run in LONG_RUNS:
        error = content(run)
        assert error.details == {"path": "content", "limit": MAX_MARKS}, ascii(run)
    # Many short runs are permitted.
    assert content((MAX_RUN + "x") * 50) is not None


def test_a_run_is_found_wherever_it_is() -> None:
    for before in range(140):
        assert has_long_run("x" * before + "\u0301" * 31 + "y"), before
        assert not has_long_run("x" * before + "\u0301" * 30 + "y\u0301"), before


def test_no_other_character_hides_marks() -> None:
    """Every mark of combining class 0 that decomposes into marks is in the list."""
    hidden = {
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.combining(character) == 0
        and unicodedata.combining(unicodedata.normalize("NFD", character)[0]) != 0
    }
    assert hidden == {c for c in map(chr, range(0xF00, 0x1000)) if _COMPOSED_MARKS.match(c)}


@settings(max_examples=600, deadline=None)
@given(texts)
def test_text_made_right_stays_as_it_is(text: str) -> None:
    try:
        made = clean_text(text, "content")
    except RetryableError:
        return
    assert clean_text(made, "content") == made
    assert unicodedata.is_normalized("NFC", made)
    assert not set(made) & set("\r\x0b\x0c\x85\u2028\u2029")


# Ids


def test_ids_are_taken_as_they_are() -> None:
    user = "e\u0301\u2028"
    message = {"type": "membership.approve", "id": "example-1", "event": "e", "user": user}
    payload = json.dumps(message).encode()
    frame = decode_frame(payload, limits=LIMITS, message_bytes=10_000, longest_batch=256)
    (found,) = frame.messages
    assert getattr(found, "user", None) == user
    with pytest.raises(RetryableError):
        check_id("a\rb", "user")


def test_what_a_terminal_would_not_show_is_escaped_and_stays_different() -> None:
    assert escaped("Ada\n\u0645\u06cc\u200c\u062e") == "Ada\n\u0645\u06cc\\u200c\u062e"
    assert escaped("a\u202eb\x1b[31m\u3164\U000e0041") == "a\\u202eb\\u001b[31m\\u3164\\U000e0041"
    users = ["ada", "ad\u200ba", "a\u202eda", "ada\u3164"]
    assert len({escaped(user) for user in users}) == 4


# Names


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada\t\r\n Lovelace ", "Ada Lovelace"),
        ("\u202eadA", "adA"),
        ("A\u2066d\u2069a\u200e\u200f\u061c", "Ada"),
        ("A\u200bd\u2060a\ufeff\u00ad", "Ada"),
        ("A\u0000d\u001ba", "Ada"),
        # Joiners: not between letters that no joiner changes, but between letters that one changes.
        ("A\u200dd\u200ca", "Ada"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        ("\u200d\u0915\u200d", "\u0915"),
        ("\U0001f469\U0001f3fd\u200d\U0001f4bb", "\U0001f469\U0001f3fd\u200d\U0001f4bb"),
        ("\u2764\ufe0f\u200d\U0001f525", "\u2764\ufe0f\u200d\U0001f525"),
        ("\ufe0fAda \ufe0f", "Ada"),
        ("A\u3164\u2800B", "A B"),
        ("e\u0301", "\u00e9"),
        ("\u0301" * 40, "\u0301" * MAX_MARKS),
        *((nothing, "") for nothing in NOTHING),
    ],
    ids=ascii,
)
def test_names_lose_what_does_not_show(name: str, shown: str) -> None:
    assert clean_name(name) == shown


@settings(max_examples=600, deadline=None)
@given(texts)
def test_a_clean_name_is_clean(name: str) -> None:
    made = clean_name(name)
    assert clean_name(made) == made
    assert not has_long_run(made)
    assert made == "" or not is_empty(made)
    assert not set(made) & set(
        "\n\t\u200b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
    )
    for limit in (1, 2, 5):
        assert clean_name(cut_name(made, limit)) == cut_name(made, limit)
