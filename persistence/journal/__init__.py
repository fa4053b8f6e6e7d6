"""The journal of an event, and the locked transaction that appends to it.

What a command means is decided in ``handlers``; this folder stores the decision.
"""
