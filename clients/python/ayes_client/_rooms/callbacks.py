"""Callbacks by the name of what happened."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

log = logging.getLogger("ayes_client")

Callback: TypeAlias = Callable[[Any], object]


class Callbacks:
    """A list of callbacks for each name. One that raises is logged; the others are called."""

    def __init__(self, *names: str) -> None:
        self._listeners: dict[str, list[Callback]] = {name: [] for name in names}

    def add(self, name: str, callback: Callback) -> Callable[[], None]:
        """Call ``callback`` whenever ``name`` happens; return a function that removes it.

        Raises ``ValueError`` for an unknown name.
        """
        if name not in self._listeners:
            raise ValueError(f"{name!r} must be one of {', '.join(self._listeners)}")
        listeners = self._listeners[name]
        listeners.append(callback)

        def remove() -> None:
            if callback in listeners:
                listeners.remove(callback)

        return remove

    def any(self, *names: str) -> bool:
        """Return whether there is a callback for one of ``names``."""
        return any(self._listeners[name] for name in names)

    def call(self, name: str, argument: Any) -> None:
        """Call each callback of ``name`` with ``argument``."""
        for callback in tuple(self._listeners[name]):
            try:
                callback(argument)
            except Exception:
                log.exception("a callback for %r failed", name)
