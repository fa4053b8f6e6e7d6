"""One connection to the server, from its opening to its end.

What outlives a connection is not here: pending commands are in ``_pending``, rooms in ``_rooms``.
"""
