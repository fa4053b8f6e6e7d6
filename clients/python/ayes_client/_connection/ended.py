"""How a connection ended, and what the client does next."""

from __future__ import annotations

from dataclasses import dataclass

from ayes_client.errors import AyesError


@dataclass(slots=True)
class SessionEnd:
    """The end of one session.

    ``error``: the last error of the server. ``final``: it ends the client. ``why``: for people, if
    there is no error. ``retry_after``: seconds that the server asked for. ``lived``: seconds since
    the welcome. ``blocked``: how much it says that no WebSocket gets through: 1 for a refused
    upgrade, 0 for nothing.
    """

    error: AyesError | None = None
    final: bool = False
    why: str = ""
    retry_after: float | None = None
    lived: float = 0.0
    blocked: float = 0.0
