"""The small rules of the protocol, without I/O.

Close codes, merge patches, addresses, token buckets, backoff, claims of a token. Nothing here
knows a client, a room or a socket.
"""
