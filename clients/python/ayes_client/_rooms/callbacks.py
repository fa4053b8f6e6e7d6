"""Who wants to be told, and of what."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

log = logging.getLogger("ayes_client")

Callback: TypeAlias = Callable[[Any], object]


class Callbacks:
    """Callbacks by the name of what happened. One that raises is logged, and harms no other."""

    def __init__(self, *names: str) -> None:
        self._told: dict[str, list[Callback]] = {name: [] for name in names}

    def add(self, name: str, callback: Callback) -> Callable[[], None]:
        """Call ``callback`` whenever ``name`` happens; returns what ends that."""
        if name not in self._told:
            raise ValueError(f"{name!r} is none of {', '.join(self._told)}")
        listeners = self._told[name]
        listeners.append(callback)

        def remove() -> None:
            if callback in listeners:
                listeners.remove(callback)

        return remove

    def tell(self, name: str, what: Any) -> None:
        """``name`` happened."""
        for callback in tuple(self._told[name]):
            try:
                callback(what)
            except Exception:
                log.exception("a callback for %r failed", name)
