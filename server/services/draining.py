"""Whether this node is going away, and when its clients should come back."""

from __future__ import annotations

import random
from typing import Final

#: Milliseconds after which a client of a node that goes away reconnects at the earliest. Each
#: client gets its own random delay, so that they do not all come back at once.
MIN_RETRY_DELAY_MS: Final = 100
#: Milliseconds of that delay at most: a short pause for a person.
MAX_RETRY_DELAY_MS: Final = 2_000


class Draining:
    """Set once, when the node begins to stop; read before each command and each new socket."""

    def __init__(self) -> None:
        self.has_begun = False

    def begin(self) -> None:
        """Refuse new commands and sockets from now on."""
        self.has_begun = True

    def retry_after_ms(self) -> int:
        """Return a random delay for one client's reconnect, in milliseconds."""
        return random.randint(MIN_RETRY_DELAY_MS, MAX_RETRY_DELAY_MS)  # noqa: S311 - spreads load
