"""Nodes that show a room by the steps of the bus alone."""

from tests.promises.nodes.bus_steps import eavesdropper, no_sweep

__all__ = ["eavesdropper", "no_sweep"]
