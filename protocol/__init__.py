"""The wire contract: messages, error and close tables, merge patch, codec.

Pure: nothing in here does I/O, reads a clock or draws a random number. Everything else in Ayes
imports from this package; this package imports nothing of Ayes.
"""

#: Version of the wire protocol, sent in ``welcome.server.protocol``.
PROTOCOL_VERSION = "1.0"
#: The WebSocket sub-protocol, ``Sec-WebSocket-Protocol``.
SUBPROTOCOL = "ayes.v1"
