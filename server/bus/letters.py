"""Reading letters: sealed messages from node to node, of any kind.

The bus has opened the seal, so a node of the same database wrote the letter for this channel. It
may still be unreadable (another version's), late, or of a node that is gone.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import msgspec

_Kind = TypeVar("_Kind")


class _Dated(Protocol):
    """A letter with its sender, and the sender's clock when it was written."""

    @property
    def node(self) -> str: ...

    @property
    def at(self) -> float: ...


class _Nodes(Protocol):
    """The nodes that may have sent a letter; see ``LivingNodes``."""

    def lateness(self, node: str, at: float) -> float | None: ...


def decoded(decoder: msgspec.msgpack.Decoder[_Kind], text: bytes | None) -> _Kind | None:
    """Return the letter in ``text``; ``None`` if it is not one of the decoder's kind."""
    if text is None:
        return None
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def is_timely(nodes: _Nodes, letter: _Dated, most_s: float) -> bool:
    """Whether a living node wrote ``letter``, and it is at most ``most_s`` seconds late."""
    lateness = nodes.lateness(letter.node, letter.at)
    return lateness is not None and lateness <= most_s
