"""What a server takes from one socket."""

from __future__ import annotations

from typing import NamedTuple, Self

from ayes_client.state import Json


class Limits(NamedTuple):
    """What the server takes from one socket, as ``welcome`` says; these until it does."""

    message_bytes: int = 65_536
    batch: int = 256
    inflight: int = 256
    subscriptions: int = 64
    commands_per_second: int = 200
    burst: int = 1_000

    @classmethod
    def from_welcome(cls, welcome: Json) -> Self:
        """The limits that a ``welcome`` tells; those it leaves out are as above."""
        told = welcome["limits"]
        return cls(**{name: told[name] for name in cls._fields if name in told})
