"""Reads outside the locked transaction: rooms, lists, a user's own view, what is due.

Nothing here takes an event's lock.
"""
