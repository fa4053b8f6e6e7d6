"""Rooms: the committed view of each event, and how a subscriber catches up with it.

    registry        the rooms of the node: loaded, moved by the lanes, compared with the database
    room            one event as its subscribers see it
    step_history    its newest steps in memory, and patches that merge them
    subscription    what a socket or HTTP stream knows of a room; a slow reader has no queue
    catch_up        brings a subscription from its client's position to the room's
    resume_path     the part of this way that the journal has and memory does not
    journal_folder  ranges of the journal, folded into patches and cached
    filling         a room filled from the journal
    bus_steps       steps of other nodes that came over the bus
    stored_steps    the journal's steps, decoded
    user_views      a user's own view of an event, read for many users by one statement
    rendering       a snapshot, encoded in slices
    presence        the number of connected members, summed over nodes
    memory_budget   the memory of rooms, by the user for whom each was loaded

A room knows no socket; a ``Subscription`` writes to an ``Outlet``, which ``sessions`` and ``http``
implement. Commands are decided in ``handlers``.
"""
