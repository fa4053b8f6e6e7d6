"""Authentication: tokens, the issuer's keys, revocations, and origins of pages.

A user's permissions in an event are checked under the event's lock, in ``handlers``.
"""
