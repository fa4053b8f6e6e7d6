"""Why something was refused, in the page's own words.

``scripts/client_types.py`` copies them from the page, one file for each language.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

#: Languages that there are words in.
LANGUAGES = ("en", "ko")
#: Errors whose message names the field and the fault, which no sentence here can.
_SAID_BY_SERVER = frozenset({"bad_request", "bad_frame", "too_large"})


@cache
def _texts(language: str) -> dict[str, str]:
    text = files("ayes_client._words").joinpath(f"{language}.json").read_text(encoding="utf-8")
    found: dict[str, str] = json.loads(text)
    return found


def explain(
    error: BaseException,
    language: str = "en",
    *,
    name: Callable[[str], str | None] = lambda user: None,
) -> str:
    """Return one sentence for a person about ``error``.

    ``language`` is a tag such as ``ko`` or ``ko-KR``; English where there are no words in it.
    ``name`` returns the name of a user by their id, if it is known.
    """
    code, details = getattr(error, "code", None), getattr(error, "details", {})
    message = str(getattr(error, "message", error))
    if code is None:
        # No error of a server: its own words are all there are.
        return message
    words = _Words(language)
    if code in ("proposal_closed", "already_resolved"):
        return _closed(words, details, name)
    if code in _SAID_BY_SERVER:
        return words.say("error.said", message=message)
    if code == "limit_reached":
        own = f"error.limit_reached.{details.get('name')}"
        if own in words or details.get("limit"):
            found = own if own in words else "error.limit_reached.limit"
            return words.say(found, limit=details.get("limit"))
    if code == "closed":
        own = f"close.{details.get('close')}"
        return words.say(own if own in words else "error.closed_for_good")
    if code == "room_closed":
        # Where the server refused the room, its code is the reason.
        for own in (f"error.room_closed.{details.get('reason')}", f"error.{details.get('reason')}"):
            if own in words:
                return words.say(own)
    if f"error.{code}" in words:
        return words.say(f"error.{code}")
    return words.say("error.said", message=message)


def _closed(words: _Words, details: dict[str, Any], name: Callable[[str], str | None]) -> str:
    """``Already accepted by Ada.``"""
    key = f"error.closed.{details.get('status')}"
    said = words.say(key if key in words else "error.closed")
    by = details.get("by")
    who = name(by) if by else None
    how = f"how.{details.get('resolution')}{'.by' if who else ''}"
    return f"{said} {words.say(how, name=who)}" if how in words else said


class _Words:
    def __init__(self, language: str) -> None:
        tag = language.partition("-")[0]
        self._texts = _texts(tag if tag in LANGUAGES else "en")

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def say(self, key: str, **values: object) -> str:
        def value(found: re.Match[str]) -> str:
            given = values.get(found[1])
            if isinstance(given, int):
                return f"{given:,}"
            return found[0] if given is None else str(given)

        return re.sub(r"\{(\w+)\}", value, self._texts[key])
