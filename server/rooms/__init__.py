"""Rooms: the committed view of each event, and how a subscriber reaches the present.

No room knows a socket: it writes to an ``Outlet`` (``subscription``).
"""
