"""The terms of a proposal's votes, as the proposal's row and the room have them."""

from __future__ import annotations

import functools
from typing import Any, Final

import msgspec

from protocol.policy import DEFAULT_TERMS, Terms

_decoder = msgspec.json.Decoder(Terms)
_defaults = msgspec.structs.asdict(DEFAULT_TERMS)
#: Terms that are kept encoded and decoded; the least recently used ones are made again. There are
#: fewer combinations than this.
MAX_KEPT_TERMS: Final = 64


@functools.lru_cache(maxsize=MAX_KEPT_TERMS)
def terms_view(terms: Terms) -> dict[str, Any] | None:
    """Return the fields of ``terms`` that are not the default, by name; ``None`` if there are none.

    The result is cached: do not change it.
    """
    found = {
        field: list(value) if isinstance(value, tuple) else value
        for field, value in msgspec.structs.asdict(terms).items()
        if value != _defaults[field]
    }
    return found or None


@functools.lru_cache(maxsize=MAX_KEPT_TERMS)
def encode_terms(terms: Terms) -> str | None:
    """Return ``terms`` as the proposal's row stores them: JSON, ``None`` for the default."""
    view = terms_view(terms)
    return None if view is None else msgspec.json.encode(view).decode()


@functools.lru_cache(maxsize=MAX_KEPT_TERMS)
def decode_terms(text: str | None) -> Terms:
    """Return the terms that ``text`` records."""
    return DEFAULT_TERMS if text is None else _decoder.decode(text)
