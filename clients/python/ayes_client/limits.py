"""The server's limits for one socket."""

from __future__ import annotations

from typing import NamedTuple, Self

from ayes_client.state import Json


class Limits(NamedTuple):
    """The limits of a ``welcome``; these values until it comes."""

    message_bytes: int = 65_536
    batch: int = 256
    inflight: int = 256
    subscriptions: int = 64
    commands_per_second: int = 200
    burst: int = 1_000

    @classmethod
    def from_welcome(cls, welcome: Json) -> Self:
        """Read the limits of a ``welcome``; a missing one has its default."""
        limits = welcome["limits"]
        return cls(**{name: limits[name] for name in cls._fields if name in limits})
