"""The rooms that a client is in: the folded state, its readers and its callbacks.

Which room is subscribed on which socket is not here: see ``_connection.subscriptions``.
"""
