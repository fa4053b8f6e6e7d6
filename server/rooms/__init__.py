"""Rooms: the committed view of each event, and how a subscriber catches up with it.

A room knows no socket; a ``Subscription`` writes to an ``Outlet``, which ``sessions`` and ``http``
implement. Commands are decided in ``handlers``.
"""
