"""Who a client is, and whether its token still counts: keys, issuers, revocations, origins.

What a user may do in an event is decided under the event's lock, in ``handlers``.
"""
