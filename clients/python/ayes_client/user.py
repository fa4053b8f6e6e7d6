"""The user of a client."""

from __future__ import annotations

from typing import NamedTuple


class User(NamedTuple):
    """The user that the token names, as the server knows them."""

    id: str
    name: str
