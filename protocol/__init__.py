"""The wire contract: messages, error and close tables, merge patch, codec.

    text         text, normalised before it is checked
    fields       the kinds of field, and their ranges
    errors       every error that a client can get
    closes       every close code
    policy       the policy of an event
    policy_view  the base of what rooms show, and the policy as it is shown
    state        the content of a room
    command      the fields of every command
    commands     the commands
    results      the ``result`` of an ack
    requests     a client's messages that are not commands
    messages     the server's messages about the connection, commands and rooms
    replies      the answers to queries, and the list of all the server's messages
    codec        decodes frames into messages, or into errors that can be answered
    answers      encodes the server's messages
    merge_patch  JSON Merge Patch, with composition and difference
    published    JSON Schema, AsyncAPI and OpenAPI, made from these types

Pure: nothing in here does I/O, reads a clock or draws a random number. Everything else in Ayes
imports from this package; this package imports nothing of Ayes.
"""

#: Version of the wire protocol, sent in ``welcome.server.protocol``.
PROTOCOL_VERSION = "1.0"
#: The WebSocket sub-protocol, ``Sec-WebSocket-Protocol``.
SUBPROTOCOL = "ayes.v1"
