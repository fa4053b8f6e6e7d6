"""A server whose handlers fail."""

from tests.promises.commands.faulting import spoiled

__all__ = ["spoiled"]
