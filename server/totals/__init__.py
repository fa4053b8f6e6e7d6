"""Sums over all nodes for each user, so that more nodes do not give more.

    shared_guesses  wrong codes
    shared_usage    sockets, streams and the cost of queries

Each node counts its own (``limits``) and sends sums to the others. They are approximate and lag by
moments. Redis stores nothing of them; without it each node is left with its own. ``presence``,
which is of a room, is in ``rooms``.
"""
