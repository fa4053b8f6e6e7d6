"""An outlet for tests of rooms."""


class EagerOutlet:
    """A socket that takes every frame, and drops it."""

    deflates = False
    expects_answer = False

    def can_send(self) -> bool:
        """Return true: the socket is never full."""
        return True

    def admits(self, size: int) -> bool:
        """Return true: the socket is never full."""
        return True

    def send_room(self, *frames: bytes) -> None:
        """Do nothing."""
